/**
 * Notices when files have changed. A change is told once it has stood still for a second, so that a copy that is half there is not taken for a file; and
 * files are looked at, where a runtime's notices miss what editors, mounts and orchestrators do.
 */
import { stat } from 'node:fs/promises';
import { type Clock, wait } from '../../core/Clock.ts';

/** Follows until it is closed. */
export type FileFollowing = {
  /** What the files are now is known: it is not told of. */
  readonly mark: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** What following needs. */
export type FileFollowingOptions = {
  /** Which files, as of now. */
  readonly files: () => readonly string[];
  readonly clock: Clock;
  /** Told of a change, and waited for. It does not throw. */
  readonly onChange: () => Promise<void>;
  /** What shows that a file is another one; for tests. */
  readonly look?: (path: string) => Promise<string>;
};

/** How often the files are looked at. */
const lookMs = 1000;

/** See the head of this file. */
export function followFiles({ files, clock, onChange, look = fingerprint }: FileFollowingOptions): FileFollowing {
  const stop = new AbortController();
  const { signal } = stop;
  const lookAll = async () => JSON.stringify(await Promise.all(files().map(async (path) => [path, await look(path)])));
  let taken: string | undefined;
  let seen: string | undefined;
  const mark = async () => {
    taken = await lookAll();
    seen = taken;
  };
  const follow = async () => {
    await mark();
    while (!signal.aborted) {
      await wait(clock, lookMs, signal);
      if (signal.aborted) return;
      const now = await lookAll();
      const stands = now === seen;
      seen = now;
      if (!stands || now === taken) continue;
      taken = now;
      const before = files().join('\n');
      await onChange();
      // Other files by now: which they are is no change of theirs.
      if (files().join('\n') !== before) await mark();
    }
  };
  const following = follow();
  return {
    mark,
    close: async () => {
      stop.abort();
      await following;
    },
  };
}

/** A file that is not there is one as well: it may come back. */
async function fingerprint(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? '' : `${found.mtimeMs} ${found.size} ${found.ino}`;
}
