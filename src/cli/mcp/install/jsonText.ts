/**
 * Puts an entry into a JSON file, and takes it out again, without touching anything else: comments, order, spaces and numbers stay as they are. What
 * a host's own reader takes is read: comments of both kinds, and commas at the end of a list.
 *
 * Whatever is written is read back and compared before anybody gets to see it. A file that is not understood is not written.
 */
import { isDeepStrictEqual } from 'node:util';

type Json = { readonly [name: string]: unknown };

/** The text with `entry` under `name` in the object `key`; `entry` undefined takes it out. Undefined: the file is not understood. */
export function withEntry(text: string, key: string, name: string, entry: Json | undefined): string | undefined {
  const whole = text.trim() === '' ? '{}\n' : text;
  const before = read(whole);
  if (before === undefined) return undefined;
  const { [key]: servers = {}, ...rest } = before;
  if (typeof servers !== 'object' || servers === null || Array.isArray(servers)) return undefined;
  const { [name]: _, ...others } = servers as Json;
  const wanted = { ...rest, [key]: entry === undefined ? others : { ...others, [name]: entry } };
  if (isDeepStrictEqual(wanted, { [key]: {}, ...before })) return text;
  const written = write(whole, key, name, entry);
  return written !== undefined && isDeepStrictEqual(read(written), wanted) ? written : undefined;
}

/** The value of a file, or undefined where it is no object. A name that is said twice is not understood: which one counts is up to its reader. */
function read(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(plain(text));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

function write(text: string, key: string, name: string, entry: Json | undefined): string | undefined {
  const indent = /^([ \t]+)"/m.exec(text)?.[1] ?? '  ';
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  const at = (depth: number) => indent.repeat(depth);
  const said = (value: unknown, depth: number) => JSON.stringify(value, null, indent).replaceAll('\n', `${end}${at(depth)}`);
  const root = objectAt(text, skip(text, 0));
  if (!root) return undefined;
  const servers = root.members.filter((member) => member.name === key);
  if (servers.length > 1) return undefined;
  const [found] = servers;
  if (!found) return insert(text, root, `${end}${at(1)}${JSON.stringify(key)}: ${said({ [name]: entry }, 1)}`, end);
  const object = objectAt(text, found.valueAt);
  const same = object?.members.filter((member) => member.name === name) ?? [];
  if (!object || same.length > 1) return undefined;
  const [old] = same;
  if (entry === undefined) return old && remove(text, object, old);
  if (old) return text.slice(0, old.valueAt) + said(entry, 2) + text.slice(old.endsAt);
  return insert(text, object, `${end}${at(2)}${JSON.stringify(name)}: ${said(entry, 2)}`, `${end}${at(1)}`);
}

type Member = { readonly name: string; readonly startsAt: number; readonly valueAt: number; readonly endsAt: number };
type ObjectAt = { readonly opensAt: number; readonly closesAt: number; readonly members: readonly Member[] };

/** Puts a member first; `closing` goes before the bracket of an object that was empty. */
function insert(text: string, { opensAt, closesAt, members }: ObjectAt, member: string, closing: string): string {
  const behind = text.slice(opensAt + 1);
  if (members.length > 0) return `${text.slice(0, opensAt + 1)}${member},${/^\s*[\r\n]/.test(behind) ? '' : ' '}${behind}`;
  const inside = text.slice(opensAt + 1, closesAt);
  return `${text.slice(0, opensAt + 1)}${member}${inside.trim() === '' ? closing : inside}${text.slice(closesAt)}`;
}

/** Takes a member out, with one comma and the white space before it. */
function remove(text: string, { opensAt, members }: ObjectAt, member: Member): string {
  const index = members.indexOf(member);
  const before = text.slice(0, member.startsAt).replace(/\s+$/, '');
  const next = skip(text, member.endsAt);
  if (text[next] === ',') return before + text.slice(next + 1);
  const last = members[index - 1];
  // The last one: the comma before it goes.
  if (last) return text.slice(0, last.endsAt) + text.slice(last.endsAt, member.startsAt).replace(',', '').replace(/\s+$/, '') + text.slice(member.endsAt);
  return before.length > opensAt ? before + text.slice(member.endsAt) : text;
}

/** The object that begins there, and where each of its members stands. */
function objectAt(text: string, opensAt: number): ObjectAt | undefined {
  if (text[opensAt] !== '{') return undefined;
  const members: Member[] = [];
  for (let at = skip(text, opensAt + 1); at < text.length; ) {
    if (text[at] === '}') return { opensAt, closesAt: at, members };
    if (text[at] === ',') {
      at = skip(text, at + 1);
      continue;
    }
    const nameEnd = valueEnd(text, at);
    const colon = skip(text, nameEnd);
    if (text[at] !== '"' || text[colon] !== ':') return undefined;
    const valueAt = skip(text, colon + 1);
    const endsAt = valueEnd(text, valueAt);
    members.push({ name: JSON.parse(text.slice(at, nameEnd)) as string, startsAt: at, valueAt, endsAt });
    at = skip(text, endsAt);
  }
  return undefined;
}

/** Where a value ends: behind its last character. */
function valueEnd(text: string, at: number): number {
  if (text[at] === '"') return stringEnd(text, at);
  if (text[at] !== '{' && text[at] !== '[') return at + (/^[^\s,\]}:/]*/.exec(text.slice(at))?.[0].length ?? 0);
  let depth = 0;
  for (let index = at; index < text.length; ) {
    const character = text[index];
    if (character === '"') {
      index = stringEnd(text, index);
      continue;
    }
    if (character === '/') {
      const past = skip(text, index);
      index = past === index ? index + 1 : past;
      continue;
    }
    if (character === '{' || character === '[') depth++;
    if (character === '}' || character === ']') depth--;
    index++;
    if (depth === 0) return index;
  }
  return text.length;
}

function stringEnd(text: string, at: number): number {
  for (let index = at + 1; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === '"') return index + 1;
  }
  return text.length;
}

/** Past white space and comments. */
function skip(text: string, at: number): number {
  const blank = /(?:\s|\uFEFF|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
  blank.lastIndex = at;
  return at + (blank.exec(text)?.[0].length ?? 0);
}

/** Without comments, and without commas at the end of a list. */
function plain(text: string): string {
  let result = '';
  for (let at = skip(text, 0); at < text.length; ) {
    const end = text[at] === '"' ? stringEnd(text, at) : at + 1;
    const next = skip(text, end);
    const isLastComma = text[at] === ',' && (text[next] === '}' || text[next] === ']');
    if (!isLastComma) result += text.slice(at, end) + (next > end ? ' ' : '');
    at = next;
  }
  return result;
}
