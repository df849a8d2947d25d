/**
 * What a model hands a tool, checked by the very schema that the model was shown: the few keywords of JSON Schema that the tools use.
 *
 * @see JSON Schema 2020-12
 */
import { FareboxError } from '../../core/Errors.ts';
import type { JsonSchema } from './AgentTool.ts';

/** A schema of one value, in the keywords that are checked here. */
export type ValueSchema = JsonSchema & {
  readonly type: 'string' | 'integer' | 'array' | 'object';
  readonly description?: string;
  /** Of texts. */
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly maxLength?: number;
  /** Of whole numbers. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** Of lists. */
  readonly items?: ValueSchema;
  readonly maxItems?: number;
  /** Of objects; nothing else may stand in them. */
  readonly properties?: { readonly [name: string]: ValueSchema };
  readonly required?: readonly string[];
};

/** The schema of an object with these properties and no others. */
export function objectOf(properties: { readonly [name: string]: ValueSchema }, required: readonly string[] = []): ValueSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

/**
 * Checks what a model has handed over. Where a property need not be there, null is as good as nothing: some frameworks write all of them.
 * @throws INPUT_MALFORMED – it is not what the schema says; the message names the place
 */
export function readInput<T>(schema: ValueSchema, input: unknown): T {
  const given = withoutNulls(schema, input ?? {});
  const fault = faultIn(schema, given, '');
  if (fault !== undefined) throw malformed(fault);
  return given as T;
}

function withoutNulls({ required = [] }: ValueSchema, input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([name, value]) => value !== null || required.includes(name)));
}

/** What is wrong with an input, for the model that made it. */
export function malformed(fault: string): FareboxError {
  return new FareboxError(
    'INPUT_MALFORMED',
    `The input of this tool is wrong: ${fault}. Nothing was sent and nothing was paid. Call it again as its schema says.`,
  );
}

function faultIn(schema: ValueSchema, value: unknown, at: string): string | undefined {
  const name = at === '' ? 'the input' : at;
  switch (schema.type) {
    case 'string':
      return faultInText(schema, value, name);
    case 'integer': {
      const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema;
      const isIn = Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum;
      return isIn ? undefined : `${name} is a whole number from ${minimum} to ${maximum}`;
    }
    case 'array': {
      if (!Array.isArray(value)) return `${name} is a list`;
      if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) return `${name} has more than ${schema.maxItems} items`;
      return first(value, (item, index) => schema.items && faultIn(schema.items, item, `${at}[${index}]`));
    }
    case 'object':
      return faultInObject(schema, value, at, name);
  }
}

function faultInText({ enum: words, pattern, maxLength = 8192 }: ValueSchema, value: unknown, name: string): string | undefined {
  if (typeof value !== 'string') return `${name} is a text`;
  if (words && !words.includes(value)) return `${name} is one of ${words.join(', ')}`;
  if (value.length > maxLength) return `${name} is longer than ${maxLength} characters`;
  return pattern === undefined || new RegExp(pattern, 'u').test(value) ? undefined : `${name} is not of the form ${pattern}`;
}

function faultInObject({ properties = {}, required = [] }: ValueSchema, value: unknown, at: string, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${name} is an object`;
  const inside = (key: string) => (at === '' ? key : `${at}.${key}`);
  const missing = required.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) return `${inside(missing)} is missing`;
  return first(Object.entries(value), ([key, one]) => {
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    // What the model has written is not repeated: it may be anybody's words.
    return known ? faultIn(known, one, inside(key)) : `${name} has a property that is none of ${Object.keys(properties).join(', ') || '(none)'}`;
  });
}

function first<T>(items: readonly T[], find: (item: T, index: number) => string | undefined): string | undefined {
  for (const [index, item] of items.entries()) {
    const found = find(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}
