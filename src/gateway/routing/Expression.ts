/**
 * Regular expressions for paths that a stranger cannot make dear: every one is turned into a table when the configuration is read, and a
 * path costs one look a character in it, whatever the expression and whatever the path.
 *
 *     /items/[0-9]+(?:\.json)?       literals . [..] [^..] \d \w ( ) (?: ) | * + ? {m,n}
 *
 * An expression holds the whole path. What needs going back (references, look-around, lazy and possessive repeats) is not known here, and
 * an expression whose table would be too large is refused.
 *
 * @see docs/decisions, "Regular expressions as tables"; Thompson, "Regular Expression Search Algorithm", 1968
 */

/** See the head of this file. */
export type Expression = {
  readonly source: string;
  /** The segments that every path it holds begins with, such as `/items`; '' where there are none. */
  readonly start: string;
  /** Whether it holds a whole path. */
  readonly matches: (path: string) => boolean;
};

/**
 * Reads an expression.
 * @param isLoose - letters in either case
 * @throws Error – what is not known here, is not closed, or makes too large a table
 */
export function parse(source: string, isLoose = false): Expression {
  if (source.length > maxSourceLength) throw new Error(`an expression has ${maxSourceLength} characters at most`);
  const tree = new Reader(source).read();
  return { source, start: startOf(tree), matches: compile(tree, isLoose) };
}

const maxSourceLength = 512;
const maxSteps = 2000;
const maxStates = 500;
const maxRepeats = 100;

/** The characters of a path in normal form are among the first 128. */
const alphabet = 128;
type Characters = readonly boolean[];

type Tree =
  | { readonly kind: 'characters'; readonly set: Characters; readonly literal: string | undefined }
  | { readonly kind: 'all'; readonly of: readonly Tree[] }
  | { readonly kind: 'one'; readonly of: readonly Tree[] }
  | { readonly kind: 'repeat'; readonly of: Tree; readonly least: number; readonly most: number | undefined };

/** Reads the text from left to right. */
class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Tree {
    if (!this.#text.startsWith('/')) throw new Error('an expression begins with "/", as every path does');
    const tree = this.#alternatives();
    if (this.#at < this.#text.length) throw new Error('this ")" closes nothing');
    return tree;
  }

  #alternatives(): Tree {
    const of = [this.#sequence()];
    while (this.#take('|')) of.push(this.#sequence());
    return of.length === 1 ? (of[0] as Tree) : { kind: 'one', of };
  }

  #sequence(): Tree {
    const of: Tree[] = [];
    while (this.#at < this.#text.length && !'|)'.includes(this.#text[this.#at] as string)) of.push(this.#repeated());
    return { kind: 'all', of };
  }

  #repeated(): Tree {
    const of = this.#atom();
    const repeat = /^(?:[*+?]|\{(\d{1,4})(?:(,)(\d{1,4})?)?\})/.exec(this.#text.slice(this.#at));
    if (!repeat) return of;
    this.#at += repeat[0].length;
    if (/^[*+?{]/.test(this.#text.slice(this.#at))) throw new Error('a repeat of a repeat, or a lazy or possessive one, is not known here');
    if (repeat[0] === '*') return { kind: 'repeat', of, least: 0, most: undefined };
    if (repeat[0] === '+') return { kind: 'repeat', of, least: 1, most: undefined };
    if (repeat[0] === '?') return { kind: 'repeat', of, least: 0, most: 1 };
    const least = Number(repeat[1]);
    const most = repeat[2] === undefined ? least : repeat[3] === undefined ? undefined : Number(repeat[3]);
    if (Math.max(least, most ?? 0) > maxRepeats) throw new Error(`"${repeat[0]}" repeats more than ${maxRepeats} times`);
    if (most !== undefined && most < least) throw new Error(`"${repeat[0]}" has its numbers the wrong way round`);
    return { kind: 'repeat', of, least, most };
  }

  #atom(): Tree {
    const character = this.#text[this.#at++] as string;
    if (character === '(') return this.#group();
    if (character === '[') return charactersOf(this.#class());
    if (character === '.') return charactersOf(setOf(() => true));
    if (character === '\\') return this.#escaped();
    if (character === '^' || character === '$') throw new Error(`an expression holds the whole path as it is: leave "${character}" out`);
    if ('*+?{}]'.includes(character)) throw new Error(`"${character}" stands for itself only behind a "\\"`);
    return literal(character);
  }

  #group(): Tree {
    if (this.#take('?') && !this.#take(':')) throw new Error('"(?" begins what is not known here: look-around, names and flags');
    if (++this.#depth > 20) throw new Error('groups stand in each other 20 deep at most');
    const inner = this.#alternatives();
    if (!this.#take(')')) throw new Error('a "(" is not closed');
    this.#depth--;
    return inner;
  }

  #escaped(): Tree {
    const character = this.#text[this.#at++];
    const known = character === undefined ? undefined : classes[character];
    if (known !== undefined) return charactersOf(known);
    if (character === undefined || /[A-Za-z0-9]/.test(character)) throw new Error(`"\\${character ?? ''}" is not known here`);
    return literal(character);
  }

  #class(): Characters {
    const isNot = this.#take('^');
    const set = new Array<boolean>(alphabet).fill(false);
    for (let first = true; ; first = false) {
      const from = this.#inClass(first);
      if (from === undefined) break;
      if (typeof from !== 'string') for (const [code, has] of from.entries()) set[code] ||= has;
      else {
        const isRange = this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']';
        if (isRange) this.#at++;
        const to = isRange ? this.#inClass(false) : from;
        if (typeof to !== 'string' || to < from) throw new Error('a range in "[…]" goes from one character to a later one');
        for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) set[code] = true;
      }
    }
    return isNot ? set.map((has) => !has) : set;
  }

  /** A character, a class, or undefined at the end. */
  #inClass(isFirst: boolean): string | Characters | undefined {
    const character = this.#text[this.#at++];
    if (character === undefined) throw new Error('a "[" is not closed');
    if (character === ']') {
      if (isFirst) throw new Error('"[]" holds no character');
      return undefined;
    }
    if (character !== '\\') return plain(character);
    const escaped = this.#text[this.#at++];
    const known = escaped === undefined ? undefined : classes[escaped];
    if (known !== undefined) return known;
    if (escaped === undefined || /[A-Za-z0-9]/.test(escaped)) throw new Error(`"\\${escaped ?? ''}" is not known here`);
    return plain(escaped);
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}

/** A path is in normal form when it is held against an expression, and a loose reading of it is without parameters: neither can ask for what is not there. */
function plain(character: string): string {
  if (!/[!-~]/.test(character) || /["#<>?\\^`{|}]/.test(character)) throw new Error(`${JSON.stringify(character)} stands in no path`);
  if (character === ';' || character === '%') throw new Error(`"${character}" begins what servers read in two ways: an expression does not ask for it`);
  return character;
}

function literal(character: string): Tree {
  const code = plain(character).charCodeAt(0);
  return { kind: 'characters', set: setOf((other) => other === code), literal: character };
}

function charactersOf(set: Characters): Tree {
  return { kind: 'characters', set, literal: undefined };
}

function setOf(has: (code: number) => boolean): Characters {
  return Array.from({ length: alphabet }, (_, code) => has(code));
}

function setLike(pattern: RegExp): Characters {
  return setOf((code) => pattern.test(String.fromCharCode(code)));
}

const classes: { readonly [letter: string]: Characters | undefined } = {
  d: setLike(/[0-9]/),
  D: setLike(/[^0-9]/),
  w: setLike(/[A-Za-z0-9_]/),
  W: setLike(/[^A-Za-z0-9_]/),
};

/** The whole segments that stand at the beginning, character by character. */
function startOf(tree: Tree): string {
  const parts = tree.kind === 'all' ? tree.of : [tree];
  let text = '';
  for (const part of parts) {
    if (part.kind !== 'characters' || part.literal === undefined) break;
    text += part.literal;
  }
  return text.slice(0, Math.max(0, text.lastIndexOf('/')));
}

/** Steps of which one leads on at a character, or two at none. */
type Step = { readonly set: Characters | undefined; to: number[] };

/** The steps, from the last to the first: `add` answers where its part begins, given where it goes on. */
function stepsOf(tree: Tree): { readonly steps: readonly Step[]; readonly first: number } {
  const steps: Step[] = [{ set: undefined, to: [] }];
  const push = (step: Step): number => {
    if (steps.length >= maxSteps) throw new Error('this expression is too large: its repeats make it so');
    return steps.push(step) - 1;
  };
  const add = (part: Tree, next: number): number => {
    if (part.kind === 'characters') return push({ set: part.set, to: [next] });
    if (part.kind === 'all') return part.of.reduceRight((at, one) => add(one, at), next);
    if (part.kind === 'one') return push({ set: undefined, to: part.of.map((one) => add(one, next)) });
    let at = next;
    if (part.most === undefined) {
      at = push({ set: undefined, to: [next] });
      (steps[at] as Step).to.push(add(part.of, at));
    } else for (let count = part.least; count < part.most; count++) at = push({ set: undefined, to: [add(part.of, at), next] });
    for (let count = 0; count < part.least; count++) at = add(part.of, at);
    return at;
  };
  const first = add(tree, 0);
  return { steps, first };
}

/** The table: a row a state, a column for all characters that no part of the expression tells apart. State 0 is the one from which nothing follows. */
function compile(tree: Tree, isLoose: boolean): Expression['matches'] {
  const { steps, first } = stepsOf(tree);
  const sets = steps.map(({ set }) => (set && isLoose ? withBothCases(set) : set));
  const { columns, width, samples } = columnsOf(sets);
  const states: number[][] = [[], closure(steps, [first])];
  const numbers = new Map(states.map((state, number) => [state.join(), number]));
  const rows: number[] = new Array<number>(width).fill(0);
  for (let state = 1; state < states.length; state++) {
    for (const sample of samples) {
      const reached = (states[state] as number[]).flatMap((step) => (sets[step]?.[sample] ? (steps[step] as Step).to : []));
      const next = closure(steps, reached);
      const name = next.join();
      let number = numbers.get(name);
      if (number === undefined) {
        if (states.length >= maxStates) throw new Error('this expression has too many cases: say it in several, or more simply');
        number = states.push(next) - 1;
        numbers.set(name, number);
      }
      rows.push(number);
    }
  }
  const table = Uint16Array.from(rows);
  const ends = Uint8Array.from(states, (state) => (state.includes(0) ? 1 : 0));
  return (path) => {
    let state = 1;
    for (let index = 0; index < path.length; index++) {
      const code = path.charCodeAt(index);
      if (code >= alphabet) return false;
      state = table[state * width + (columns[code] as number)] as number;
      if (state === 0) return false;
    }
    return ends[state] === 1;
  };
}

/** Steps that are reached without a character are reached as well. Sorted. */
function closure(steps: readonly Step[], from: readonly number[]): number[] {
  const reached = new Set<number>();
  const open = [...from];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (reached.has(at)) continue;
    reached.add(at);
    const { set, to } = steps[at] as Step;
    if (set === undefined) open.push(...to);
  }
  return [...reached].sort((one, other) => one - other);
}

function columnsOf(sets: readonly (Characters | undefined)[]): { columns: Uint8Array; width: number; samples: readonly number[] } {
  const distinct = new Map(sets.flatMap((set) => (set === undefined ? [] : [[set.map(Number).join(''), set] as const])));
  const columns = new Uint8Array(alphabet);
  const samples: number[] = [];
  const known = new Map<string, number>();
  for (let code = 0; code < alphabet; code++) {
    const name = [...distinct.values()].map((set) => Number(set[code])).join('');
    let column = known.get(name);
    if (column === undefined) {
      column = samples.push(code) - 1;
      known.set(name, column);
    }
    columns[code] = column;
  }
  return { columns, width: samples.length, samples };
}

function withBothCases(set: Characters): Characters {
  const other = (code: number) => (code >= 65 && code <= 90 ? code + 32 : code >= 97 && code <= 122 ? code - 32 : code);
  return set.map((has, code) => has || (set[other(code)] as boolean));
}
