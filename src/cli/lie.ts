/**
 * `farebox lie`: a server, a wallet and a network that cheat, for whoever writes an L402 client, in whatever language.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { FareboxError } from '../core/Errors.ts';
import type { SandboxAddress } from '../lightning/sandbox.ts';
import type { CliContext } from './Context.ts';
import { openHome } from './Home.ts';
import { checkHelp, type LyingOptions, run } from './lying/run.ts';

type LieOptions = LyingOptions & { readonly home?: string };

/** Adds `farebox lie`. */
export function registerLie(program: Command, context: CliContext): void {
  program
    .command('lie')
    .description('Run a server, a wallet and a network that cheat in every known way, to try an L402 client on. No money is in it; this machine only.')
    .option('-p, --port <port>', 'the port on 127.0.0.1; 0 is any that is free', '0')
    .option('--home <folder>', 'let "farebox get" pay from the lying wallet, where FAREBOX_HOME is this folder')
    .option('--check', checkHelp)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nThe page /seen below each way says what it has seen, and whether the client was robbed.\n\nExample:\n  farebox lie --port 7403')
    .action((options: LieOptions) => lie({ ...context, terminal: context.terminal.withJson(options.json) }, options));
}

async function lie(context: CliContext, options: LieOptions): Promise<void> {
  const { home } = options;
  await run(context, options, {
    ...(home !== undefined && { open: ({ wallet }) => moveIn(home, wallet) }),
    lines: () => ['Every payment goes over the liars’ own wallet; no money is in it.'],
  });
}

/** Puts the wallet's address where the command line looks for a sandbox; the answer takes it away again. */
function moveIn(folder: string, wallet: SandboxAddress): () => void {
  const { sandboxAddress } = openHome({ FAREBOX_HOME: folder });
  if (existsSync(sandboxAddress)) throw new FareboxError('CONFIG_INVALID', `${folder} knows a sandbox already. Name an empty folder.`);
  writeFileSync(sandboxAddress, `${JSON.stringify(wallet)}\n`, { mode: 0o600 });
  return () => rmSync(sandboxAddress, { force: true });
}
