/**
 * HTTP authentication fields, read in one pass: which schemes a `WWW-Authenticate` value offers, with their parameters.
 *
 *     challenge = scheme [ 1*SP ( token68 / [ parameter *( OWS "," OWS parameter ) ] ) ]      parameter = name BWS "=" BWS value
 *
 * Wider than the grammar where shipped servers are: values in single quotes, bare values of any visible characters (base64 ends in `=`), and
 * a space where a comma belongs between parameters. Nothing here throws: what cannot be read is said beside the challenge that it stood in.
 *
 * @see RFC 9110, sections 5.6 and 11.2 to 11.6.1
 */

/** One challenge as it stands in the field. */
export type AuthChallenge = {
  /** In lower case. */
  readonly scheme: string;
  /** What stood behind the scheme where that was no parameter. */
  readonly token68: string | undefined;
  /** In order, names in lower case, values without their quotes; a name may repeat. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  /** The first thing in it that could not be read. */
  readonly fault: string | undefined;
};

/** Reads every challenge of a field value, in order. Takes time in proportion to the value's length, whatever it holds. */
export function parseChallenges(value: string): readonly AuthChallenge[] {
  const reader: Reader = { text: value, at: 0 };
  const challenges: Draft[] = [];
  // What stands before the first scheme belongs to no challenge, and is dropped.
  let current: Draft = draft('');
  for (;;) {
    const apart = take(reader, separators) !== '' || reader.at === 0;
    if (reader.at >= value.length) return challenges;
    const word = apart ? take(reader, token) : '';
    const end = reader.at;
    if (word !== '') take(reader, space);
    const next = value[reader.at];
    if (word !== '' && next === '=') {
      reader.at++;
      readParameter(reader, current, word.toLowerCase());
    } else if (word !== '' && (reader.at > end || next === undefined || next === ',')) {
      current = draft(word.toLowerCase());
      if (reader.at > end) current.token68 = take(reader, token68) || undefined;
      if (current.token68 === undefined) reader.at = end;
      challenges.push(current);
    } else {
      current.fault ??= 'it has characters out of place';
      skip(reader);
    }
  }
}

/** The elements of a comma-separated field, without the spaces around them; commas in double quotes do not separate. Empty elements are dropped. */
export function splitList(value: string): readonly string[] {
  const elements: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === doubleQuote) quoted = !quoted;
    else if (quoted && code === backslash) at++;
    else if (!quoted && code === comma) {
      elements.push(trim(value.slice(from, at)));
      from = at + 1;
    }
  }
  elements.push(trim(value.slice(from)));
  return elements.filter((element) => element !== '');
}

/** The text without spaces and tabs at its ends (OWS), and without those alone: other white space is no part of HTTP. */
export function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

/** Whether a text can stand behind a scheme as it is: base64 in either alphabet, and opaque tokens with dots (RFC 9110, section 11.2). */
export function isToken68(text: string): boolean {
  return /^[A-Za-z0-9._~+/-]+=*$/.test(text);
}

/** Whether a character code is a space or a tab. */
export function isSpace(code: number): boolean {
  return code === 32 || code === 9;
}

const comma = 44;
const doubleQuote = 34;
const backslash = 92;

const separators = /[ \t,]*/y;
const space = /[ \t]*/y;
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]*/y;
const token68 = /(?:[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$)))?/y;
const bare = /[^ \t,"]*/y;

type Reader = { readonly text: string; at: number };

type Draft = { readonly scheme: string; token68: string | undefined; readonly parameters: (readonly [string, string])[]; fault: string | undefined };

function draft(scheme: string): Draft {
  return { scheme, token68: undefined, parameters: [], fault: undefined };
}

/** What the pattern matches here (possibly nothing), and moves behind it. */
function take(reader: Reader, pattern: RegExp): string {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text)?.[0] ?? '';
  reader.at += found.length;
  return found;
}

/** Reads what stands behind a parameter's `=`. */
function readParameter(reader: Reader, challenge: Draft, name: string): void {
  take(reader, space);
  const value = readValue(reader);
  if (value === undefined) challenge.fault ??= 'a quote in it is not closed';
  else challenge.parameters.push([name, value]);
}

function readValue(reader: Reader): string | undefined {
  const first = reader.text[reader.at];
  if (first === '"') return readQuoted(reader);
  if (first === "'") {
    const close = reader.text.indexOf("'", reader.at + 1);
    // An apostrophe is an ordinary token character too: without its twin it is one.
    if (close > 0) {
      const value = reader.text.slice(reader.at + 1, close);
      reader.at = close + 1;
      return value;
    }
  }
  return take(reader, bare);
}

/** Reads a quoted-string with its escapes; undefined, at the end of the text, where it is not closed. */
function readQuoted(reader: Reader): string | undefined {
  const { text } = reader;
  let value = '';
  let from = reader.at + 1;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === backslash) {
      value += text.slice(from, at);
      from = ++at;
    } else if (code === doubleQuote) {
      reader.at = at + 1;
      return value + text.slice(from, at);
    }
  }
  reader.at = text.length;
  return undefined;
}

/** Moves behind what cannot be read; what it has in quotes is never read as anything else. */
function skip(reader: Reader): void {
  if (reader.text[reader.at] === '"') readQuoted(reader);
  else take(reader, bare);
}
