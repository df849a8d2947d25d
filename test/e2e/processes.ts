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
export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** A program that runs. */
export type Running = {
  readonly child: ChildProcess;
  /** The first line of JSON on its standard output that satisfies the test. Fails when the program ends before. */
  readonly says: (wanted: (line: { readonly [key: string]: unknown }) => boolean) => Promise<{ readonly [key: string]: unknown }>;
  readonly ended: Promise<Ended>;
  /** The lines of JSON that it has said so far, and what it has said of its troubles. */
  readonly lines: () => readonly { readonly [key: string]: unknown }[];
  readonly errors: () => string;
  /** Asks it to end, as Ctrl-C does. */
  readonly stop: () => Promise<Ended>;
};

/** A place to start programs in. */
export type Desk = {
  readonly folder: string;
  readonly start: (...args: readonly string[]) => Running;
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  readonly close: () => Promise<void>;
};

export function openDesk(): Desk {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-e2e-'));
  const running = new Set<Running>();
  const start = (...args: readonly string[]): Running => {
    const program = follow(
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', bin, ...args], {
        cwd: folder,
        env: { ...process.env, FAREBOX_HOME: join(folder, 'home') },
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
  const lines: { readonly [key: string]: unknown }[] = [];
  const listeners = new Set<() => void>();
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    stdout += `${line}\n`;
    if (line.startsWith('{')) lines.push(JSON.parse(line) as { [key: string]: unknown });
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  return {
    child,
    ended,
    lines: () => lines,
    errors: () => stderr,
    says: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find(wanted);
          if (!found) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        void ended.then(() => reject(new Error(`it ended without saying so: ${stdout}${stderr}`)));
        look();
      }),
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}
