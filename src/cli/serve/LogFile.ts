/**
 * A file that lines are added to, and that is opened anew after somebody has moved it away.
 */
import { once } from 'node:events';
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { FareboxError } from '../../core/Errors.ts';

/** See the head of this file. */
export type LogFile = {
  readonly write: (line: string) => void;
  readonly reopen: () => void;
  /** Writes what is still to be written. */
  readonly close: () => Promise<void>;
};

/** Makes it where it is not there. A disk that is full later ends no sale: it is told. @throws CONFIG_INVALID – it cannot be written at all */
export async function openLogFile(path: string, onTrouble: (error: unknown) => void): Promise<LogFile> {
  const closing = new Set<Promise<unknown>>();
  let stream = open(path);
  try {
    await once(stream, 'open');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new FareboxError('CONFIG_INVALID', `The access log cannot be written to ${path} (${code ?? 'unwritable'}).`, { cause });
  }
  stream.on('error', onTrouble);
  const end = (ended: WriteStream) => {
    const closed = new Promise<void>((resolve) => ended.once('close', resolve));
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
    ended.end();
  };
  return {
    // One that has failed takes nothing more, until it is opened anew.
    write: (line) => void (stream.writable && stream.write(line)),
    reopen: () => {
      const before = stream;
      stream = open(path).on('error', onTrouble);
      end(before);
    },
    close: async () => {
      end(stream);
      await Promise.all(closing);
    },
  };
}

function open(path: string): WriteStream {
  mkdirSync(dirname(path), { recursive: true });
  return createWriteStream(path, { flags: 'a', mode: 0o640 });
}
