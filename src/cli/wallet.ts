/**
 * `farebox wallet`: the wallets that `farebox get` pays with.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { CliContext } from './Context.ts';
import { isProduct, products } from './Products.ts';
import type { Terminal } from './Terminal.ts';
import { table } from './Terminal.ts';
import { openNode, openWallet, readWallets, type Wallet, walletName, writeWallet } from './Wallets.ts';

type ConnectOptions = {
  readonly url?: string;
  readonly certificate?: string;
  readonly macaroon?: string;
  readonly rune?: string;
  readonly key?: string;
  readonly password?: string;
  readonly connection?: string;
  readonly assumedMaxFee?: string;
  readonly network: string;
  readonly name: string;
  readonly json?: boolean;
};

/** Adds `farebox wallet`. */
export function registerWallet(program: Command, context: CliContext): void {
  const wallet = program.command('wallet').description('Connect the wallet that "farebox get" pays with, or show which are connected.');
  wallet
    .command('connect')
    .argument('<product>', `what it is: ${Object.keys(products).join(', ')}`)
    .description('Try a wallet without spending, and pay with it from now on.')
    .option('--url <address>', "its API's address, such as https://127.0.0.1:8080")
    .option('--certificate <file>', 'lnd, cln: the file of its certificate; it is pinned')
    .option('--macaroon <file>', 'lnd: the file of a macaroon that may pay and look payments up')
    .option('--rune <file>', 'cln: the file of a rune that may')
    .option('--key <file>', "lnbits: the file of the wallet's admin key; lnbot: of its wallet key")
    .option('--password <file>', 'phoenixd: its phoenix.conf, or a file of its http-password')
    .option('--connection <file>', 'nwc: the file of a connection string that may pay and look payments up')
    .option('--assumed-max-fee <amount>', 'phoenixd, nwc: what to reckon with on top of a price, as it takes no fee limit, such as "10 sat"')
    .option('--network <network>', 'whose bitcoin: bitcoin, testnet, signet or regtest', 'bitcoin')
    .option('-n, --name <name>', 'what to call it; the one called "wallet" pays where --wallet names no other', 'wallet')
    .option('--json', 'print JSON')
    .addHelpText('after', connectHelp)
    .action((product: string, options: ConnectOptions) => connect(context, product, options));
  wallet
    .command('list', { isDefault: true })
    .description('Show the wallets that are connected.')
    .option('--json', 'print JSON')
    .action((options: { readonly json?: boolean }) => list(context, context.terminal.withJson(options.json)));
  wallet
    .command('remove')
    .argument('<name>', 'the wallet')
    .description('Forget a wallet. What it paid for stays known.')
    .action((name: string) => remove(context, name));
}

const connectHelp = `
What lets one in stays in its file; it may pay, and no more than it needs:
  lnd       lncli bakemacaroon info:read offchain:read offchain:write --save_to farebox-pay.macaroon
  cln       lightning-cli createrune restrictions='[["method=pay","method=listpays","method=listpeerchannels","method=getinfo"]]' | jq -r .rune > farebox-pay.rune
  lnbits    the admin key of a wallet of its own, from its page "API docs"
  phoenixd  http-password of ~/.phoenix/phoenix.conf
  lnbot     the wallet key (wk_…) of a wallet of its own
  nwc       a connection string of the wallet's, with a budget: it names the wallet, its relays and a key of its own

Examples:
  farebox wallet connect lnd --url https://127.0.0.1:8080 --certificate ~/.lnd/tls.cert --macaroon farebox-pay.macaroon
  farebox wallet connect lnbits --url https://lnbits.example.com --key admin.key
  farebox wallet connect phoenixd --password ~/.phoenix/phoenix.conf --assumed-max-fee "10 sat"
  farebox wallet connect lnbot --key wallet.key
  farebox wallet connect nwc --connection nwc.connection --assumed-max-fee "10 sat"`;

async function connect(context: CliContext, product: string, options: ConnectOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  if (!walletName.test(options.name)) throw new FareboxError('CONFIG_INVALID', '--name is 1 to 32 lower-case letters, digits and hyphens.');
  const wallet = walletOf(product, options);
  const { alias, network, spendableMsat } = await tryOut(options.name, wallet);
  if (network !== wallet.network) {
    throw new FareboxError('CONFIG_INVALID', `This node is on ${network}, not on ${wallet.network}. Connect it with --network ${network}.`);
  }
  writeWallet(context.home(), options.name, wallet);
  const spendable = Amount.format(spendableMsat);
  terminal.data({ name: options.name, product, network, alias, spendable });
  terminal.line(
    `${terminal.tone('good', 'Connected')} ${terminal.tone('strong', options.name)}: ${product} "${alias}" on ${network}, ${terminal.tone('money', spendable)} to spend.`,
  );
  terminal.line(`${terminal.tone('quiet', 'Buy with it:')} farebox get <url> --max "50 sat"${options.name === 'wallet' ? '' : ` --wallet ${options.name}`}`);
}

function walletOf(kind: string, options: ConnectOptions): Wallet {
  const wrong = (message: string) => new FareboxError('CONFIG_INVALID', message);
  if (!isProduct(kind)) throw wrong(`"${kind}" is no wallet that is known here: connect ${Object.keys(products).join(', ')}.`);
  const product = products[kind];
  const { certificate, network, assumedMaxFee, url = product.url } = options;
  const secret = options[product.secret];
  if (url === undefined && product.hasAddress) throw wrong('Where is it? Add --url, such as https://127.0.0.1:8080');
  if (url !== undefined && !product.hasAddress)
    throw wrong(`--url is for wallets that have an address, and not for ${kind}: its --${product.secret} says where it is.`);
  if (secret === undefined) throw wrong(`Add --${product.secret}, ${product.secretWords}.`);
  if (certificate !== undefined && !product.hasCertificate) throw wrong(`--certificate is for nodes that sign their own, and not for ${kind}.`);
  if (network !== 'bitcoin' && network !== 'testnet' && network !== 'signet' && network !== 'regtest') {
    throw wrong('--network is bitcoin, testnet, signet or regtest.');
  }
  const pinned = certificate === undefined ? {} : { certificatePath: resolve(certificate) };
  const assumed = assumedMaxFee === undefined ? {} : { assumedMaxFee: Amount.format(Amount.parse(assumedMaxFee)) };
  return { kind, network, ...(url === undefined ? {} : { url }), ...pinned, secretPath: resolve(secret), ...assumed };
}

/** Asks who it is and what it can spend; nothing is paid. */
async function tryOut(name: string, wallet: Wallet) {
  const payer = openWallet(name, wallet);
  const node = openNode(name, wallet);
  if (!payer.capabilities.feeLimit && wallet.assumedMaxFee === undefined) {
    throw new FareboxError('CONFIG_INVALID', `${wallet.kind} takes no fee limit. Say what to reckon with on top of a price: --assumed-max-fee "10 sat"`);
  }
  try {
    const { spendableMsat } = await payer.balance();
    // A connection is made for what it may; whoever has one that sells would learn of it when something is to be bought.
    if (wallet.kind === 'nwc' && (await node.canSpend?.()) === false) {
      throw new FareboxError('CONFIG_INVALID', 'This connection may not pay. Make one that may, with a budget, in the wallet.');
    }
    return { ...(await node.info()), spendableMsat };
  } finally {
    await payer.close();
    await node.close();
  }
}

function list(context: CliContext, terminal: Terminal): void {
  const wallets = Object.entries(readWallets(context.home()));
  terminal.data(wallets.map(([name, { kind, network, url }]) => ({ name, product: kind, network, url })));
  for (const row of table(wallets.map(([name, { kind, network, url }]) => [name, kind, network, url ?? '']))) terminal.line(row);
  if (wallets.length === 0)
    terminal.line(terminal.tone('quiet', 'None: "farebox get" pays with play money from the sandbox. Connect one with: farebox wallet connect'));
}

function remove(context: CliContext, name: string): void {
  const home = context.home();
  if (readWallets(home)[name] === undefined) throw new FareboxError('CONFIG_INVALID', `There is no wallet "${name}". Show them with: farebox wallet list`);
  writeWallet(home, name, undefined);
  context.terminal.line(`Forgot ${name}.`);
}
