/**
 * Puts a table into a TOML file, and takes it out again, without touching anything else. What could hide a table (texts of several lines, tables in
 * one line) is not understood, and such a file is not written.
 */

/** What a table holds: texts, lists of texts, and tables of texts. */
type Table = { readonly [name: string]: string | readonly string[] | { readonly [name: string]: string } };

/** The text with the table `[key.name]`; `table` undefined takes it out. Undefined: the file is not understood. */
export function withTable(text: string, key: string, name: string, table: Table | undefined): string | undefined {
  if (/"""|'''/.test(text) || new RegExp(`^\\s*"?${key}"?\\s*[.=]`, 'm').test(text)) return undefined;
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.split(/\r?\n/);
  const isOurs = new RegExp(`^\\s*\\[\\s*"?${key}"?\\s*\\.\\s*(?:"${name}"|'${name}'|${name})\\s*[.\\]]`);
  let inside = false;
  const others = lines.filter((line) => {
    if (/^\s*\[/.test(line)) inside = isOurs.test(line);
    return !inside;
  });
  const rest = others.join(end).replace(/\s+$/, '');
  const kept = rest === '' ? '' : `${rest}${end}`;
  if (table === undefined) return others.length === lines.length ? text : kept;
  const flat = Object.entries(table).filter(([, value]) => typeof value === 'string' || Array.isArray(value));
  const below = Object.entries(table).filter(([, value]) => typeof value === 'object' && !Array.isArray(value));
  const written = [
    `[${key}.${name}]`,
    ...flat.map(([field, value]) => `${field} = ${JSON.stringify(value)}`),
    ...below.flatMap(([field, value]) => ['', `[${key}.${name}.${field}]`, ...Object.entries(value).map(([one, said]) => `${one} = ${JSON.stringify(said)}`)]),
  ];
  return `${kept}${kept === '' ? '' : end}${written.join(end)}${end}`;
}
