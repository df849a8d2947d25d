/**
 * The document that admin serves of itself, held against what it answers: whatever is sent, made from the schemas or not, no answer is a fault, and each
 * is of the form that the document gives it.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { operations } from '../../src/admin/index.ts';
import { closeAll, type House, openHouse } from './harness.ts';

type Schema = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
};

type Described = {
  readonly operationId: string;
  readonly 'x-farebox-operation': string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
  readonly responses: { readonly [status: string]: { readonly $ref?: string; readonly content?: { readonly [type: string]: { readonly schema: object } } } };
};

type Document = {
  readonly openapi: string;
  readonly paths: { readonly [path: string]: { readonly [method: string]: Described } };
  readonly components: { readonly schemas: { readonly Problem: object }; readonly responses: object; readonly securitySchemes: object };
  readonly security: readonly object[];
};

const closing: (() => unknown)[] = [];
let house: House;
let document: Document;
let token: string;
beforeAll(async () => {
  house = await openHouse(closing);
  document = (await (await house.ask('/openapi.json')).json()) as Document;
  token = house.token({ expiresAt: 1_900_000_000 });
});
afterAll(() => closeAll(closing));

const described = () => Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => ({ path, method, one })));

test('every operation stands in the document, under a name of its own, and nothing else does', () => {
  expect(document.openapi).toBe('3.1.1');
  expect(described().map(({ one }) => one['x-farebox-operation'])).toEqual(operations.map(({ name }) => name));
  expect(new Set(described().map(({ one }) => one.operationId)).size).toBe(operations.length);
  for (const { one, method } of described()) {
    expect(one.requestBody === undefined).toBe(method === 'get');
    const names = (one.parameters ?? []).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});

test('every reference in it leads somewhere, and every schema in it is one', () => {
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);
  expect(refs.length).toBeGreaterThan(0);
  for (const ref of refs) {
    const found = ref.split('/').reduce<unknown>((at, key) => (at as { readonly [name: string]: unknown } | undefined)?.[key], document);
    expect([ref, typeof found]).toEqual([ref, 'object']);
  }
  for (const { one } of described()) {
    const body = one.requestBody?.content['application/json'].schema;
    for (const schema of [...(one.parameters ?? []).map((parameter) => parameter.schema), ...(body ? [body] : [])]) {
      expect(() => z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])).not.toThrow();
    }
  }
});

test('whatever is sent, no answer is a fault, and each is of the form that the document gives it', async () => {
  const call = fc.constantFrom(...described()).chain((target) => inputOf(target.one).map((input) => ({ ...target, input })));
  await fc.assert(
    fc.asyncProperty(call, async ({ path, method, one, input }) => {
      const answer = await send(path, method, input);
      const type = (answer.headers.get('content-type') ?? '').split(';', 1)[0] as string;
      // A stream of events goes on for as long as somebody listens.
      const text = type === 'text/event-stream' ? await answer.body?.cancel() : await answer.text();
      expect([one.operationId, input, answer.status, text]).not.toEqual([one.operationId, input, 500, text]);
      const response = one.responses[String(answer.status)];
      expect([one.operationId, answer.status, response !== undefined]).toEqual([one.operationId, answer.status, true]);
      if (response?.$ref !== undefined) {
        expect(type).toBe('application/problem+json');
        expect(formOf(document.components.schemas.Problem).safeParse(JSON.parse(text as string)).error).toBeUndefined();
        return;
      }
      const schema = response?.content?.[type]?.schema;
      expect([one.operationId, type, schema !== undefined]).toEqual([one.operationId, type, true]);
      if (type === 'application/json') expect([text, formOf(schema as object).safeParse(JSON.parse(text as string)).error]).toEqual([text, undefined]);
    }),
    { numRuns: 400 },
  );
  const faults = house.events.flatMap((event) => (event.kind === 'trouble' && event.what === 'admin' ? [event.error] : []));
  expect(faults).toEqual([]);
}, 60_000);

const forms = new Map<object, z.ZodType>();

function formOf(schema: object): z.ZodType {
  const form = forms.get(schema) ?? z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  forms.set(schema, form);
  return form;
}

function send(path: string, method: string, input: { readonly [name: string]: unknown }): Promise<Response> {
  const authorization = `Bearer ${token}`;
  if (method === 'post') {
    return house.ask(path, { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(input) });
  }
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(input)) query.append(name, typeof value === 'string' ? value : JSON.stringify(value));
  return house.ask(`${path}?${query}`, { headers: { authorization } });
}

/** Inputs that a schema allows, those with something wrong in them, and anything at all. */
function inputOf({ parameters = [], requestBody }: Described): fc.Arbitrary<{ readonly [name: string]: unknown }> {
  const body = requestBody?.content['application/json'].schema;
  const properties = body?.properties ?? Object.fromEntries(parameters.map(({ name, schema }) => [name, schema]));
  const required = body?.required ?? parameters.filter((one) => one.required).map(({ name }) => name);
  const fields = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, known(name) ?? madeOf(schema)]));
  const good = fc.record(fields, { requiredKeys: [...required] }) as fc.Arbitrary<{ readonly [name: string]: unknown }>;
  const names = fc.constantFrom(...Object.keys(properties), '__proto__', 'constructor', 'dryRun', 'x');
  const spoilt = fc.tuple(good, names, fc.jsonValue()).map(([input, name, value]) => Object.defineProperty({ ...input }, name, { value, enumerable: true }));
  const anything = fc.dictionary(fc.string({ maxLength: 20 }), fc.jsonValue(), { maxKeys: 4 });
  return fc.oneof({ weight: 5, arbitrary: good }, { weight: 3, arbitrary: spoilt }, { weight: 1, arbitrary: anything });
}

/** Values that lead further than made-up ones. */
function known(name: string): fc.Arbitrary<unknown> | undefined {
  if (name === 'service') return fc.constantFrom('api', 'other', 'new', 'gone');
  if (name === 'route') return fc.constantFrom('/a', '/free', 'GET,POST /b', 'other.example/a', '/gone');
  if (name === 'path') return fc.constantFrom('/a', '/new/*', '/users/{id}', 'regex:/x[0-9]+', 'bad', '/%zz');
  if (name === 'price') return fc.constantFrom('1 sat', '2500 msat', '0 sat', '1', '-1 sat', '99999999999999999999 sat');
  if (name === 'upstream') return fc.constantFrom('http://127.0.0.1:9', 'https://example.com/v2', 'ftp://x', 'x');
  // Of everything: it would end the token that asks.
  if (name === 'id') return fc.constantFrom('ef'.repeat(16), 'ab'.repeat(12));
  return undefined;
}

function madeOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.pattern) return fc.stringMatching(new RegExp(schema.pattern));
  if (schema.type === 'string') return fc.string({ minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 40, 40) });
  if (schema.type === 'integer' || schema.type === 'number')
    return fc.integer({ min: schema.minimum ?? -1000, max: Math.min(schema.maximum ?? 1000, 1_000_000_000) });
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'array') return fc.array(madeOf(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 4, 4) });
  return fc.jsonValue();
}
