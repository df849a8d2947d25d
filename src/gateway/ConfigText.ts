/**
 * The configuration file as text: YAML with a line and a column for everything in it, `${NAME}` filled in from the environment, and a list of
 * mistakes that names each one's place.
 *
 *     farebox.yaml:7:5: unknown key `prize`: did you mean `price`?
 *
 * @see YAML 1.2.2, Core Schema
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar, visit } from 'yaml';
import { FareboxError } from '../core/Errors.ts';

/** Where something stands: keys and list indexes from the top. */
export type ConfigPath = readonly PropertyKey[];

/** Where in the text, counted from 1. */
export type Place = { readonly line: number; readonly column: number };

/** A file that was read. */
export type ConfigText = {
  /** As in the file, with the environment filled in. */
  readonly value: unknown;
  /** Of a value, or of its key; of what it would stand in where it is missing. */
  readonly placeOf: (path: ConfigPath, part: 'key' | 'value') => Place | undefined;
  /** Whether a value came from the environment: then no message repeats it. */
  readonly isFromEnvironment: (path: ConfigPath) => boolean;
  /** What something is called in messages, where that is not its path. */
  readonly nameOf?: (path: ConfigPath) => ConfigPath;
};

/** Mistakes, each with its place, until all are told at once. */
export type Mistakes = {
  readonly add: (path: ConfigPath, message: string, part?: 'key' | 'value') => void;
  /** @throws CONFIG_INVALID – where there is one: a line for each, in the order in which they stand in the file */
  readonly check: () => void;
};

/** Environment variables by name. */
export type Environment = { readonly [name: string]: string | undefined };

/** A value that was made in memory: it has no places. */
export function fromValue(value: unknown): ConfigText {
  return { value, placeOf: () => undefined, isFromEnvironment: () => false };
}

/**
 * Reads a file's text.
 * @param environment - undefined: nothing is filled in
 * @throws CONFIG_INVALID – no YAML, a key that stands twice, a variable that is not set
 */
export function parse(text: string, file: string, environment: Environment | undefined): ConfigText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, stringKeys: true });
  const found: Found[] = [];
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  // What follows from a first error in the form is noise.
  const [broken] = document.errors;
  if (broken) found.push({ place: at(broken.pos[0]), message: broken.code === 'DUPLICATE_KEY' ? 'this key stands here twice' : lowerFirst(broken.message) });
  const filled = fillIn(document, environment, (node, message) => found.push({ place: at(node.range?.[0] ?? 0), message }));
  throwAll(file, found);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch {
    throwAll(file, [{ place: at(0), message: 'its aliases lead round in circles, or to more than a configuration can hold' }]);
  }
  return {
    value,
    placeOf: (path, part) => {
      const node = nodeAt(document, path, part);
      return at(node?.range?.[0] ?? 0);
    },
    isFromEnvironment: (path) => filled.has(nodeAt(document, path, 'value') as Scalar),
  };
}

/** Collects the mistakes of one file. */
export function createMistakes(file: string, text: ConfigText): Mistakes {
  const found: Found[] = [];
  return {
    add: (path, message, part = 'value') => {
      const shown = text.isFromEnvironment(path) ? 'what the environment says here cannot be used' : message;
      found.push({ place: text.placeOf(path, part), message: text.placeOf(path, part) ? shown : `${formatPath(text.nameOf?.(path) ?? path)}: ${shown}` });
    },
    check: () => throwAll(file, found),
  };
}

/** A path as people write it: `services[0].routes[1].price`. */
export function formatPath(path: ConfigPath): string {
  return path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`), '');
}

/** The word that was probably meant, where one is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const plain = (text: string) => text.replaceAll(/[_-]/g, '').toLowerCase();
  const meant = synonyms[plain(word)];
  if (meant !== undefined && candidates.includes(meant)) return meant;
  const [best] = candidates.map((candidate) => ({ candidate, far: distance(plain(word), plain(candidate)) })).sort((one, other) => one.far - other.far);
  return best && best.far <= Math.max(1, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined;
}

type Found = { readonly place: Place | undefined; readonly message: string };

/** Words that other gateways use for the same thing. */
const synonyms: { readonly [word: string]: string | undefined } = {
  address: 'listen',
  amount: 'price',
  backend: 'upstream',
  cost: 'price',
  hostname: 'host',
  method: 'methods',
  origin: 'upstream',
  port: 'listen',
  pricesats: 'price',
  proxy: 'upstream',
  target: 'upstream',
  url: 'upstream',
};

function throwAll(file: string, found: readonly Found[]): void {
  if (found.length === 0) return;
  const order = ({ place }: Found) => (place ? place.line * 1e6 + place.column : 0);
  const sorted = [...found].sort((one, other) => order(one) - order(other));
  const mistakes = sorted.map(({ place, message }) => `${file}:${place ? `${place.line}:${place.column}:` : ''} ${message}`);
  throw new FareboxError('CONFIG_INVALID', mistakes.join('\n'), { details: { mistakes } });
}

/** Fills `${NAME}` in, in values and not in keys; `$${NAME}` stands for itself. The answer is which scalars it touched. */
function fillIn(document: Document, environment: Environment | undefined, missing: (node: Node, message: string) => void): ReadonlySet<Scalar> {
  const filled = new Set<Scalar>();
  // An alias looks for its anchor through the whole document, and a file can have many of both.
  const anchors = new Set<string | undefined>();
  visit(document, {
    Alias: (_, node) => {
      if (!anchors.has(node.source)) missing(node, `there is no anchor &${node.source.slice(0, 64)} before this`);
    },
    Collection: (_, node) => void anchors.add(node.anchor),
    Scalar: (key, node) => {
      anchors.add(node.anchor);
      if (environment === undefined || key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      filled.add(node);
      node.value = node.value.replaceAll(/(\$?)\$\{([^}]*)\}/g, (whole, escaped: string, name: string) => {
        if (escaped !== '') return whole.slice(1);
        const value = environment[name];
        if (value === undefined || value === '') missing(node, `the environment variable ${name.slice(0, 64)} is not set`);
        return value ?? '';
      });
    },
  });
  return filled;
}

/** The node at a path, through aliases; the nearest one above it where there is none. */
function nodeAt(document: Document, path: ConfigPath, part: 'key' | 'value'): Node | undefined {
  let node = document.contents as Node | undefined;
  for (const [index, key] of path.entries()) {
    const here: Node | undefined = isAlias(node) ? (node.resolve(document) as Node | undefined) : node;
    const last = index === path.length - 1;
    let next: Node | undefined;
    if (isMap(here)) {
      const pair = here.items.find((item) => isScalar(item.key) && item.key.value === key);
      next = (last && part === 'key' ? pair?.key : (pair?.value ?? pair?.key)) as Node | undefined;
    } else if (isSeq(here)) next = here.items[key as number] as Node | undefined;
    if (next === undefined) return here;
    node = next;
  }
  return node;
}

/** How many letters to add, take, change or swap. */
function distance(one: string, other: string): number {
  const rows = Array.from({ length: one.length + 1 }, (_, row) =>
    Array.from({ length: other.length + 1 }, (_, column) => (row === 0 ? column : column === 0 ? row : 0)),
  );
  const cell = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= one.length; row++) {
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      (rows[row] as number[])[column] = Math.min(
        cell(row - 1, column) + 1,
        cell(row, column - 1) + 1,
        cell(row - 1, column - 1) + (same ? 0 : 1),
        swapped ? cell(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return cell(one.length, other.length);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
