/**
 * The flags of an operation, from the schema of its input.
 */
import { type Command, Option } from 'commander';
import type { Operation } from '../../admin/Operation.ts';
import { type FieldKind, fromTexts, innermost, kindOf } from '../../admin/Text.ts';
import type { CliContext } from '../Context.ts';

type Field = Parameters<typeof kindOf>[0];

/** Adds a flag for each field. */
export function addFlags(command: Command, operation: Operation): void {
  for (const [name, field] of fieldsOf(operation)) {
    const kind = kindOf(field);
    const flag = `--${flagOf(name)}`;
    const isSecret = operation.kind !== 'stream' && operation.secrets.includes(name);
    const help = `${descriptionOf(field)}${kind === 'list' ? ' May repeat.' : ''}${isSecret ? ' "-" is standard input.' : ''}`.trim();
    const option = new Option(kind === 'boolean' ? `${flag} [true|false]` : `${flag} ${placeholders[kind]}`, help);
    if (kind === 'list') option.argParser((text: string, all: readonly string[] = []) => [...all, text]);
    if (!field.safeParse(undefined).success) option.makeOptionMandatory();
    command.addOption(option);
  }
}

/** The input that flags say. A secret that is `-` is read from standard input. */
export async function inputOf(context: CliContext, operation: Operation, options: { readonly [name: string]: unknown }): Promise<object> {
  const texts = new Map<string, readonly string[]>();
  for (const [name] of fieldsOf(operation)) {
    const value = options[name];
    if (value === undefined) continue;
    const isPiped = value === '-' && operation.kind !== 'stream' && operation.secrets.includes(name);
    if (isPiped) texts.set(name, [new TextDecoder().decode(await context.readInput()).trim()]);
    else texts.set(name, Array.isArray(value) ? value.map(String) : [String(value)]);
  }
  return fromTexts(operation.input, texts);
}

/** `exactMsat` is `--exact-msat`. */
export function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function fieldsOf({ input }: Operation): readonly (readonly [string, Field])[] {
  return Object.entries(input.shape) as unknown as readonly (readonly [string, Field])[];
}

const placeholders: { readonly [kind in FieldKind]: string } = { text: '<text>', number: '<number>', boolean: '[true|false]', list: '<value>', json: '<json>' };

function descriptionOf(field: Field): string {
  return field.description ?? innermost(field).description ?? '';
}
