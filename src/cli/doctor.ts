/**
 * `farebox doctor`: tries the wallets end to end without spending, and says what to do about what it finds.
 *
 * An invoice is made and looked up; nobody pays it.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { type Clock, nowAt, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { explainWallets, type GatewayConfig, invoiceMsat, loadConfig } from '../gateway/index.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { configFile } from './ConfigFile.ts';
import type { CliContext } from './Context.ts';
import type { Home } from './Home.ts';
import { doubtOf, isProduct, products } from './Products.ts';
import { type OpenWallet, openReceivers } from './Receivers.ts';
import type { Terminal } from './Terminal.ts';
import { openNode, openWallet, readWallets, type Wallet } from './Wallets.ts';

/** What was found: in order, to be looked at, wrong, or not to be found out. */
export type Finding = { readonly level: 'good' | 'warning' | 'bad' | 'unknown'; readonly what: string; readonly advice?: string };

/** Adds `farebox doctor`. */
export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .argument('[file]', 'the configuration; default: farebox.yaml, or satgate.yaml where only that is there')
    .description('Try the wallet that is paid and the wallets that pay, without spending, and say what to do about what is found.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nIt makes an invoice and looks it up. Exit code 1: something is wrong.\n\nExample:\n  farebox doctor farebox.yaml')
    .action((file: string | undefined, options: { readonly json?: boolean }) => doctor(context, file, context.terminal.withJson(options.json)));
}

async function doctor(context: CliContext, file: string | undefined, terminal: Terminal): Promise<void> {
  const home = context.home();
  const all: Finding[] = [];
  const tell = (title: string, findings: readonly Finding[]) => {
    terminal.data({ wallet: title, findings });
    terminal.line(terminal.tone('strong', title));
    for (const finding of findings) tellFinding(terminal, finding);
    terminal.line();
    all.push(...findings);
  };
  const path = configFile(file);
  if (file !== undefined || existsSync(path)) {
    const config = await loadConfig(path, { environment: context.environment });
    for (const [title, findings] of await examineSeller(home, config, context.clock ?? systemClock)) tell(title, findings);
  }
  for (const [name, wallet] of Object.entries(readWallets(home))) tell(`Pays: ${name} (${wallet.kind})`, await examineBuyer(name, wallet));
  if (all.length === 0) {
    throw new FareboxError('CONFIG_INVALID', 'There is nothing to look at: no farebox.yaml here, and no wallet connected. Begin with: farebox init');
  }
  const wrong = all.filter(({ level }) => level === 'bad').length;
  terminal.line(
    wrong === 0 ? terminal.tone('good', 'Nothing is wrong.') : terminal.tone('bad', wrong === 1 ? 'One thing is wrong.' : `${wrong} things are wrong.`),
  );
  if (wrong > 0) process.exitCode = 1;
}

const marks = { good: '✓', warning: '!', bad: '✗', unknown: '?' } as const;

function tellFinding(terminal: Terminal, { level, what, advice }: Finding): void {
  terminal.line(`  ${terminal.tone(level === 'unknown' ? 'quiet' : level, marks[level])} ${what}`);
  if (advice !== undefined) terminal.line(`    ${terminal.tone('quiet', advice)}`);
}

/** The wallets that a configuration names, each with what was found. */
async function examineSeller(home: Home, config: GatewayConfig, clock: Clock): Promise<readonly (readonly [title: string, findings: readonly Finding[]])[]> {
  let opened: Awaited<ReturnType<typeof openReceivers>>;
  try {
    opened = await openReceivers(home, config);
  } catch (error) {
    return [[`Paid: ${explainWallets(config.lightning)}`, [failure('It cannot be used', error)]]];
  }
  try {
    const found: (readonly [string, readonly Finding[]])[] = [];
    for (const wallet of opened.wallets) found.push([titleOf(wallet), await examineReceiver(wallet, highestPrice(config), clock)]);
    return found;
  } finally {
    await opened.close();
  }
}

function titleOf({ place, config }: OpenWallet): string {
  const name = config.kind === 'lnurl' ? config.to : config.kind;
  return `Paid: ${name}${place === 'lightning' ? '' : ` (${place})`}`;
}

async function examineReceiver({ receiver, config: { kind } }: OpenWallet, highestMsat: Amount.Msat, clock: Clock): Promise<readonly Finding[]> {
  const reached = await reach(receiver);
  if (reached.level === 'bad') return [reached, ...unverified(kind)];
  return [
    reached,
    ...unverified(kind),
    ...(await makeInvoice(receiver, clock)),
    await examineRights(receiver),
    await examineRoom(receiver, highestMsat, kind),
    ...(receiver.capabilities.lookup ? [] : [noLookup]),
  ];
}

const noLookup: Finding = {
  level: 'unknown',
  what: 'It tells of no settlement',
  advice: 'Sales need none: the preimage proves a payment. What arrived is for its owner to see, in the wallet.',
};

function unverified(kind: string): readonly Finding[] {
  const doubt = isProduct(kind) ? doubtOf(kind) : undefined;
  if (doubt === undefined) return [];
  return [{ level: 'warning', what: `The driver of ${kind} ${doubt}`, advice: 'Begin with small amounts, and tell us what you find.' }];
}

/** Who it is, and whether that is who was meant. */
async function reach(receiver: Receiver): Promise<Finding> {
  try {
    const { alias, network } = await receiver.info();
    if (network === receiver.network) return { level: 'good', what: `Reached "${alias}" on ${network}` };
    return { level: 'bad', what: `"${alias}" is on ${network}, and is said to be on ${receiver.network}`, advice: `Write network: ${network}` };
  } catch (error) {
    return failure('It cannot be reached', error);
  }
}

/** Makes an invoice that nobody pays, holds it against the clock, and looks it up. */
async function makeInvoice(receiver: Receiver, clock: Clock): Promise<readonly Finding[]> {
  try {
    const asked = nowAt(clock);
    const { invoice, paymentHash } = await receiver.createInvoice({ amountMsat: Amount.fromSat(1000), description: 'farebox doctor', expirySeconds: 60 });
    const offBy = Bolt11.peek(invoice).createdAt - asked;
    const made: Finding = { level: 'good', what: 'Makes invoices' };
    const drift: Finding[] =
      Math.abs(offBy) <= 30
        ? []
        : [{ level: 'warning', what: `Its clock and this machine's are ${Math.abs(offBy)} s apart`, advice: 'Set both by the network (NTP).' }];
    if (!receiver.capabilities.lookup) return [made, ...drift];
    const { kind } = await receiver.lookupInvoice(paymentHash);
    if (kind === 'open') return [{ level: 'good', what: 'Makes invoices, and finds them again' }, ...drift];
    return [
      made,
      ...drift,
      { level: 'bad', what: `It calls an invoice ${kind} that was made just now`, advice: 'Is it the same wallet that makes and looks up?' },
    ];
  } catch (error) {
    return [failure('It makes no invoices', error)];
  }
}

/** What sells needs not spend. */
async function examineRights(receiver: Receiver): Promise<Finding> {
  const spends = await receiver.canSpend?.().catch(() => undefined);
  if (spends === false) return { level: 'good', what: 'What lets us in cannot spend' };
  if (spends === undefined) return { level: 'unknown', what: 'Whether what lets us in could spend is not to be found out' };
  return {
    level: 'warning',
    what: 'What lets us in could spend as well: whoever breaks in here takes what is in the wallet',
    advice: 'Give it less: docs/wallets.md tells how, for each wallet.',
  };
}

async function examineRoom(receiver: Receiver, priceMsat: Amount.Msat, kind: string): Promise<Finding> {
  const room = await receiver.receivable?.().catch(() => undefined);
  if (room === undefined) {
    const right = isProduct(kind) ? products[kind].roomRight : undefined;
    const advice = right === undefined ? {} : { advice: `With ${right} as well, it is. Selling does without.` };
    return { level: 'unknown', what: 'How much it can be paid is not to be found out, with what lets us in', ...advice };
  }
  if (room >= priceMsat) return { level: 'good', what: `Can be paid ${Amount.format(room)} now` };
  return {
    level: 'bad',
    what: `Can be paid ${Amount.format(room)} now, and the highest price is ${Amount.format(priceMsat)}`,
    advice: 'It needs inbound liquidity: a channel that somebody opens to it, or one of its own that it has spent from.',
  };
}

function highestPrice({ routes }: GatewayConfig): Amount.Msat {
  return Amount.fromMsat(routes.reduce((highest, { sale }) => (sale && invoiceMsat(sale) > highest ? invoiceMsat(sale) : highest), 0n));
}

/** A wallet that was connected. */
async function examineBuyer(name: string, wallet: Wallet): Promise<readonly Finding[]> {
  const opened: { readonly close: () => Promise<void> }[] = [];
  try {
    const payer = openWallet(name, wallet);
    opened.push(payer);
    const node = openNode(name, wallet);
    opened.push(node);
    const reached = await reach(node);
    if (reached.level === 'bad') return [reached, ...unverified(wallet.kind)];
    return [reached, ...unverified(wallet.kind), balanceFinding((await payer.balance()).spendableMsat)];
  } catch (error) {
    return [failure('It cannot be used', error)];
  } finally {
    for (const one of opened) await one.close();
  }
}

function balanceFinding(spendableMsat: Amount.Msat): Finding {
  if (spendableMsat > 0n) return { level: 'good', what: `Can spend ${Amount.format(spendableMsat)}` };
  return { level: 'bad', what: 'Has nothing to spend', advice: 'Put something into it, or open a channel.' };
}

/** An error, with what to do about its kind. */
function failure(what: string, error: unknown): Finding {
  const why = error instanceof Error ? error.message : String(error);
  const advice = adviceFor(error);
  return { level: 'bad', what: `${what}: ${why.replace(/\.$/, '')}`, ...(advice === undefined ? {} : { advice }) };
}

function adviceFor(error: unknown): string | undefined {
  if (FareboxError.is(error, 'LIGHTNING_UNAUTHORIZED')) return 'What lets us in is not what it wants: docs/wallets.md tells how to make it.';
  if (!FareboxError.is(error, 'LIGHTNING_UNAVAILABLE')) return undefined;
  const code = codeBehind(error) ?? '';
  if (/^(ENOENT|EACCES|EPERM|EISDIR)$/.test(code)) return 'Is it where the configuration says, seen from the folder of that, and may this user read it?';
  if (/CERT|SIGNATURE/.test(code)) return 'Name the certificate that it shows: tls.cert of lnd, ca.pem or server.pem of Core Lightning.';
  return 'Is it running, is the address right, and is its port open to this machine?';
}

/** The system's own word for what went wrong, behind whatever was said of it. */
function codeBehind(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const behind = codeBehind(error.cause);
  if (behind !== undefined || FareboxError.is(error)) return behind;
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
