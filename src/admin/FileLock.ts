/**
 * One writer at a time, of all processes of this machine: by a file that only one of them can make. It says who holds it, `<pid> <host> <nonce>`, so that
 * one whose holder was killed holds nobody up, and nobody takes away what is not his.
 */
import { readlinkSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type Clock, type Random, wait } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { toHex } from '../core/internal/bytes.ts';

/** How long somebody waits for the one before, and how often it looks. */
const patienceMs = 10_000;
const lookMs = 20;

/** What a lock needs. */
export type LockOptions = { readonly clock: Clock; readonly random: Random };

/**
 * Acts while nobody else does.
 * @throws ADMIN_CHANGE_CONFLICT – another process has been at it all the while, or one of another machine or container was killed at it
 * @throws Error – the lock cannot be written there
 */
export async function whileLocked<T>(path: string, { clock, random }: LockOptions, act: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const own = `${process.pid} ${here()} ${toHex(random(16))}\n`;
  const until = clock.nowMs() + patienceMs;
  while (!(await take(lock, own))) {
    if (await clearLeftBehind(lock, own)) continue;
    if (clock.nowMs() >= until) throw new FareboxError('ADMIN_CHANGE_CONFLICT', await describe(lock));
    await wait(clock, lookMs, undefined, true);
  }
  try {
    return await act();
  } finally {
    await release(lock, own);
  }
}

async function take(lock: string, own: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx', 0o600);
    await file.writeFile(own).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function release(lock: string, own: string): Promise<void> {
  if ((await textOf(lock)) === own) await rm(lock, { force: true });
}

/**
 * Takes away a lock whose holder runs no more; whether it was taken away. Of several who saw the same one, one at a time looks at it again before it is
 * removed: what stands there then may be the lock of whoever was quicker.
 */
async function clearLeftBehind(lock: string, own: string): Promise<boolean> {
  const seen = await textOf(lock);
  if (!isLeftBehind(seen)) return false;
  const stealing = `${lock}.steal`;
  if (!(await take(stealing, own))) return false;
  try {
    if ((await textOf(lock)) !== seen) return false;
    await rm(lock, { force: true });
    return true;
  } finally {
    await release(stealing, own);
  }
}

/** Whether who wrote it runs no more. One that says nothing yet is being written; of processes elsewhere nothing is known here. */
function isLeftBehind(text: string): boolean {
  const [pid, host] = partsOf(text);
  if (host !== here() || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Where a process id means the same process: this host, and on Linux this container of it. */
function here(): string {
  try {
    return `${hostname()}/${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')}`;
  } catch {
    return hostname();
  }
}

async function describe(lock: string): Promise<string> {
  const [pid, host] = partsOf(await textOf(lock));
  const who = host === undefined ? 'Another process' : host === here() ? `Process ${pid}` : `Process ${pid} of another machine or container, ${host},`;
  return `${who.slice(0, 300)} is making a change. If none is, one was killed at it: remove ${lock}, and ${lock}.steal where there is one.`;
}

function partsOf(text: string): readonly [number, string | undefined] {
  const [pid, host] = text.trim().split(' ');
  return [Number(pid), host];
}

/** Empty where there is none. */
async function textOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}
