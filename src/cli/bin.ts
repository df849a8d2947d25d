#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=16
/**
 * The command `farebox`. Young objects get half of the memory that Node would give them: a gateway takes a tenth less in all.
 *
 * @see docs/decisions/0075-before-it-has-done-anything.md
 */
import cluster from 'node:cluster';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { CommanderError } from 'commander';
import { FareboxError } from '../core/Errors.ts';
import type { CliContext } from './Context.ts';
import { loadCommands } from './commands.ts';
import { Ended, exitCodeOf } from './exit.ts';
import { openHome } from './Home.ts';
import { askAtOwnTerminal } from './OwnTerminal.ts';
import { createProgram } from './program.ts';
import { createTerminal, printable } from './Terminal.ts';
import { linkOf } from './workers/messages.ts';

const stop = new AbortController();
const end = () => {
  // A second signal does not wait for an orderly end.
  if (stop.signal.aborted) process.exit(130);
  stop.abort();
};
const hasTerminal = [0, 1, 2].some((stream) => isatty(stream));
const hangUps = new Set<() => void>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A terminal tells all of its processes; one of several is told by who started it.
    if (cluster.isWorker && signal !== 'SIGTERM') return;
    if (signal !== 'SIGHUP' || hangUps.size === 0 || (hasTerminal && isTerminalGone())) return end();
    for (const listener of hangUps) listener();
  });
}

/** The same signal says that a terminal was closed, and, by those who manage services, that the configuration is to be read again. */
function isTerminalGone(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr });
const context: CliContext = {
  terminal,
  environment: process.env,
  home: () => openHome(process.env),
  signal: stop.signal,
  onHangUp: (listener) => {
    hangUps.add(listener);
    return () => hangUps.delete(listener);
  },
  worker: cluster.isWorker ? linkOf(process) : undefined,
  readInput: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  },
  askAtOwnTerminal: (words, signal) => askAtOwnTerminal(words, AbortSignal.any([stop.signal, signal])),
  askSecret: async (question) => {
    if (!process.stdin.isTTY) return undefined;
    process.stderr.write(`${question}: `);
    // A reader that is a terminal of its own takes the echo, and shows it to nobody.
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
    try {
      return await lines.question('', { signal: stop.signal });
    } finally {
      lines.close();
      process.stderr.write('\n');
    }
  },
  ask: async (question, fallback, signal) => {
    if (!process.stdin.isTTY) return undefined;
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const words = `${question}${fallback === '' ? '' : ` (${fallback})`}: `;
      const answer = await lines.question(words, { signal: signal ? AbortSignal.any([stop.signal, signal]) : stop.signal });
      return answer.trim() === '' ? fallback : answer.trim();
    } finally {
      lines.close();
    }
  },
};

try {
  await createProgram(context, await loadCommands(process.argv.slice(2))).parseAsync();
} catch (error) {
  // What commander throws it has said already, and so has a command that names no label.
  if (!(error instanceof CommanderError) && !(error instanceof Ended && error.label === '')) terminal.note(describe(error));
  process.exitCode = exitCodeOf(error);
}

/** What a person is told: the message of an expected error; of any other also where it happened. */
function describe(error: unknown): string {
  if (error instanceof Ended) return `${terminal.tone('bad', error.label)}  ${error.message}`;
  // A message may repeat what a server or a wallet has said; its lines are our own.
  if (FareboxError.is(error)) return `${terminal.tone('bad', error.code)}  ${error.message.split('\n').map(printable).join('\n')}`;
  if (error instanceof RangeError || (error instanceof Error && 'code' in error && typeof error.code === 'string'))
    return `${terminal.tone('bad', 'error')}  ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
