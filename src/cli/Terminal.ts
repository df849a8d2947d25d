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
  /** Text in a tone, where the terminal can show it. */
  readonly tone: (tone: Tone, text: string) => string;
  /** The same terminal, with JSON as `--json` says. */
  readonly withJson: (isJson: boolean | undefined) => Terminal;
};

/** What a terminal writes to. */
export type Streams = { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream };

/** A terminal on these streams. */
export function createTerminal(streams: Streams, isJson?: boolean): Terminal {
  const { stdout, stderr } = streams;
  const isInteractive = stdout.isTTY === true;
  const json = isJson ?? !isInteractive;
  return {
    isInteractive,
    isJson: json,
    width: Math.max(40, Math.min(stdout.columns ?? 100, 120)),
    line: (text = '') => void (json || stdout.write(`${text}\n`)),
    data: (value) => void (json && stdout.write(`${toJson(value)}\n`)),
    raw: (bytes) => new Promise((resolve, reject) => stdout.write(bytes, (error) => (error ? reject(error) : resolve()))),
    note: (text) => void stderr.write(`${text}\n`),
    tone: (tone, text) => (tone === 'plain' ? text : styleText(styles[tone], text, { stream: stdout })),
    withJson: (wanted) => (wanted === undefined ? createTerminal(streams, isJson) : createTerminal(streams, wanted)),
  };
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
