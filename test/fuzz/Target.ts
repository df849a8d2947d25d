/**
 * What is fuzzed: a parser, what it knows, and what must be true of whatever it makes of an input.
 *
 * An input is always text, so that every mutator works on every target and a find is one JSON string. Where a parser takes bytes, each
 * character is one. Where random bytes never pass (a checksum, a signature, a closed JSON object), the target reads the text as a plan, line
 * by line, and builds from it what the parser is given.
 */
import { type Code, FareboxError } from '../../src/core/Errors.ts';

/** A parser under test. */
export type Target = {
  /** As `--parser` names it. */
  readonly name: string;
  /** `bytes`: every character is below 256. */
  readonly form: 'text' | 'bytes';
  /** Inputs to begin with: good ones, and those that were bad once. */
  readonly seeds: readonly string[];
  /** What the parser knows: words, separators, boundaries. */
  readonly words?: readonly string[];
  /** In characters; default 2048. Now and then an input is stretched to four times as much. */
  readonly longest?: number;
  /** Inputs for each reading of the coverage; default 200. Fewer where one takes milliseconds. */
  readonly batch?: number;
  /** Longest time for one input of up to 8 KB, in milliseconds; default 20. */
  readonly longestMs?: number;
  /** Largest answer for each character of input; default 64. */
  readonly growth?: number;
  /**
   * Reads an input and checks what it made of it. The answer is what was read, for its size; a {@link Refused} says that the parser refused, as
   * it may; anything else that is thrown is a find.
   */
  readonly run: (input: string) => unknown;
};

/** An error that is not documented, a rule that does not hold, too much time, too much of an answer. */
export type Fault = 'threw' | 'broken' | 'slow' | 'large';

/** What came of one run. */
export type Outcome =
  | { readonly kind: 'fine'; readonly reason: string; readonly ms: number }
  | { readonly kind: Fault; readonly what: string; readonly ms: number };

/** Runs an input and judges what comes of it, but for the time. */
export async function runOnce(target: Target, input: string): Promise<Outcome> {
  const startedAt = performance.now();
  try {
    const answer = target.run(input);
    const read = answer instanceof Promise ? await answer : answer;
    const ms = performance.now() - startedAt;
    const most = (target.growth ?? 64) * input.length + 65_536;
    const size = sizeOf(read, most);
    return size > most ? { kind: 'large', what: `an answer of over ${most} from ${input.length} characters`, ms } : { kind: 'fine', reason: '', ms };
  } catch (error) {
    const ms = performance.now() - startedAt;
    if (error instanceof Refused) return { kind: 'fine', reason: withoutValues(error.reason), ms };
    if (error instanceof Broken) return { kind: 'broken', what: error.message, ms };
    return { kind: 'threw', what: error instanceof Error ? `${error.name}: ${error.message}\n${framesOf(error)}` : `${String(error)} was thrown`, ms };
  }
}

/** The parser refused in a way that its documentation names. */
export class Refused extends Error {
  /** The kind of refusal: inputs that are refused otherwise are worth keeping. */
  readonly reason: string;

  constructor(error: Error) {
    super(error.message);
    this.reason = `${FareboxError.is(error) ? error.code : error.name} ${error.message}`;
  }
}

/** Something is not as it must be. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** How a parser may refuse: a code of ours, or what calling code is told. */
export type Refusal = Code | 'TypeError' | 'RangeError';

/** What `read` answers. @throws Refused – it threw one of `refusals` */
export function reading<T>(read: () => T, ...refusals: readonly Refusal[]): T {
  try {
    return read();
  } catch (error) {
    throw judged(error, refusals);
  }
}

/** The same of something that takes its time. */
export async function readingLater<T>(read: () => Promise<T>, ...refusals: readonly Refusal[]): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw judged(error, refusals);
  }
}

/** What `read` answers, or undefined where it refuses: for a second step that may refuse without ending the check. */
export function unless<T>(read: () => T, ...refusals: readonly Refusal[]): T | undefined {
  try {
    return read();
  } catch (error) {
    if (judged(error, refusals) instanceof Refused) return undefined;
    throw error;
  }
}

/** Says what is broken where something that must be so is not. */
export function must(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Broken(what);
}

/** Says what is broken where two values are not deeply equal. */
export function same(one: unknown, other: unknown, what: string): void {
  if (one === other) return;
  const [left, right] = [plain(one), plain(other)];
  if (left !== right) throw new Broken(`${what}: ${left.slice(0, 300)} is not ${right.slice(0, 300)}`);
}

/** The lines of a plan. */
export function linesOf(input: string): readonly string[] {
  return input.split('\n');
}

/** The bytes that characters below 256 stand for. */
export function bytesOf(input: string): Uint8Array {
  return new Uint8Array(Buffer.from(input, 'latin1'));
}

/** The characters that stand for bytes. */
export function charactersOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function judged(error: unknown, refusals: readonly Refusal[]): unknown {
  if (!(error instanceof Error)) return error;
  const name = FareboxError.is(error) ? error.code : error.name;
  // Our own errors of calling code are made here and now; the engine's, such as "x is not a function", have the same class and are finds.
  return (refusals as readonly string[]).includes(name) && !isOfEngine(error) ? new Refused(error) : error;
}

/** Whether an error is one of the runtime's about the code rather than ours about a value. */
function isOfEngine(error: Error): boolean {
  return /is not a function|is not iterable|Cannot (read|set|mix|access|destructure|convert (undefined|null|object|a ))|is not defined|call stack|Invalid (array|string) length/.test(
    error.message,
  );
}

/** A message without what the input put into it. */
export function withoutValues(text: string): string {
  return text
    .replace(/".*"|`.*`|\{.*\}|\[.*\]/gs, '…')
    .replace(/-?\d+/g, '#')
    .slice(0, 200);
}

/** Characters, bytes and entries in an answer, counted as far as `most`. */
function sizeOf(value: unknown, most: number): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  let size = 1;
  for (const inner of value instanceof Map || value instanceof Set ? value.values() : Object.values(value)) {
    size += sizeOf(inner, most - size);
    if (size > most) break;
  }
  return size;
}

function framesOf(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((line) => /\((?:file|node):|at (?:file|node):/.test(line));
  return frames
    .slice(0, 3)
    .map((line) => line.trim().replace(/file:\/\/.*\/(?=(src|test|node_modules)\/)/, ''))
    .join('\n');
}

/** JSON in which bytes, bigints, absence and strange numbers keep their kind. */
function plain(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return `${inner}n`;
    if (inner instanceof Uint8Array) return `bytes:${Buffer.from(inner).toString('hex')}`;
    if (typeof inner === 'number' && (!Number.isFinite(inner) || Object.is(inner, -0))) return `number:${inner}`;
    return inner === undefined ? 'undefined' : inner;
  });
}
