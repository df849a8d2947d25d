/**
 * `farebox lie`: a server, a wallet and a network that cheat, for whoever writes an L402 client, in whatever language.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { FareboxError } from '../core/Errors.ts';
import type { SandboxAddress } from '../lightning/sandbox.ts';
import { type Liars, startLiars } from '../testing/liars/Liars.ts';
import type { CliContext } from './Context.ts';
import { openHome } from './Home.ts';
import { type Terminal, table } from './Terminal.ts';

type LieOptions = { readonly port: string; readonly home?: string; readonly json?: boolean };

/** Adds `farebox lie`. */
export function registerLie(program: Command, context: CliContext): void {
  program
    .command('lie')
    .description('Run a server, a wallet and a network that cheat in every known way, to try an L402 client on. No money is in it; this machine only.')
    .option('-p, --port <port>', 'the port on 127.0.0.1; 0 is any that is free', '0')
    .option('--home <folder>', 'let "farebox get" pay from the lying wallet, where FAREBOX_HOME is this folder')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nThe page /seen below each way says what it has seen, and whether the client was robbed.\n\nExample:\n  farebox lie --port 7403')
    .action((options: LieOptions) => lie({ ...context, terminal: context.terminal.withJson(options.json) }, options));
}

async function lie({ terminal, signal }: CliContext, options: LieOptions): Promise<void> {
  const liars = await start(options.port);
  let leave = () => {};
  try {
    leave = options.home === undefined ? leave : moveIn(options.home, liars.wallet);
    tell(terminal, liars);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    leave();
    await liars.close();
  }
}

async function start(text: string): Promise<Liars> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new FareboxError('CONFIG_INVALID', `--port is a whole number from 0 to 65535, not "${text.slice(0, 64)}".`);
  try {
    return await startLiars({ port });
  } catch (cause) {
    throw new FareboxError('CONFIG_INVALID', `Nothing can listen on 127.0.0.1, port ${port}. Name another port.`, { cause });
  }
}

/** Puts the wallet's address where the command line looks for a sandbox; the answer takes it away again. */
function moveIn(folder: string, wallet: SandboxAddress): () => void {
  const { sandboxAddress } = openHome({ FAREBOX_HOME: folder });
  if (existsSync(sandboxAddress)) throw new FareboxError('CONFIG_INVALID', `${folder} knows a sandbox already. Name an empty folder.`);
  writeFileSync(sandboxAddress, `${JSON.stringify(wallet)}\n`, { mode: 0o600 });
  return () => rmSync(sandboxAddress, { force: true });
}

function tell(terminal: Terminal, { url, wallet, limits, ways }: Liars): void {
  terminal.data({ kind: 'listening', url, wallet, limits, ways: ways.map(({ name }) => name) });
  const rows = ways.map(({ name, liar, does }) => [terminal.tone('strong', name), terminal.tone('quiet', liar), does]);
  for (const row of table(rows)) terminal.line(row);
  terminal.line();
  terminal.line(
    `${ways.length} ways to rob a client, each at ${terminal.tone('wire', `${url}/<way>/a`)}; what came of it at ${terminal.tone('wire', `${url}/<way>/seen`)}.`,
  );
  terminal.line(terminal.tone('quiet', `${url} lists them as JSON. No money is in it. Ctrl-C ends it.`));
}
