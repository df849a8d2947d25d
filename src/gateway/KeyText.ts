/**
 * Master keys as text: in a file, or out of the environment. A key a line, or several between commas; the first whose time has come mints, and all
 * verify. `#` begins a comment.
 *
 *     4f1d…                                64 hex digits or more
 *     9a0c… from=2026-11-21T12:30:05Z      mints from then on, and only verifies until then
 *
 * No error repeats what it read: what looks broken may be a key.
 */
import { FareboxError } from '../core/Errors.ts';
import { fromHex, toHex } from '../core/internal/bytes.ts';
import { fingerprintOf, type Master } from '../server/RootKeys.ts';

/**
 * Reads keys.
 * @param where - names the text in errors
 * @throws KEYS_INVALID – something that is no key, a time that is none, one key twice, or no key at all
 */
export function parse(text: string, where: string): readonly [Master, ...Master[]] {
  const [first, ...others] = text.split('\n').flatMap((line) => keysOf(line).map((written) => readKey(written, where)));
  if (first === undefined) throw new FareboxError('KEYS_INVALID', `${where} holds no key. Make one with: farebox keys new`);
  const names = [first, ...others].map(({ key }) => fingerprintOf(key));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new FareboxError('KEYS_INVALID', `${where} holds the key ${twice} twice. Remove one.`);
  return [first, ...others];
}

/** The text with one more key, in front of the others. */
export function withKey(text: string, { key, mintsFromAt }: Master): string {
  return `${toHex(key)}${mintsFromAt === undefined ? '' : ` from=${formatTime(mintsFromAt)}`}\n${text}`;
}

/** The text without the key of that fingerprint; comments stay. */
export function withoutKey(text: string, fingerprint: string, where: string): string {
  const stays = (written: string) => fingerprintOf(readKey(written, where).key) !== fingerprint;
  const lines = text.split('\n').flatMap((line) => {
    const written = keysOf(line);
    const left = written.filter(stays);
    if (left.length === written.length) return [line];
    return left.length === 0 ? [] : [left.join(', ')];
  });
  return lines.join('\n');
}

/** What is written in a line, apart from its comment. */
function keysOf(line: string): readonly string[] {
  const [content = ''] = line.split('#', 1);
  return content
    .split(',')
    .map((written) => written.trim())
    .filter((written) => written !== '');
}

function readKey(written: string, where: string): Master {
  const [hex = '', ...rest] = written.split(/[ \t]+/);
  const key = hex.length >= 64 ? fromHex(hex) : undefined;
  if (key === undefined) throw new FareboxError('KEYS_INVALID', `${where} has a line that is no key: a key is 64 hex digits or more.`);
  if (rest.length === 0) return { key };
  const mintsFromAt = rest.length === 1 ? parseTime(rest[0] as string) : undefined;
  if (mintsFromAt === undefined) {
    throw new FareboxError('KEYS_INVALID', `${where} has a key with something behind it that is no time, such as from=2026-11-21T12:30:05Z.`);
  }
  return { key, mintsFromAt };
}

function parseTime(text: string): number | undefined {
  const match = /^from=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/.exec(text);
  const ms = match ? Date.parse(match[1] as string) : Number.NaN;
  // A day that no month has is read as one of the next.
  return Number.isNaN(ms) || `from=${formatTime(ms / 1000)}` !== text ? undefined : ms / 1000;
}

function formatTime(at: number): string {
  return `${new Date(at * 1000).toISOString().slice(0, 19)}Z`;
}
