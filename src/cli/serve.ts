/**
 * `farebox serve`: the gateway, from a URL and a price, or from a configuration file.
 */
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import { createConfig, createGateway, type Gateway, type GatewayConfig, invoiceMsat, termsOf } from '../gateway/index.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createEvents } from '../server/Events.ts';
import type { Store } from '../store/Store.ts';
import { adminBeside, linkTo } from './admin/beside.ts';
import { configFile } from './ConfigFile.ts';
import type { CliContext } from './Context.ts';
import type { Home } from './Home.ts';
import { type OpenRing, openKeyRing } from './KeyRing.ts';
import { doubtOf, isProduct } from './Products.ts';
import { type OpenWallet, openReceivers } from './Receivers.ts';
import { openStore } from './Stores.ts';
import { type ConfigSource, fromCommandLine, fromFile } from './serve/ConfigSource.ts';
import { type Logs, openLogs } from './serve/Logs.ts';
import { startReloading } from './serve/Reloading.ts';
import { type Terminal, table } from './Terminal.ts';
import { assertPossible, supervise, workersOf } from './workers/run.ts';
import { type Part, work } from './workers/worker.ts';

type ServeOptions = {
  readonly price?: string;
  readonly pass?: string;
  readonly name?: string;
  readonly listen?: string;
  readonly to?: string;
  readonly config?: string;
};

/** A gateway that runs, with everything it stands on. */
export type Served = {
  readonly gateway: Gateway;
  readonly url: string;
  readonly introspectionUrl?: string | undefined;
  readonly healthUrl?: string | undefined;
  /** Where a scraper asks for its metrics, where it may. */
  readonly metricsUrl?: string | undefined;
  /** Where an operator sees and changes it, where he may. */
  readonly adminUrl?: string | undefined;
  /** Where the same is opened in a browser, signed in: a secret, good once. */
  readonly adminLink?: string | undefined;
  readonly logs: Logs;
  readonly receiver: Receiver;
  readonly wallets: readonly OpenWallet[];
  readonly store: Store | undefined;
  readonly close: Gateway['close'];
};

export function registerServe(program: Command, context: CliContext): void {
  program
    .command('serve')
    .argument('[url]', 'your API, such as http://localhost:3000; without it farebox.yaml is read')
    .description('Put a paywall in front of an API. It sells for play money on the sandbox until --to or its configuration names a wallet.')
    .option('-p, --price <amount>', 'what a request costs, such as "10 sat"')
    .option('--pass <length>', 'sell a pass for so long (such as 1h) instead of single requests')
    .option('--name <name>', 'what is sold, as the invoice says it')
    .option('--to <address>', 'who is paid: a Lightning address such as you@wallet.com; default: play money on the sandbox')
    .option('-l, --listen <address>', 'where to listen; default 127.0.0.1:8402')
    .option('-c, --config <file>', 'the configuration file; default farebox.yaml, or satgate.yaml where that is there')
    .addHelpText(
      'after',
      '\nExamples:\n  farebox serve http://localhost:3000 --price "10 sat"\n  farebox serve http://localhost:3000 --price "10 sat" --to you@wallet.com\n  farebox serve --config farebox.yaml',
    )
    .action(async (url: string | undefined, options: ServeOptions) => {
      const home = context.home();
      const source = url === undefined ? sourceOf(context, options) : fromCommandLine(() => fromFlags(home, url, options));
      if (context.worker) {
        return work(context, context.worker, source, async (own, config, part) => {
          const served = await serve(own, home, config, { source, part });
          if (part.slot === 1) for (const wallet of served.wallets) void warnOfWallet(own.terminal, wallet);
          return served;
        });
      }
      const text = await source.read();
      const config = source.parse(text);
      if (workersOf(config) > 1) {
        assertPossible();
        return supervise(context, { config, text, source, announce: (ready) => announce(context.terminal, config, ready) });
      }
      const served = await serve(context, home, config, { source });
      announce(context.terminal, config, served);
      for (const wallet of served.wallets) void warnOfWallet(context.terminal, wallet);
      const reloading = startReloading({ context, source, config, logs: served.logs, take: (next) => served.gateway.reload(next) });
      await new Promise<void>((resolve) => {
        if (context.signal.aborted) resolve();
        context.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      context.terminal.note('Finishing what is under way …');
      await Promise.all([reloading.close(), served.close()]);
    });
}

/**
 * Starts a gateway, with wallet, keys and store as its configuration says. `source`: where the configuration comes from, where an operator may
 * change it. `part`: it is one of several processes.
 * @throws FareboxError – the port is taken, keys or store cannot be used
 */
export async function serve(
  context: CliContext,
  home: Home,
  config: GatewayConfig,
  { source, part }: { readonly source?: ConfigSource; readonly part?: Part } = {},
): Promise<Served> {
  const paid = await openReceivers(home, config, part?.processes);
  let ring: OpenRing | undefined;
  let store: Store | undefined;
  let logs: Logs | undefined;
  try {
    const { receiver, payees, wallets } = paid;
    const events = createEvents();
    logs = await openLogs(context.terminal, config.logs, part?.slot);
    events.on(logs.event);
    const trouble = (error: unknown) => events.emit({ at: Date.now(), kind: 'trouble', what: 'the key file', error });
    ring = await openKeyRing(context, config, receiver.network, trouble);
    store = await openStore(config.store);
    const several = part && { rates: part.rates, processes: part.processes, measured: part.measured, follows: false };
    const { keys } = ring;
    const beside = await adminBeside(context, { config, keys, source, part });
    const gateway = await createGateway({ config, receiver, payees, wallets, keys, store, events, log: logs.request, ...(beside && { beside }), ...several });
    const addresses = await listen(gateway, config);
    const adminLink = addresses.adminUrl === undefined ? undefined : await linkTo(context, config, keys, addresses.adminUrl);
    const close: Served['close'] = async (how) => {
      await gateway.close(how);
      await logs?.close();
      await ring?.close();
      await store?.close();
      await paid.close();
    };
    return { gateway, ...addresses, adminLink, logs, receiver, wallets, store, close };
  } catch (error) {
    await logs?.close();
    await ring?.close();
    await store?.close();
    await paid.close();
    throw error;
  }
}

async function listen(gateway: Gateway, config: GatewayConfig): ReturnType<Gateway['listen']> {
  const { host, port } = config.listen;
  try {
    return await gateway.listen();
  } catch (error) {
    await gateway.close();
    const { code } = error as NodeJS.ErrnoException;
    const why = { EADDRINUSE: 'something listens there already', EACCES: 'that port is not allowed to you', EADDRNOTAVAIL: 'this machine has no such address' }[
      code ?? ''
    ];
    if (why === undefined) throw error;
    throw new FareboxError('CONFIG_INVALID', `Cannot listen on ${host}:${port}: ${why}. Name another address with --listen, such as 127.0.0.1:8403.`, {
      cause: error,
    });
  }
}

function sourceOf(context: CliContext, options: ServeOptions): ConfigSource {
  for (const flag of ['price', 'pass', 'name', 'listen', 'to'] as const) {
    if (options[flag] !== undefined)
      throw new FareboxError('CONFIG_INVALID', `--${flag} goes with a URL: farebox serve http://localhost:3000 --price "10 sat". A file says it itself.`);
  }
  return fromFile(configFile(options.config), context.environment);
}

function fromFlags(home: Home, url: string, options: ServeOptions): GatewayConfig {
  if (options.config !== undefined) throw new FareboxError('CONFIG_INVALID', 'Name a URL or a configuration file, not both.');
  if (options.price === undefined) throw new FareboxError('CONFIG_INVALID', `What does a request cost? Add a price: farebox serve ${url} --price "10 sat"`);
  Amount.parse(options.price);
  const route = { path: '/*', price: options.price, ...(options.pass === undefined ? {} : { terms: `pass: ${options.pass}` }) };
  return createConfig(
    {
      ...(options.listen === undefined ? {} : { listen: options.listen }),
      ...(options.to === undefined ? {} : { lightning: { to: options.to } }),
      keys: home.keyFile,
      store: home.gatewayStore,
      services: [{ name: 'api', ...(options.name === undefined ? {} : { title: options.name }), upstream: url, routes: [route] }],
    },
    { file: 'the command line' },
  );
}

/** What runs, where, and what to do with it. */
function announce(
  terminal: Terminal,
  config: GatewayConfig,
  { url, introspectionUrl, healthUrl, metricsUrl, adminUrl, adminLink }: Omit<Served, 'gateway' | 'logs' | 'receiver' | 'wallets' | 'store' | 'close'>,
): void {
  const { tone } = terminal;
  const { network } = config;
  const paid = network === 'sandbox' ? tone('warning', 'sandbox: play money, worth nothing') : tone('good', `${network}, paid ${paidInto(config)}`);
  const workers = workersOf(config);
  terminal.data({ kind: 'listening', url, network, introspectionUrl, healthUrl, metricsUrl, adminUrl, ...(workers > 1 && { workers }) });
  terminal.line(`${tone('strong', 'farebox')} listens on ${tone('wire', url)}   ${paid}`);
  if (config.tls?.kind === 'self-signed') terminal.note(tone('warning', selfSigned));
  terminal.line();
  const rows = config.routes.map(({ methods, pattern, sale, upstream }) => [
    `  ${methods?.join(',') ?? 'any'}`,
    pattern,
    sale ? Amount.format(invoiceMsat(sale)) : 'free',
    sale ? termsOf(sale.terms).units : '',
    `→ ${upstream.origin}${upstream.basePath}`,
  ]);
  for (const row of table(rows)) terminal.line(row);
  terminal.line();
  terminal.line(`${tone('quiet', 'Look:')} curl -i ${config.tls?.kind === 'self-signed' ? '-k ' : ''}${url}/`);
  if (introspectionUrl !== undefined)
    terminal.line(`${tone('quiet', 'Ask: ')} curl -H "Authorization: Bearer <secret>" --data-urlencode "token=<credential>" ${introspectionUrl}`);
  if (healthUrl !== undefined) terminal.line(`${tone('quiet', 'Well?')} curl ${healthUrl}readyz`);
  if (metricsUrl !== undefined) terminal.line(`${tone('quiet', 'Watch:')} curl ${metricsUrl}`);
  // Whoever reads a log is not to be signed in by it: the link is for a person at a terminal.
  if (adminUrl !== undefined) terminal.line(`${tone('quiet', 'Admin:')} ${terminal.isInteractive ? (adminLink ?? adminUrl) : adminUrl}`);
  terminal.line(`${tone('quiet', 'Buy: ')} farebox get ${url}/ --max "${highest(config)}"`);
  terminal.line();
}

const selfSigned =
  'The certificate signs itself and is made anew at every start: clients have no reason to believe it. For more than a first try, name one under "tls".';

/** Who is paid, in a few words. */
function paidInto({ lightning, payees }: GatewayConfig): string {
  const into = lightning.map((wallet) => (wallet.kind === 'lnurl' ? `to ${wallet.to}` : `into ${wallet.kind}`)).join(', or ');
  const others = Object.keys(payees);
  return others.length === 0 ? into : `${into}; and ${others.join(', ')}`;
}

/** What an operator is to know of a wallet; nothing waits for it. */
async function warnOfWallet(terminal: Terminal, { place, config: { kind }, receiver }: OpenWallet): Promise<void> {
  const where = place === 'lightning' ? '' : `${place}: `;
  const doubt = isProduct(kind) ? doubtOf(kind) : undefined;
  if (doubt !== undefined) {
    const warning = `${where}unverified: the driver of ${kind} ${doubt}. Try it with: farebox doctor`;
    terminal.note(terminal.tone('warning', warning));
  }
  const canSpend = await receiver.canSpend?.().catch(() => undefined);
  if (!canSpend) return;
  terminal.note(terminal.tone('warning', `${where}what lets us into the wallet could spend as well. Selling needs less: see docs/wallets.md`));
}

/** The highest price with room for a fee. */
function highest(config: GatewayConfig): string {
  let price = 0n;
  for (const { sale } of config.routes) if (sale && invoiceMsat(sale) > price) price = invoiceMsat(sale);
  return Amount.format(Amount.ceilToSat(Amount.fromMsat((price * 105n) / 100n + 2000n)));
}
