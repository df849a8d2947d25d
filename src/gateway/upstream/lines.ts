/**
 * Lines of an upstream's head, as text of one byte a character, without their line ends.
 *
 *     HTTP/1.1 200 OK          Content-Type: text/plain
 *
 * @see RFC 9112, sections 4 and 5; RFC 9110, sections 5.5 and 5.6.2
 */

/** The status; 0 where the line is none of HTTP/1. */
export function parseStatusLine(line: string): number {
  const minor = line.charCodeAt(7) - 48;
  if (!line.startsWith('HTTP/1.') || (minor !== 0 && minor !== 1) || line.charCodeAt(8) !== 32) return 0;
  const [one, two, three] = [line.charCodeAt(9) - 48, line.charCodeAt(10) - 48, line.charCodeAt(11) - 48];
  if (!(one >= 1 && one <= 9 && two >= 0 && two <= 9 && three >= 0 && three <= 9)) return 0;
  // The space before an empty reason is left out by some.
  if ((line.length > 12 && line.charCodeAt(12) !== 32) || controls.test(line)) return 0;
  return 100 * one + 10 * two + three;
}

/** Adds name and value to the lines before it. The answer is where the colon stands, which is the name's length; 0 where the line is no header. */
export function parseHeaderLine(line: string, lines: string[]): number {
  const colon = line.indexOf(':');
  if (colon <= 0) return 0;
  for (let index = 0; index < colon; index++) if (inToken[line.charCodeAt(index)] !== 1) return 0;
  if (controls.test(line)) return 0;
  let from = colon + 1;
  let to = line.length;
  while (from < to && isSpace(line.charCodeAt(from))) from++;
  while (to > from && isSpace(line.charCodeAt(to - 1))) to--;
  lines.push(line.slice(0, colon), line.slice(from, to));
  return colon;
}

/** The milliseconds of `timeout=5, max=100`; 0 where there is to be no further request, undefined where it does not say. */
export function parseKeepAlive(value: string): number | undefined {
  const most = /(?:^|[\s,])max\s*=\s*"?(\d{1,9})/i.exec(value)?.[1];
  if (most !== undefined && Number(most) === 0) return 0;
  const seconds = /(?:^|[\s,])timeout\s*=\s*"?(\d{1,9})/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** What would end a line, or be read as its end by some: a NUL, a carriage return, any control but a tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\0-\x08\x0a-\x1f\x7f]/;

function isSpace(code: number): boolean {
  return code === 32 || code === 9;
}

const inToken = Uint8Array.from({ length: 256 }, (_, code) => (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)) ? 1 : 0));
