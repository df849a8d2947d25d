/**
 * `farebox mcp gate`: a paywall in front of an MCP server that knows nothing of payments. Over stdio, standard output belongs to the protocol: whatever is
 * said goes to standard error.
 */
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import { clientAddress, createTrust, plainAddress } from '../../gateway/ClientAddress.ts';
import { readConfigText } from '../../gateway/index.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import { createTill, type Till } from '../../mcp/index.ts';
import { createEvents, type Events } from '../../server/Events.ts';
import { createPaywall } from '../../server/Paywall.ts';
import { startPruning } from '../../server/Pruning.ts';
import type { CliContext } from '../Context.ts';
import { openKeyRing } from '../KeyRing.ts';
import { openReceivers } from '../Receivers.ts';
import { openStore } from '../Stores.ts';
import { openLogs } from '../serve/Logs.ts';
import type { Terminal } from '../Terminal.ts';
import { createGateConfig, type GateConfig, parseGateConfig } from './gateConfig.ts';
import { withSdk } from './sdk.ts';

type GateOptions = {
  readonly price?: string;
  readonly tool: readonly string[];
  readonly env: readonly string[];
  readonly header: readonly string[];
  readonly host: readonly string[];
  readonly origin: readonly string[];
  readonly listen?: string;
  readonly to?: string;
  readonly approveAbove?: string;
  readonly config?: string;
};

export function registerMcpGate(mcp: Command, context: CliContext): void {
  const collect = (value: string, before: readonly string[]) => [...before, value];
  mcp
    .command('gate')
    .argument('[server...]', 'the server that is sold: a command and its arguments (behind --), or the URL of one that speaks streamable HTTP')
    .description(
      'Put a price on the tools of an MCP server, without changing it. It sells for play money on the sandbox until --to or its configuration names a wallet.',
    )
    .option('-p, --price <amount>', 'what a call of any tool costs, such as "10 sat"; default: tools that are not named are free')
    .option(
      '-t, --tool <name=price>',
      'what one tool, or all that a pattern means, costs: "search=10 sat", "search_*=5 sat", "echo=free"; may be repeated',
      collect,
      [],
    )
    .option('-l, --listen <address>', 'speak streamable HTTP there, such as 127.0.0.1:8410, path /mcp; default: stdio')
    .option(
      '--env <name>',
      'a variable of the environment that the command is given; may be repeated. It gets PATH, HOME and the like, and no others',
      collect,
      [],
    )
    .option('--header <name: value>', 'sent to the URL with every request; may be repeated', collect, [])
    .option('--host <name>', 'a host name besides this machine’s own under which clients come (with --listen); may be repeated', collect, [])
    .option('--origin <origin>', 'an origin whose pages may call (with --listen), such as https://app.example.com; may be repeated', collect, [])
    .option('--approve-above <amount>', 'ask the person at this terminal about calls that cost more (with --listen)')
    .option('--to <address>', 'who is paid: a Lightning address such as you@wallet.com; default: play money on the sandbox')
    .option('-c, --config <file>', 'a file that says all this and more; see docs/guide/selling-tools.md')
    .addHelpText(
      'after',
      '\nExamples:\n  farebox mcp gate --price "10 sat" -- npx -y @modelcontextprotocol/server-everything\n  farebox mcp gate --tool "search=10 sat" --listen 127.0.0.1:8410 http://localhost:3000/mcp\n  farebox mcp gate --config farebox-mcp.yaml',
    )
    .action(async (server: readonly string[], options: GateOptions) => {
      const config = options.config === undefined ? fromFlags(context, server, options) : await fromFile(context, server, options, options.config);
      await run(context, config);
    });
}

/** Serves until it is told to stop, its one client leaves, or its server ends. */
async function run(context: CliContext, config: GateConfig): Promise<void> {
  const gate = await withSdk(() => import('../../mcp/gate/gate.ts'));
  const { gateway, listen } = config;
  const terminal = listen === undefined ? onStderr(context.terminal) : context.terminal;
  const opened: (() => Promise<unknown>)[] = [];
  try {
    const { till } = await open({ ...context, terminal }, config, opened);
    const openServer = () => gate.openServer(config.server, config.messageBytes);
    if (listen === undefined) {
      announce(terminal, config, 'stdio');
      const { stdin, stdout } = process;
      await gate.serveStdio({ till, server: openServer(), input: stdin, output: stdout, messageBytes: config.messageBytes, signal: context.signal });
      return;
    }
    const trust = createTrust(gateway.trustedProxies);
    const { sessions, idleMs, messageBytes } = config;
    const front = await gate.listen({
      till,
      openServer,
      ...listen,
      hosts: config.hosts,
      origins: config.origins,
      clientAddress: (request) => clientAddress(plainAddress(request.socket.remoteAddress ?? ''), trust, (name) => linesOf(request.rawHeaders, name)),
      limits: { sessions, idleMs, messageBytes, connections: gateway.limits.connections },
    });
    opened.push(front.close);
    announce(terminal, config, front.url);
    await new Promise<void>((stop) => {
      if (context.signal.aborted) stop();
      context.signal.addEventListener('abort', () => stop(), { once: true });
    });
  } finally {
    for (const close of opened.reverse()) await close();
  }
}

/** Wallets, keys, store and till. `opened`: how each is closed, in order. */
async function open(context: CliContext, config: GateConfig, opened: (() => Promise<unknown>)[]): Promise<{ readonly till: Till; readonly events: Events }> {
  const { gateway } = config;
  const events = createEvents();
  const logs = await openLogs(context.terminal, gateway.logs);
  opened.push(logs.close);
  events.on(logs.event);
  const paid = await openReceivers(context.home(), gateway);
  opened.push(paid.close);
  const trouble = (error: unknown) => events.emit({ at: Date.now(), kind: 'trouble', what: 'the key file', error });
  const ring = await openKeyRing(context, gateway, paid.receiver.network, trouble);
  opened.push(ring.close);
  const store = await openStore(gateway.store);
  if (store) opened.push(store.close);
  const { invoicesPerClientPerMinute, invoicesPerMinute } = gateway.limits;
  const farebox = await createPaywall({
    keys: ring.keys,
    receiver: paid.receiver,
    store,
    events,
    mintLimits: { perClientPerMinute: invoicesPerClientPerMinute, perMinute: invoicesPerMinute },
    invoiceExpirySeconds: gateway.invoiceExpirySeconds,
    revocationStaleMs: gateway.revocation.staleMs,
    compat: gateway.compat,
  });
  opened.push(farebox.close);
  if (store) {
    const pruning = startPruning(store, (error) => events.emit({ at: Date.now(), kind: 'trouble', what: 'the store', error }));
    opened.push(pruning.close);
  }
  const { approveAboveMsat } = config;
  const approve = approveAboveMsat !== undefined && { approve: { above: Amount.fromMsat(approveAboveMsat), ask: askAt(context) } };
  return { events, till: createTill({ farebox, prices: config.pricesFor(paid.payees), timeoutMs: config.timeoutMs, ...approve }) };
}

/** Asks whoever sits at the terminal. */
function askAt(context: CliContext) {
  return async ({ tool, price, args }: { readonly tool: string; readonly price: string; readonly args: unknown }, signal: AbortSignal) => {
    const shown = JSON.stringify(args);
    const question = `Sell ${tool} for ${price}, with ${shown.length > 500 ? `${shown.slice(0, 500)} …` : shown}? (yes/no)`;
    const answer = await context.terminal.whileAsking(() => context.ask(question, 'no', signal));
    return answer?.trim().toLowerCase() === 'yes';
  };
}

function fromFlags(context: CliContext, server: readonly string[], options: GateOptions): GateConfig {
  const home = context.home();
  const [first] = server;
  if (first === undefined) {
    throw new FareboxError(
      'CONFIG_INVALID',
      'Which server is sold? Name its command behind --, or its URL: farebox mcp gate --price "10 sat" -- npx -y some-mcp-server',
    );
  }
  if (options.approveAbove !== undefined && options.listen === undefined) {
    throw new FareboxError('CONFIG_INVALID', 'Over stdio there is nobody at the terminal to ask: --approve-above goes with --listen.');
  }
  const value = {
    server: /^https?:\/\//i.test(first) ? { url: first, headers: pairs(options.header, ':', '--header') } : commandOf(context, server, options),
    ...(options.price !== undefined && { price: options.price }),
    tools: pairs(options.tool, '=', '--tool'),
    ...(options.listen !== undefined && { listen: options.listen }),
    ...(options.to !== undefined && { lightning: { to: options.to } }),
    ...(options.approveAbove !== undefined && { approve: { above: options.approveAbove } }),
    hosts: options.host,
    origins: options.origin,
    keys: home.keyFile,
    store: home.gatewayStore,
  };
  return createGateConfig(value, { file: 'the command line', folder: '.', environment: context.environment });
}

async function fromFile(context: CliContext, server: readonly string[], options: GateOptions, file: string): Promise<GateConfig> {
  const said = [server, options.tool, options.env, options.header, options.host, options.origin].some((words) => words.length > 0);
  if (said || options.price !== undefined || options.to !== undefined || options.listen !== undefined || options.approveAbove !== undefined)
    throw new FareboxError('CONFIG_INVALID', 'Name a server and prices, or a configuration file, not both.');
  const config = parseGateConfig(await readConfigText(file), { file, folder: dirname(resolve(file)), environment: context.environment });
  if (config.approveAboveMsat !== undefined && config.listen === undefined)
    throw new FareboxError('CONFIG_INVALID', `${file}: over stdio there is nobody at the terminal to ask: \`approve\` goes with \`listen\`.`);
  return config;
}

function commandOf(context: CliContext, [command, ...args]: readonly string[], { env, header }: GateOptions) {
  if (header.length > 0) throw new FareboxError('CONFIG_INVALID', '--header goes with a URL.');
  const named = env.map((name): [string, string] => {
    const value = context.environment[name];
    if (value === undefined) throw new FareboxError('CONFIG_INVALID', `The environment variable ${name.slice(0, 64)} is not set.`);
    return [name, value];
  });
  return { command, args, env: Object.fromEntries(named) };
}

/** Words such as `search=10 sat`, cut at the last sign of a price and the first of a header. */
function pairs(words: readonly string[], sign: '=' | ':', flag: string): { readonly [name: string]: string } {
  return Object.fromEntries(
    words.map((word): [string, string] => {
      const at = sign === '=' ? word.lastIndexOf('=') : word.indexOf(':');
      // A header's value is not repeated: it may be a secret.
      if (at < 1)
        throw new FareboxError(
          'CONFIG_INVALID',
          sign === '='
            ? `${flag} "${word.slice(0, 64)}": write a name and a price, such as "search=10 sat".`
            : `${flag}: write a name and a value, such as "authorization: Bearer …".`,
        );
      return [word.slice(0, at).trim(), word.slice(at + 1).trim()];
    }),
  );
}

/** A terminal that leaves standard output alone. */
function onStderr(terminal: Terminal): Terminal {
  const decoder = new TextDecoder();
  return {
    ...terminal,
    line: (text = '') => terminal.note(text),
    data: () => {},
    raw: async (bytes) => terminal.note(decoder.decode(bytes).trimEnd()),
    withJson: () => onStderr(terminal),
  };
}

function announce(terminal: Terminal, { gateway, server }: GateConfig, where: string): void {
  const { tone } = terminal;
  const { network } = gateway;
  const paid = network === 'sandbox' ? tone('warning', 'sandbox: play money, worth nothing') : tone('good', network);
  const sold = server.kind === 'url' ? server.url.origin : server.command;
  terminal.data({ kind: 'listening', url: where, network });
  terminal.line(`${tone('strong', 'farebox')} sells the tools of ${sold} over ${tone('wire', where)}   ${paid}`);
}
