import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { whileLocked } from './FileLock.ts';

let folder: string;
let path: string;
let lock: string;
let drawn = 0;
const random = (length: number) => new Uint8Array(length).fill(++drawn);
/** Waits are over at once: without an end, or each takes the time that it asks for. */
const options = { clock: clockBy(0), random };
const passing = { clock: clockBy(1), random };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-lock-'));
  path = join(folder, 'log');
  lock = `${path}.lock`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function clockBy(speed: number): Clock {
  let nowMs = 1_800_000_000_000;
  return {
    nowMs: () => nowMs,
    after: (ms, then) => {
      const timer = setImmediate(() => {
        nowMs += speed * ms;
        then();
      });
      return () => clearImmediate(timer);
    },
  };
}

const refusalOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.catch((thrown: unknown) => thrown);
  return FareboxError.is(error, 'ADMIN_CHANGE_CONFLICT') ? error.message : '';
};

/** What a lock says that is held here. */
async function held(): Promise<string> {
  let text = '';
  await whileLocked(path, options, async () => {
    text = readFileSync(lock, 'utf8');
  });
  return text;
}

/** The same of a process that runs no more. */
async function ofDead(): Promise<string> {
  const { pid } = spawnSync(process.execPath, ['--version']);
  return (await held()).replace(/^\d+/, String(pid));
}

test('it says who holds it, and is gone afterwards, whatever came of it', async () => {
  expect(await held()).toMatch(new RegExp(`^${process.pid} \\S+ [0-9a-f]{32}\\n$`));
  await expect(whileLocked(path, options, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(lock)).toBe(false);
});

test('one whose holder runs no more holds nobody up, and of many who wait for it one acts at a time', async () => {
  writeFileSync(lock, await ofDead());
  let [running, most, acted] = [0, 0, 0];
  const act = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    acted++;
  };
  await Promise.all(Array.from({ length: 12 }, () => whileLocked(path, options, act)));
  expect([most, acted, existsSync(lock), existsSync(`${lock}.steal`)]).toEqual([1, 12, false, false]);
});

test('while somebody else takes one away that was left behind, nobody does; what to do is said where that one was killed too', async () => {
  writeFileSync(lock, await ofDead());
  writeFileSync(`${lock}.steal`, 'somebody');
  expect(await refusalOf(whileLocked(path, passing, async () => {}))).toContain(`${lock}.steal`);
  expect([existsSync(lock), readFileSync(`${lock}.steal`, 'utf8')]).toEqual([true, 'somebody']);
});

test('what was left behind is looked at again before it is taken away: somebody else may have been quicker', async () => {
  const [dead, theirs] = [await ofDead(), await held()];
  writeFileSync(lock, dead);
  const kill = vi.spyOn(process, 'kill').mockImplementation((pid) => {
    if (pid === process.pid) return true;
    // The other one took it, between the look of this one and its step.
    writeFileSync(lock, theirs);
    throw Object.assign(new Error('no such process'), { code: 'ESRCH' });
  });
  try {
    expect(await refusalOf(whileLocked(path, passing, async () => {}))).toContain(`Process ${process.pid} is making a change`);
    expect([readFileSync(lock, 'utf8'), existsSync(`${lock}.steal`)]).toEqual([theirs, false]);
  } finally {
    kill.mockRestore();
  }
});

test('one of another machine or container is never taken for left behind: it is waited for, and then it is said what to do', async () => {
  const [pid, , nonce] = (await ofDead()).split(' ');
  const theirs = `${pid} elsewhere/1 ${nonce}`;
  writeFileSync(lock, theirs);
  expect(await refusalOf(whileLocked(path, passing, async () => {}))).toMatch(/another machine or container, elsewhere\/1, .*remove .*\.lock/);
  expect(readFileSync(lock, 'utf8')).toBe(theirs);
  const waiting = whileLocked(path, options, async () => 'acted');
  rmSync(lock);
  expect(await waiting).toBe('acted');
});

test('nobody takes away but his own', async () => {
  await whileLocked(path, options, async () => writeFileSync(lock, '1 elsewhere/1 00\n'));
  expect(readFileSync(lock, 'utf8')).toBe('1 elsewhere/1 00\n');
});
