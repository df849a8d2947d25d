/**
 * `farebox mcp serve`: the wallet for an agent host, over stdio, or for all hosts of this machine over streamable HTTP. Over stdio, standard output
 * belongs to the protocol: whatever is said goes to standard error.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ClientEvent, PayingClient } from '../../client/index.ts';
import { createAgentTools, handOnToFolder } from '../../client/tools.ts';
import { systemClock, systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import type { ServerBehind } from '../../mcp/wallet/ServerBehind.ts';
import { narrate } from '../buy/Paying.ts';
import { openPurse, type Purse, type PurseOptions } from '../buy/Purse.ts';
import type { CliContext } from '../Context.ts';
import { printable } from '../Terminal.ts';
import { version } from '../version.ts';
import { withSdk } from './sdk.ts';
import { readServers } from './servers.ts';

type ServeOptions = PurseOptions & {
  readonly servers?: string;
  readonly listen?: string;
  readonly allowPrivate?: readonly string[];
  readonly narrow?: boolean;
  readonly verbose?: boolean;
};

/** Standard input and output, as a host has them. */
export type HostStreams = { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream };

/** Adds `farebox mcp serve`. `streams`: of the host; for tests. */
export function registerMcpServe(mcp: Command, context: CliContext, streams: HostStreams = { input: process.stdin, output: process.stdout }): void {
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  mcp
    .command('serve')
    .description('Give an agent a wallet: tools that buy within a budget, and every MCP server of its host behind it. Speaks stdio, or HTTP with --listen.')
    .option('-m, --max <amount>', 'the most that one call may cost, fee included, such as "50 sat"')
    .option('--max-all <amount>', 'the most that everything may cost until this command ends')
    .option('--max-total <amount>', 'the most that all calls of this wallet may cost together, counted from its first')
    .option('--ask-above <amount>', 'ask before anything is paid that costs more: through the host where it can ask its user, or else at the terminal')
    .option('--tag <tag>', 'a tag for limits that count by tag; may repeat', several)
    .option('-s, --servers <file>', 'a file with an "mcpServers" block: these servers stand behind the wallet, their tools named <server>__<tool>')
    .option('-l, --listen <address>', 'speak streamable HTTP there instead of stdio, such as 127.0.0.1:8411; on this machine alone')
    .option('--allow-private <host>', 'a host in a private network, or on this machine, that "fetch" may ask, such as localhost:8402; may repeat', several)
    .option('--narrow', 'let the agent make narrowed copies of credentials for its helpers, into files of the home folder')
    .option('-w, --wallet <name>', 'the wallet that pays: one that was connected, or else one of the sandbox', 'wallet')
    .option('-v, --verbose', 'say every step of a payment')
    .addHelpText(
      'after',
      '\nWithout a limit nothing is paid. A limit is --max, --max-all, or one that stands (farebox budget).\n"farebox mcp install" writes this command into the configuration of a host.\n\nExamples:\n  farebox mcp serve --max "50 sat" --max-total "1000 sat"\n  farebox mcp serve --max "50 sat" --servers servers.json --listen 127.0.0.1:8411',
    )
    .action((options: ServeOptions) => serve(context, options, streams));
}

async function serve(context: CliContext, options: ServeOptions, streams: HostStreams): Promise<void> {
  const wallet = await withSdk(() => import('../../mcp/wallet/serveHost.ts'));
  const at = options.listen === undefined ? undefined : readAddress(options.listen);
  const entries = options.servers === undefined ? [] : readServers(options.servers, wallet.isServerName);
  const { terminal, clock = systemClock } = context;
  const note = (text: string) => terminal.note(text);
  const purse = await openPurse(context, options);
  const closing: (() => Promise<unknown>)[] = [purse.close];
  try {
    const asking = wallet.createAsking(clock, context.askAtOwnTerminal);
    const client = purse.client({ ask: asking.ask, onEvent: (event: ClientEvent) => (options.verbose ? narrate(terminal, event) : undefined) });
    closing.push(client.close);
    const servers: readonly ServerBehind[] = entries.map((entry) =>
      wallet.createServerBehind(entry, {
        paying: client,
        version,
        onLine: (name, line) => note(terminal.tone('quiet', `${name}: ${printable(line)}`)),
        onToolsChanged: () => served.toolsChanged(),
      }),
    );
    closing.push(() => Promise.all(servers.map(({ close }) => close())));
    const served = wallet.createWallet({
      tools: toolsOf(context, client, options),
      servers,
      asking,
      version,
      random: systemRandom,
      onTrouble: (name, error) => note(`${terminal.tone('warning', 'away')}  The server ${name}: ${printable(String((error as Error).message).slice(0, 300))}`),
    });
    announce(context, purse, servers.length);
    if (at === undefined) return await wallet.serveHost(served, streams as never, context.signal);
    const token = toHex(systemRandom(32));
    const http = await wallet.listenForHosts({ ...at, token, openSession: served.openSession, clock });
    closing.push(http.close);
    terminal.data({ kind: 'listening', url: http.url, network: purse.network });
    terminal.line(`${terminal.tone('strong', 'farebox')} is a wallet at ${terminal.tone('wire', http.url)}`);
    note(`Hosts show this token, which is not said again: Authorization: Bearer ${token}`);
    await new Promise<void>((stop) => {
      if (context.signal.aborted) stop();
      context.signal.addEventListener('abort', () => stop(), { once: true });
    });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

function toolsOf(context: CliContext, client: PayingClient, { allowPrivate, narrow }: ServeOptions) {
  const handOn = narrow ? handOnToFolder(join(context.home().folder, 'handed-on')) : undefined;
  return createAgentTools({ client, ...(allowPrivate && { allowPrivate }), ...(handOn && { handOn }) });
}

function announce({ terminal }: CliContext, purse: Purse, servers: number): void {
  const { network, limits } = purse;
  const money = network === 'sandbox' ? terminal.tone('warning', 'sandbox: play money, worth nothing') : terminal.tone('good', network);
  const limit = limits.max ?? limits.maxAll;
  const most = purse.hasLimit ? (limit === undefined ? 'within the limits that stand' : `up to ${limit}`) : 'nothing: no limit is set (--max)';
  const behind = servers === 0 ? '' : `, ${servers} server${servers === 1 ? '' : 's'} behind it`;
  terminal.note(`farebox mcp serve: pays ${most}${behind}   ${money}`);
}

/** An address of this machine's alone: whoever reaches it can spend. */
function readAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})$/.exec(text) ?? [];
  if (host === '' || Number(port) > 65_535) {
    throw new FareboxError('CONFIG_INVALID', `A wallet listens on this machine alone: write --listen 127.0.0.1:8411, not "${text.slice(0, 100)}".`);
  }
  return { host: host === '[::1]' ? '::1' : '127.0.0.1', port: Number(port) };
}
