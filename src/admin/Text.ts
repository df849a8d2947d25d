/**
 * Input that comes as text, from a query or from flags, as its schema says: numbers, `true` and `false`, lists as repeated or comma-separated values, an
 * object as JSON. What does not fit is left as it is, and the schema says what is wrong with it.
 */
import { z } from 'zod';

/** What a field of an input is, as far as text has to know. */
export type FieldKind = 'text' | 'number' | 'boolean' | 'list' | 'json';

/** The value of an input. @param texts - the values of each name, in order */
export function fromTexts(input: z.ZodObject, texts: ReadonlyMap<string, readonly string[]>): { readonly [name: string]: unknown } {
  const found: { [name: string]: unknown } = {};
  for (const [name, values] of texts) {
    const field = Object.hasOwn(input.shape, name) ? (input.shape[name] as z.ZodType) : undefined;
    const kind = field === undefined ? 'text' : kindOf(field);
    // Own and enumerable, whatever it is called.
    Object.defineProperty(found, name, { value: readAs(kind, values), enumerable: true, configurable: true, writable: true });
  }
  return found;
}

/** What a field takes. */
export function kindOf(field: z.ZodType): FieldKind {
  const inner = innermost(field);
  if (inner instanceof z.ZodNumber) return 'number';
  if (inner instanceof z.ZodBoolean) return 'boolean';
  if (inner instanceof z.ZodArray) return innermost(inner.element as z.ZodType) instanceof z.ZodObject ? 'json' : 'list';
  return inner instanceof z.ZodObject || inner instanceof z.ZodRecord ? 'json' : 'text';
}

/** The schema inside what makes it optional, nullable or gives it a default. */
export function innermost(field: z.ZodType): z.ZodType {
  return field instanceof z.ZodOptional || field instanceof z.ZodNullable || field instanceof z.ZodDefault ? innermost(field.unwrap() as z.ZodType) : field;
}

function readAs(kind: FieldKind, values: readonly string[]): unknown {
  if (kind === 'list') return values.flatMap((value) => value.split(',')).map((value) => value.trim());
  // Two values for one thing are one too many: the schema refuses a list there.
  const [value = ''] = values;
  if (values.length !== 1) return values;
  if (kind === 'number') return /^-?\d{1,15}(?:\.\d{1,6})?$/.test(value) ? Number(value) : value;
  if (kind === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  if (kind === 'json') return parsed(value);
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
