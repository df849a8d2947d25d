/**
 * Programs started as a person starts them: processes of their own, a home folder of their own, ended with the test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url));

/** A program that has ended. */
export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly stdout: string; readonly stderr: string };

/** A program that runs. */
export type Running = {
  readonly child: ChildProcess;
  /** The first line of JSON on its standard output that satisfies the test. Fails when the program ends before. */
  readonly says: (wanted: (line: { readonly [key: string]: unknown }) => boolean) => Promise<{ readonly [key: string]: unknown }>;
  readonly ended: Promise<Ended>;
  /** The first line on its standard output that fits. Fails when the program ends before. */
  readonly prints: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** The lines of JSON that it has said so far, and what it has said of its troubles. */
  readonly lines: () => readonly { readonly [key: string]: unknown }[];
  readonly errors: () => string;
  /** Asks it to end, as Ctrl-C does. */
  readonly stop: () => Promise<Ended>;
};

/** What is started, and in what environment. */
export type DeskOptions = { readonly program?: string; readonly environment?: { readonly [name: string]: string } };

/** A place to start programs in. */
export type Desk = {
  readonly folder: string;
  readonly start: (...args: readonly string[]) => Running;
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  readonly close: () => Promise<void>;
};

/** Opens one. `program` and `environment`: another one than the command line, and what it finds there besides. */
export function openDesk({ program: file = bin, environment = {} }: DeskOptions = {}): Desk {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-e2e-'));
  const running = new Set<Running>();
  const start = (...args: readonly string[]): Running => {
    const program = follow(
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], {
        cwd: folder,
        env: { ...process.env, FAREBOX_HOME: join(folder, 'home'), ...environment },
      }),
    );
    running.add(program);
    void program.ended.then(() => running.delete(program));
    return program;
  };
  return {
    folder,
    start,
    run: (...args) => {
      const program = start(...args);
      program.child.stdin?.end();
      return program.ended;
    },
    close: async () => {
      for (const program of running) {
        program.child.kill('SIGKILL');
        await program.ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A program that was started elsewhere, as one that runs. */
export function follow(child: ChildProcess): Running {
  let stdout = '';
  let stderr = '';
  const printed: string[] = [];
  const lines: { readonly [key: string]: unknown }[] = [];
  const listeners = new Set<() => void>();
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    stdout += `${line}\n`;
    printed.push(line);
    if (line.startsWith('{')) lines.push(JSON.parse(line) as { [key: string]: unknown });
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
  const found = <T>(find: () => T | undefined) =>
    new Promise<T>((resolve, reject) => {
      const look = () => {
        const one = find();
        if (one === undefined) return;
        listeners.delete(look);
        resolve(one);
      };
      listeners.add(look);
      void ended.then(({ code, signal }) => reject(new Error(`it ended (${signal ?? code}) without saying so: ${stdout}${stderr}`)));
      look();
    });
  return {
    child,
    ended,
    lines: () => lines,
    errors: () => stderr,
    says: (wanted) => found(() => lines.find(wanted)),
    prints: (pattern) => found(() => printed.map((line) => pattern.exec(line)).find((match) => match !== null)),
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}
