/**
 * Standard output for bodies that arrive at once: each is written whole, in the order of the addresses. What comes before its turn is set
 * aside, up to a mebibyte in memory, the rest in a file that nobody else can read.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The place of one body. */
export type Slot = {
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Its last byte has been written, or none will be. */
  readonly end: () => Promise<void>;
};

/** See the head of this file. */
export type OrderedOutput = { readonly slots: readonly Slot[]; readonly close: () => Promise<void> };

const maxHeldBytes = 1024 * 1024;

/** Opens an output for so many bodies. */
export function createOrderedOutput(write: (bytes: Uint8Array) => Promise<void>, count: number): OrderedOutput {
  let folder: string | undefined;
  const inFolder = (name: string) => {
    folder ??= mkdtempSync(join(tmpdir(), 'farebox-get-'));
    return join(folder, name);
  };
  const held = Array.from({ length: count }, (_, index) => createHeld(() => inFolder(`${index}`)));
  const ended = new Set<number>();
  let turn = 0;
  // One thing at a time: a body that has its turn is behind what was set aside of it.
  let queue: Promise<void> = Promise.resolve();
  const queued = (work: () => Promise<void>): Promise<void> => {
    const done = queue.then(work);
    queue = done.catch(() => undefined);
    return done;
  };
  const slots = held.map(
    (_, index): Slot => ({
      write: (bytes) => queued(() => (index === turn ? write(bytes) : (held[index] as Held).add(bytes))),
      end: () =>
        queued(async () => {
          ended.add(index);
          while (ended.has(turn)) {
            turn++;
            await held[turn]?.flush(write);
          }
        }),
    }),
  );
  return {
    slots,
    close: async () => {
      for (const one of held) await one.close();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

type Held = {
  readonly add: (bytes: Uint8Array) => Promise<void>;
  readonly flush: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>;
  readonly close: () => Promise<void>;
};

function createHeld(path: () => string): Held {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let file: FileHandle | undefined;
  const close = async () => {
    await file?.close();
    file = undefined;
  };
  return {
    add: async (bytes) => {
      if (file === undefined && length + bytes.byteLength <= maxHeldBytes) {
        chunks.push(bytes);
        length += bytes.byteLength;
        return;
      }
      file ??= await open(path(), 'wx+', 0o600);
      await file.appendFile(bytes);
    },
    flush: async (write) => {
      for (const chunk of chunks.splice(0)) await write(chunk);
      if (file === undefined) return;
      const buffer = new Uint8Array(65_536);
      for (let at = 0; ; ) {
        const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, at);
        if (bytesRead === 0) break;
        await write(buffer.slice(0, bytesRead));
        at += bytesRead;
      }
      await close();
    },
    close,
  };
}
