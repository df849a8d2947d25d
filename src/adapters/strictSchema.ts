/**
 * Schemas for models that are held to them: every property is required, and what may be left out may be null instead.
 *
 * @see OpenAI, Structured Outputs, "Supported schemas"
 */
import type { JsonSchema } from '../client/tools.ts';

/** A schema in strict form, and what turns such an input back. */
export type StrictSchema = { readonly schema: JsonSchema; readonly withoutNulls: (input: unknown) => unknown };

/** The strict form of a schema, or undefined where it has none: where it leaves properties open, or says what such models do not know. */
export function strictOf(schema: JsonSchema): StrictSchema | undefined {
  const strict = strictValue(schema);
  return strict && { schema: strict, withoutNulls: (input) => withoutNulls(schema, input) };
}

const kept = new Set(['type', 'description', 'enum', 'pattern', 'minimum', 'maximum', 'maxItems', 'minItems']);
/** Checked all the same when the tool is called. */
const dropped = new Set(['maxLength', 'minLength', '$schema', 'title', 'additionalProperties', 'required', 'properties', 'items', 'default']);

function strictValue(schema: unknown): JsonSchema | undefined {
  if (!isObject(schema) || typeof schema.type !== 'string' || !Object.keys(schema).every((key) => kept.has(key) || dropped.has(key))) return undefined;
  const plain = Object.fromEntries(Object.entries(schema).filter(([key]) => kept.has(key)));
  if (schema.type === 'array') {
    const items = strictValue(schema.items);
    return items && { ...plain, items };
  }
  if (schema.type !== 'object') return plain;
  if (schema.additionalProperties !== false) return undefined;
  const properties: [string, JsonSchema][] = [];
  for (const [name, value] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
    const strict = strictValue(value);
    if (!strict) return undefined;
    properties.push([name, isRequired(schema, name) ? strict : orNull(strict)]);
  }
  return { ...plain, properties: Object.fromEntries(properties), required: properties.map(([name]) => name), additionalProperties: false };
}

function orNull(schema: JsonSchema): JsonSchema {
  return { ...schema, type: [schema.type, 'null'], ...(Array.isArray(schema.enum) && { enum: [...schema.enum, null] }) };
}

function withoutNulls(schema: unknown, value: unknown): unknown {
  if (!isObject(schema)) return value;
  if (Array.isArray(value)) return value.map((item) => withoutNulls(schema.items, item));
  if (!isObject(value) || !isObject(schema.properties)) return value;
  const { properties } = schema;
  const present = Object.entries(value).filter(([name, one]) => one !== null || isRequired(schema, name));
  return Object.fromEntries(present.map(([name, one]) => [name, withoutNulls(Object.hasOwn(properties, name) ? properties[name] : undefined, one)]));
}

function isRequired({ required }: { readonly [keyword: string]: unknown }, name: string): boolean {
  return Array.isArray(required) && required.includes(name);
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
