/**
 * A command line without a process: output is captured, the home is a folder of its own, and nobody waits for a person.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { CliContext } from '../../src/cli/Context.ts';
import { type Home, openHome } from '../../src/cli/Home.ts';
import { createTerminal, type Terminal } from '../../src/cli/Terminal.ts';
import type { Clock } from '../../src/core/Clock.ts';
import type { FixedClock } from '../../src/testing/FixedClock.ts';
import * as FixedClocks from '../../src/testing/FixedClock.ts';

/** How the command line is called. */
export type FakeOptions = {
  /** A person at a terminal (default), or a pipe. */
  readonly interactive?: boolean;
  /** Standard input. */
  readonly input?: string | Uint8Array;
  /** What the person answers, in order; nobody is there to ask without it. */
  readonly answers?: readonly string[];
  readonly environment?: { readonly [name: string]: string };
  /** Default: one that stands still. */
  readonly clock?: Clock;
  /** Of the terminal; default: 120. */
  readonly columns?: number;
};

/** A command line under a test's hand. */
export type Fake = {
  readonly context: CliContext;
  readonly clock: FixedClock;
  readonly home: Home;
  /** A file's name in a folder that goes with the home. */
  readonly path: (name: string) => string;
  /** Runs a command to its end. */
  readonly run: (...args: readonly string[]) => Promise<void>;
  /** Standard output so far, without tones. */
  readonly out: () => string;
  /** Standard output and standard error as they would stand on a screen. */
  readonly screen: () => string;
  /** Standard output, byte for byte. */
  readonly bytes: () => Uint8Array;
  /** Each line of standard output as JSON. */
  readonly json: () => readonly { readonly [name: string]: unknown }[];
  /** Standard error so far, without tones. */
  readonly notes: () => string;
  readonly questions: readonly string[];
  /** Resolves as soon as standard output has that text. */
  readonly seen: (text: string) => Promise<void>;
  /** Ctrl-C. */
  readonly stop: () => void;
  readonly remove: () => void;
};

/** A command line with one command in it. */
export function createFake(register: (program: Command, context: CliContext) => void, options: FakeOptions = {}): Fake {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-cli-'));
  const captured: Captured = { out: '', notes: '', screen: '', bytes: [] };
  const watchers = new Set<() => void>();
  const questions: string[] = [];
  const answers = [...(options.answers ?? [])];
  const stop = new AbortController();
  const clock = FixedClocks.create();
  const environment = { FAREBOX_HOME: join(folder, 'home'), ...options.environment };
  const context: CliContext = {
    terminal: captureTerminal(
      options.interactive ?? true,
      captured,
      () => {
        for (const watch of [...watchers]) watch();
      },
      options.columns,
    ),
    home: () => openHome(environment),
    environment,
    signal: stop.signal,
    readInput: async () => (typeof options.input === 'string' ? new TextEncoder().encode(options.input) : (options.input ?? new Uint8Array(0))),
    ask: async (question, fallback) => {
      if (options.answers === undefined) return undefined;
      questions.push(question);
      return answers.shift() || fallback;
    },
    askSecret: async (question) => {
      if (options.answers === undefined) return undefined;
      questions.push(question);
      return answers.shift();
    },
    clock: options.clock ?? clock,
  };
  return {
    context,
    clock,
    home: openHome(environment),
    path: (name) => join(folder, name),
    run: async (...args) => {
      const program = new Command('farebox').exitOverride().configureOutput({
        writeErr: (text) => {
          captured.notes += text;
        },
      });
      register(program, context);
      await program.parseAsync(args, { from: 'user' });
    },
    out: () => captured.out,
    screen: () => captured.screen,
    bytes: () => new Uint8Array(Buffer.concat(captured.bytes)),
    json: () =>
      captured.out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { readonly [name: string]: unknown }),
    notes: () => captured.notes,
    questions,
    seen: (text) =>
      new Promise((resolve) => {
        const watch = () => {
          if (!captured.out.includes(text)) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
      }),
    stop: () => stop.abort(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

type Captured = { out: string; notes: string; screen: string; readonly bytes: Uint8Array[] };

/** The real terminal on streams that keep what is written; tones are left out, since such a stream shows none. */
function captureTerminal(interactive: boolean, captured: Captured, onOutput: () => void, columns = 120): Terminal {
  const stream = (name: 'out' | 'notes') => ({
    isTTY: interactive,
    columns,
    writableNeedDrain: false,
    getColorDepth: () => 1,
    hasColors: () => false,
    write: (text: string | Uint8Array, then?: (error?: Error) => void) => {
      if (name === 'out') captured.bytes.push(typeof text === 'string' ? new TextEncoder().encode(text) : text);
      const decoded = typeof text === 'string' ? text : new TextDecoder().decode(text);
      captured[name] += decoded;
      captured.screen += decoded;
      onOutput();
      then?.();
      return true;
    },
  });
  const streams = { stdout: stream('out') as unknown as NodeJS.WriteStream, stderr: stream('notes') as unknown as NodeJS.WriteStream };
  const plain = (terminal: Terminal): Terminal => ({ ...terminal, tone: (_, text) => text, withJson: (wanted) => plain(terminal.withJson(wanted)) });
  return plain(createTerminal(streams));
}
