/**
 * Headers that an operator has set, added and removed, on messages that are ready to go: what was there under a name that is set or removed
 * goes, in whatever spelling, and what is set or added stands at the end.
 *
 * @see RFC 9110, section 5.5
 */

/** See the head of this file. */
export type HeaderRules = {
  /** Lower-case names, with `-` for `_`. */
  readonly dropped: ReadonlySet<string>;
  /** Names and values in turn. */
  readonly lines: readonly string[];
};

/** Whether a text can be a header's value: one line, one byte a character, and no space around it. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\xa0-\xff]*$/.test(text) && text === text.trim() && text.length <= 8192;
}

/** A name as it is compared: servers that hand headers on as environment variables cannot tell `_` from `-`. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** The headers as the rules have them. @param headers - names and values in turn */
export function applyRules(headers: readonly string[], { dropped, lines }: HeaderRules): string[] {
  if (dropped.size === 0) return [...headers, ...lines];
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    if (!dropped.has(plainName(name))) kept.push(name, headers[index + 1] as string);
  }
  kept.push(...lines);
  return kept;
}
