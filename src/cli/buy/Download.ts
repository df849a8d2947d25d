/**
 * A file that is fetched: it has its name once it is whole. Until then its beginning is `<name>.part`, and `<name>.part.json` says what it
 * is the beginning of: the request's digest and a validator (RFC 9110, section 8.8), which `If-Range` shows to the server, so that what
 * comes is the rest of the very same version or a new beginning. Two versions are never mixed.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { Ended } from '../exit.ts';

/** A file about to be fetched. */
export type Download = {
  readonly path: string;
  /** Bytes of a part that are here from before. */
  readonly have: number;
  /** Whether it is here already, whole, and nothing has to be asked. */
  readonly isWhole: boolean;
  /** What the request says besides, to get the rest. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly resource: string;
  readonly notes: Notes | undefined;
  /** A device or a pipe: written to as it is. */
  readonly isDevice: boolean;
};

/** A file as it is written. */
export type Writing = {
  /** Bytes before those that come now. */
  readonly from: number;
  /** What it will have in all; undefined where nobody said. */
  readonly total: number | undefined;
  /** Whether a part was here, and the server sends everything again: it has changed, or there are no parts to be had. */
  readonly isAnew: boolean;
  /** Whether a part of it could be gone on with. */
  readonly isResumable: boolean;
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** It is whole: it gets its name. @throws Ended – 7: it is shorter or longer than was said */
  readonly finish: () => Promise<void>;
  /** It broke off: what has come stays. */
  readonly leave: () => Promise<void>;
};

const notesSchema = z.strictObject({
  version: z.literal(1),
  resource: z.string(),
  /** For `If-Range`: a strong entity tag, or a date. */
  validator: z.string(),
  total: z.number().int().nonnegative().optional(),
});
type Notes = z.output<typeof notesSchema>;

/** What tells two requests apart, without saying what they are: an address may hold a secret. */
export function resourceOf(method: string, url: URL, body: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(`${method} ${url.href}\n`)
    .update(body ?? '')
    .digest('hex');
}

/** Looks at what is there. @param resumes - whether a part from before is gone on with */
export async function begin(path: string, resource: string, resumes: boolean): Promise<Download> {
  const nothing: Download = { path, have: 0, isWhole: false, headers: [], resource, notes: undefined, isDevice: false };
  const found = await statOf(path);
  if (found?.isDirectory()) throw new Ended(2, 'usage', `${path} is a folder: name a file.`);
  if (found && !found.isFile()) return { ...nothing, isDevice: true };
  if (!resumes) return nothing;
  const part = await statOf(partOf(path));
  if (!part?.isFile()) return found ? { ...nothing, have: found.size, isWhole: true } : nothing;
  const notes = await readNotes(path);
  if (notes?.resource === resource && notes.total === part.size) {
    await complete({ path });
    return { ...nothing, have: part.size, isWhole: true };
  }
  if (notes === undefined || notes.resource !== resource || part.size === 0 || (notes.total ?? part.size) < part.size) return nothing;
  const headers = [
    ['Range', `bytes=${part.size}-`],
    ['If-Range', notes.validator],
  ] as const;
  return { ...nothing, have: part.size, headers, notes };
}

/**
 * Opens the file for an answer's body.
 * @throws Ended – 1: the answer is a part, and not the one that is missing
 */
export async function write(download: Download, response: Response): Promise<Writing> {
  const { path, isDevice } = download;
  if (isDevice) return writeThrough(await opened(path, 'w'), lengthOf(response));
  const isRest = response.status === 206;
  const total = isRest ? restOf(download, response) : lengthOf(response);
  const from = isRest ? download.have : 0;
  const validator = validatorOf(response) ?? (isRest ? download.notes?.validator : undefined);
  const notes: Notes | undefined =
    validator === undefined ? undefined : { version: 1, resource: download.resource, validator, ...(total !== undefined && { total }) };
  const file = await opened(partOf(path), isRest ? 'a' : 'w');
  await (notes ? writeFile(notesOf(path), `${JSON.stringify(notes)}\n`) : rm(notesOf(path), { force: true }));
  let length = from;
  return {
    from,
    total,
    isAnew: !isRest && download.have > 0,
    isResumable: notes !== undefined,
    write: async (bytes) => {
      await writeAll(file, bytes);
      length += bytes.byteLength;
    },
    finish: async () => {
      await file.sync();
      await file.close();
      if (total !== undefined && total !== length) throw new Ended(7, 'broken', `${path} has ${length} bytes of ${total}.`);
      await complete(download);
    },
    leave: () => file.close(),
  };
}

/** Whether the server says that there is no rest: the part is the whole, unless it is the beginning of something longer. */
export function isWholeBy(response: Response, { have, notes }: Download): boolean {
  return response.headers.get('Content-Range')?.trim() === `bytes */${have}` && (notes?.total ?? have) === have;
}

/** Gives a part that turns out to be the whole its name. */
export async function complete({ path }: Pick<Download, 'path'>): Promise<void> {
  await rename(partOf(path), path);
  await rm(notesOf(path), { force: true });
}

/** The name of a part. */
export function partOf(path: string): string {
  return `${path}.part`;
}

function notesOf(path: string): string {
  return `${path}.part.json`;
}

/** The whole length that the answer's part belongs to. */
function restOf({ path, have, notes }: Download, response: Response): number | undefined {
  const [, from, to, all] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('Content-Range')?.trim() ?? '') ?? [];
  const total = all === undefined || all === '*' ? notes?.total : Number(all);
  const { validator = '' } = notes ?? {};
  // Either says which version it is; a server that does not heed If-Range may send another.
  const now = response.headers.get(validator.startsWith('"') ? 'ETag' : 'Last-Modified');
  const isOther =
    Number(from) !== have ||
    (total !== undefined && Number(to) !== total - 1) ||
    (notes?.total !== undefined && total !== notes.total) ||
    (now !== null && now !== validator) ||
    (response.headers.get('Content-Encoding') ?? 'identity') !== 'identity';
  if (isOther || from === undefined || notes === undefined) {
    throw new Ended(
      1,
      'another part',
      `The server sent a part that is not the rest of ${partOf(path)}. Nothing was written. Fetch it anew, without --continue.`,
    );
  }
  return total;
}

/** What says which version this is, byte for byte; undefined where nothing does. */
function validatorOf(response: Response): string | undefined {
  if ((response.headers.get('Content-Encoding') ?? 'identity') !== 'identity') return undefined;
  const tag = response.headers.get('ETag');
  if (tag !== null && /^"[\x21\x23-\x7e]*"$/.test(tag)) return tag;
  const [modified, sent] = [response.headers.get('Last-Modified'), response.headers.get('Date')];
  if (tag !== null || modified === null || sent === null) return undefined;
  // A file that was changed a moment ago may be changed again in the same second.
  return Date.parse(sent) - Date.parse(modified) >= 60_000 ? modified : undefined;
}

function lengthOf(response: Response): number | undefined {
  const text = response.headers.get('Content-Length');
  if (text === null || !/^\d{1,15}$/.test(text) || response.headers.has('Content-Encoding')) return undefined;
  return Number(text);
}

function writeThrough(file: FileHandle, total: number | undefined): Writing {
  const end = () => file.close();
  return { from: 0, total, isAnew: false, isResumable: false, write: (bytes) => writeAll(file, bytes), finish: end, leave: end };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) at += (await file.write(bytes, at)).bytesWritten;
}

async function opened(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw new Ended(2, 'usage', `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unwritable'}).`, { cause: error });
  }
}

async function statOf(path: string) {
  return stat(path).catch(() => undefined);
}

async function readNotes(path: string): Promise<Notes | undefined> {
  try {
    return notesSchema.parse(JSON.parse(await readFile(notesOf(path), 'utf8')));
  } catch {
    return undefined;
  }
}
