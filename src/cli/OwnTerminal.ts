/**
 * Asks a person at the terminal that a command was started from, where its standard input and output belong to another program.
 *
 * That program may be at the same terminal, and what is typed for it must not pay: a yes is the word and a number that was drawn for this question.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { ReadStream, WriteStream } from 'node:tty';
import { printable } from './Terminal.ts';

/** Where questions are put, and where they are answered. */
export type Line = { readonly ask: (words: string, signal: AbortSignal) => Promise<string>; readonly close: () => void };

let last: Promise<unknown> = Promise.resolve();

/** Whether somebody says yes; undefined where there is no terminal. One question is asked after the other. */
export function askAtOwnTerminal(words: string, signal: AbortSignal, open: () => Line | undefined = openLine, number = drawn()): Promise<boolean | undefined> {
  const mine = last.then(async () => {
    signal.throwIfAborted();
    const line = open();
    if (!line) return undefined;
    try {
      const said = await line.ask(`\nfarebox: ${printable(words)}\nType "yes ${number}" to pay, anything else not to: `, signal);
      return said.trim().toLowerCase() === `yes ${number}`;
    } finally {
      line.close();
    }
  });
  last = mine.catch(() => undefined);
  return mine;
}

function drawn(): number {
  return 1000 + (crypto.getRandomValues(new Uint16Array(1))[0] as number) % 9000;
}

function openLine(): Line | undefined {
  if (!isInFront()) return undefined;
  let files: readonly [number, number];
  try {
    files = [openSync('/dev/tty', 'r'), openSync('/dev/tty', 'w')];
  } catch {
    return undefined;
  }
  try {
    const [input, output] = [new ReadStream(files[0]), new WriteStream(files[1])];
    const lines = createInterface({ input, output });
    return {
      ask: (words, signal) => lines.question(words, { signal }),
      close: () => {
        lines.close();
        input.destroy();
        output.destroy();
      },
    };
  } catch {
    for (const file of files) closeSync(file);
    return undefined;
  }
}

/** Whether the terminal is this program's to read from: one that reads from behind another is stopped. */
function isInFront(): boolean {
  try {
    const said = execFileSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)], { encoding: 'utf8', timeout: 2000, stdio: ['ignore', 'pipe', 'ignore'] });
    const [group, foreground] = said.trim().split(/\s+/);
    return group !== undefined && group === foreground;
  } catch {
    return false;
  }
}
