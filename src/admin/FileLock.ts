/**
 * One writer at a time, of all processes of this machine: by a file that only one of them can make.
 */
import { open, readFile, rm } from 'node:fs/promises';
import { type Clock, wait } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';

/** How long somebody waits for the one before, and how often it looks. */
const patienceMs = 10_000;
const lookMs = 20;

/**
 * Acts while nobody else does.
 * @throws ADMIN_CHANGE_CONFLICT – another process has been at it all the while
 * @throws Error – the lock cannot be written there
 */
export async function whileLocked<T>(path: string, clock: Clock, act: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const until = clock.nowMs() + patienceMs;
  while (!(await take(lock))) {
    if (await isLeftBehind(lock)) await rm(lock, { force: true });
    else if (clock.nowMs() >= until)
      throw new FareboxError('ADMIN_CHANGE_CONFLICT', `Another process is making a change. If none is, one was killed at it: remove ${lock}.`);
    else await wait(clock, lookMs, undefined, true);
  }
  try {
    return await act();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx', 0o600);
    await file.writeFile(`${process.pid}\n`).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether who wrote it runs no more. One that says nothing yet is being written. */
async function isLeftBehind(lock: string): Promise<boolean> {
  const pid = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
