/**
 * Answers of operations for people: names and values, and a table for each list.
 */
import { printable, type Terminal, table } from '../Terminal.ts';
import { formatAt } from '../Time.ts';

type Value = { readonly [name: string]: unknown };

/** Prints an answer; as one line of JSON where results are that. */
export function printAnswer(terminal: Terminal, value: Value): void {
  terminal.data(value);
  const { tone } = terminal;
  const { applied, target, differences, ...rest } = value;
  if (Array.isArray(differences)) {
    const done = applied === true ? tone('good', 'done') : tone('warning', differences.length === 0 ? 'nothing differs' : 'not done: a dry run');
    terminal.line(`${tone('strong', cell('target', target))}: ${done}`);
    for (const row of table(
      (differences as readonly Value[]).map(({ field, before, after }) => [
        `  ${cell('', field)}`,
        tone('bad', cell('', before)),
        '→',
        tone('good', cell('', after)),
      ]),
    ))
      terminal.line(row);
  }
  const entries = Object.entries(rest);
  const facts = entries.filter(([, one]) => !isList(one));
  for (const row of table(facts.flatMap(([name, one]) => factRows(terminal, name, one)))) terminal.line(row);
  for (const [name, one] of entries) if (isList(one)) printList(terminal, name, one);
}

function factRows({ tone }: Terminal, name: string, value: unknown): readonly (readonly string[])[] {
  if (!isGroup(value)) return [[tone('quiet', name), cell(name, value)]];
  return Object.entries(value).map(([inner, one]) => [tone('quiet', `${name}.${inner}`), cell(inner, one)]);
}

function printList(terminal: Terminal, name: string, list: readonly Value[]): void {
  const { tone } = terminal;
  if (list.length === 0) return terminal.line(tone('quiet', `no ${name}`));
  const columns = Object.keys(list[0] as Value).filter((column) => list.some((one) => one[column] !== null && !isEmpty(one[column])));
  const numbers = columns.flatMap((column, index) => (/Msat$/.test(column) || typeof list[0]?.[column] === 'number' ? [index] : []));
  const rows = list.map((one) => columns.map((column) => cell(column, one[column])));
  for (const row of table([columns.map((column) => tone('quiet', column)), ...rows], numbers)) terminal.line(row);
}

/** A value in a cell: a time as one, money as it is, what is deeper as JSON. */
function cell(name: string, value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'number' && /At$/.test(name)) return formatAt(value);
  if (typeof value === 'string') return printable(value.length > 200 ? `${value.slice(0, 199)}…` : value);
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return printable(value.join(', '));
  return printable(JSON.stringify(value));
}

function isGroup(value: unknown): value is Value {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: unknown): value is readonly Value[] {
  return Array.isArray(value) && value.every(isGroup);
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
