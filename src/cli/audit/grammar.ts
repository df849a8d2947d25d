/**
 * `WWW-Authenticate` as RFC 9110 has it and not a character more: what a strict client can read. The parser of the client is wider, since
 * shipped servers are.
 *
 *     challenge = scheme [ 1*SP ( token68 / [ parameter *( OWS "," OWS parameter ) ] ) ]      parameter = token BWS "=" BWS ( token / quoted-string )
 *
 * @see RFC 9110, sections 5.6 and 11.2 to 11.6.1
 */

/** A challenge, its parameters in order, names as they are written. */
export type StrictChallenge = { readonly scheme: string; readonly parameters: readonly (readonly [name: string, value: string])[] };

/** The challenges of a line, or what in it is against the grammar. */
export function readStrictly(line: string): readonly StrictChallenge[] | string {
  const challenges: { readonly scheme: string; readonly parameters: (readonly [string, string])[] }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(line);
    if (found) at += found[0].length;
    return found ?? undefined;
  };
  for (;;) {
    take(separators);
    if (at >= line.length) return challenges;
    const current = challenges.at(-1);
    const parameter = current && take(parameterPattern);
    if (parameter) {
      const [, name = '', bare, quoted = ''] = parameter;
      current.parameters.push([name, bare ?? quoted.replace(/\\(.)/g, '$1')]);
    } else {
      const [, scheme] = take(schemePattern) ?? [];
      if (scheme === undefined) return faultAt(line, at);
      challenges.push({ scheme, parameters: [] });
      const first = take(/ +/y) && (take(token68) ?? take(parameterPattern));
      if (first?.[1] !== undefined) challenges.at(-1)?.parameters.push([first[1], first[2] ?? (first[3] ?? '').replace(/\\(.)/g, '$1')]);
    }
    if (!take(/[ \t]*(?:,|$)/y)) return faultAt(line, at);
  }
}

function faultAt(line: string, at: number): string {
  const before = line.slice(Math.max(0, at - 12), at);
  // What stands before is a parameter's name at the worst; values are long, and may be a token.
  return `it cannot be read from character ${at + 1} on${/[A-Za-z]+=$/.test(before) ? ', a value that has to stand in double quotes' : ''}`;
}

const separators = /[ \t,]*/y;
const schemePattern = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=[ \t]*(?:,|$)| +[^ =])/y;
const token68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const parameterPattern =
  /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)")(?=[ \t]*(?:,|$))/y;
