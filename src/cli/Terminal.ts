/**
 * The one way to print: people get words and colour on a terminal, programs get JSON when standard output is piped or `--json` is given.
 * Results go to standard output, everything said about them to standard error.
 */
import { stripVTControlCharacters, styleText } from 'node:util';

/** A colour or weight, by what it means. */
export type Tone = 'plain' | 'strong' | 'quiet' | 'good' | 'bad' | 'warning' | 'wire' | 'money';

/** Where a command prints. */
export type Terminal = {
  /** Whether standard output is a terminal that a person reads. */
  readonly isInteractive: boolean;
  /** Whether results are JSON. */
  readonly isJson: boolean;
  /** Whether standard error is a terminal, on which lines can be drawn anew. */
  readonly isWatched: boolean;
  /** Columns to write in. */
  readonly width: number;
  /** A line of a result for people; nothing where results are JSON. */
  readonly line: (text?: string) => void;
  /** A result as one line of JSON; nothing where results are for people. bigints become decimal strings. */
  readonly data: (value: unknown) => void;
  /** Bytes of a result as they are, to standard output. */
  readonly raw: (bytes: Uint8Array) => Promise<void>;
  /** A line about what is happening, to standard error. */
  readonly note: (text: string) => void;
  /** Lines that stand below everything on standard error and are drawn anew by the next call, none takes them away; nothing where it is not watched. */
  readonly live: (lines: readonly string[]) => void;
  /** Asks a person something: the lines are out of the way for so long. */
  readonly whileAsking: <T>(ask: () => Promise<T>) => Promise<T>;
  /** Text in a tone, where the terminal can show it. */
  readonly tone: (tone: Tone, text: string) => string;
  /** The same terminal, with JSON as `--json` says. */
  readonly withJson: (isJson: boolean | undefined) => Terminal;
};

/** What a terminal writes to. */
export type Streams = { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream };

/** A terminal on these streams. */
export function createTerminal(streams: Streams, isJson?: boolean): Terminal {
  return terminalOn(streams, liveLines(streams.stderr), isJson);
}

function terminalOn(streams: Streams, live: LiveLines, isJson?: boolean): Terminal {
  const { stdout, stderr } = streams;
  const isInteractive = stdout.isTTY === true;
  const json = isJson ?? !isInteractive;
  const colored = { stdout: showsColor(stdout), stderr: showsColor(stderr) };
  // A tone is written where either can show it, and taken out of what goes to the one that cannot.
  const suited = (text: string, stream: 'stdout' | 'stderr') => (colored[stream] ? text : stripVTControlCharacters(text));
  const print = (text: string) => live.aside(() => void stdout.write(text));
  return {
    isInteractive,
    isJson: json,
    isWatched: stderr.isTTY === true,
    width: Math.max(40, Math.min(stdout.columns || stderr.columns || 100, 120)),
    line: (text = '') => void (json || print(`${suited(text, 'stdout')}\n`)),
    data: (value) => void (json && print(`${toJson(value)}\n`)),
    raw: (bytes) => new Promise((resolve, reject) => live.aside(() => stdout.write(bytes, (error) => (error ? reject(error) : resolve())), isInteractive)),
    note: (text) => live.aside(() => void stderr.write(`${suited(text, 'stderr')}\n`)),
    whileAsking: (ask) => live.whileAsking(ask),
    live: (lines) => live.draw(lines.map((line) => suited(line, 'stderr'))),
    tone: (tone, text) =>
      tone === 'plain' || text === '' || !(colored.stdout || colored.stderr) ? text : styleText(styles[tone], text, { validateStream: false }),
    withJson: (wanted) => terminalOn(streams, live, wanted ?? isJson),
  };
}

/** Lines that are drawn anew. */
type LiveLines = {
  readonly draw: (lines: readonly string[]) => void;
  readonly whileAsking: <T>(ask: () => Promise<T>) => Promise<T>;
  /** Writes something else: the lines are out of the way meanwhile. `isSeen`: whether it goes to the same terminal. */
  readonly aside: (write: () => void, isSeen?: boolean) => void;
};

function liveLines(stderr: NodeJS.WriteStream): LiveLines {
  let shown: readonly string[] = [];
  let questions = 0;
  const clear = () => {
    // To the first of the lines, and away with everything from there on.
    if (shown.length > 0) stderr.write(`\u001b[${shown.length}A\r\u001b[0J`);
  };
  const show = () => {
    if (shown.length > 0) stderr.write(`${shown.join('\n')}\n`);
  };
  return {
    draw: (lines) => {
      if (stderr.isTTY !== true || questions > 0) return;
      // A line that is wider than the terminal would be two, and stay.
      const next = lines.map((line) => cut(line, (stderr.columns || 80) - 1));
      if (next.length === shown.length && next.every((line, index) => line === shown[index])) return;
      clear();
      shown = next;
      show();
    },
    whileAsking: async (ask) => {
      clear();
      shown = [];
      questions++;
      try {
        return await ask();
      } finally {
        questions--;
      }
    },
    aside: (write, isSeen = true) => {
      if (!isSeen) return write();
      clear();
      write();
      show();
    },
  };
}

function cut(line: string, width: number): string {
  return widthOf(line) <= width ? line : `${stripVTControlCharacters(line).slice(0, Math.max(0, width - 1))}…`;
}

function showsColor(stream: NodeJS.WriteStream): boolean {
  const forced = process.env.FORCE_COLOR;
  if (forced !== undefined) return !['0', 'false'].includes(forced);
  // Heeds NO_COLOR and what the terminal says of itself.
  return stream.isTTY === true && stream.getColorDepth() > 2;
}

/** JSON with bigints as decimal strings; what could steer a terminal is escaped. */
export function toJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item), indent);
  // JSON escapes control characters below U+0020 by itself.
  return json.replace(/[\u{7f}-\u{9f}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}

/** Rows in columns, each as wide as its widest cell (tones take no room); numbers to the right. */
export function table(rows: readonly (readonly string[])[], rightColumns: readonly number[] = []): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const room = ' '.repeat((widths[column] ?? 0) - widthOf(cell));
        return rightColumns.includes(column) ? room + cell : cell + room;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Text of a stranger's, such as a caveat, fit to be shown: whatever could steer a terminal or turn the line around is escaped. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

const styles: { readonly [tone in Exclude<Tone, 'plain'>]: Parameters<typeof styleText>[0] } = {
  strong: 'bold',
  quiet: 'dim',
  good: 'green',
  bad: 'red',
  warning: 'yellow',
  wire: 'cyan',
  money: ['bold', 'yellow'],
};
