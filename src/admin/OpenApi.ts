/**
 * The document that describes admin, made of the table of operations.
 *
 * @see OpenAPI 3.1.1; JSON Schema 2020-12
 */
import { z } from 'zod';
import { methodOf, type Operation, pathOf } from './Operation.ts';

/** OpenAPI 3.1, as plain data. */
export function createDocument(operations: readonly Operation[]): { readonly [name: string]: unknown } {
  const paths: { [path: string]: unknown } = {};
  for (const operation of operations) paths[pathOf(operation)] = { [methodOf(operation).toLowerCase()]: describe(operation) };
  return {
    openapi: '3.1.1',
    info: {
      title: 'Farebox admin',
      version: '1',
      description: 'What an operator of a gateway may see and change. Money is in millisatoshis as decimal text, times are Unix seconds.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { session: [], sessionProof: [] }],
    tags: [...new Set(operations.map(({ name }) => nounOf(name)))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'macaroon', description: 'Made with `farebox admin token`.' },
        session: { type: 'apiKey', in: 'cookie', name: 'farebox_admin' },
        sessionProof: { type: 'apiKey', in: 'header', name: 'X-Farebox-Session' },
      },
      schemas: { Problem: problem },
      responses: { Problem: { description: 'It was refused.', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } } },
    },
  };
}

/** A schema as JSON Schema. `io`: as it is sent, or as it is answered. */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output'): { readonly [name: string]: unknown } {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' }) as { readonly [name: string]: unknown };
  return rest;
}

/** RFC 9457, with a code of ours. */
const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'Stable; see docs/errors.md.' },
  },
} as const;

function nounOf(name: string): string {
  return name.split('.', 1)[0] as string;
}

function describe(operation: Operation): object {
  const { name, summary, description, scope, input } = operation;
  return {
    operationId: name.replace('.', '_'),
    tags: [nounOf(name)],
    summary,
    ...(description !== '' && { description }),
    'x-farebox-operation': name,
    'x-farebox-scope': scope,
    ...(methodOf(operation) === 'GET' ? { parameters: parametersOf(input) } : { requestBody: bodyOf(input) }),
    responses: { 200: { description: summary, content: contentOf(operation) }, ...refusals },
  };
}

function parametersOf(input: z.ZodObject): readonly object[] {
  const { properties = {}, required = [] } = schemaOf(input, 'input') as { properties?: { [name: string]: { description?: string } }; required?: string[] };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema,
  }));
}

function bodyOf(input: z.ZodObject): object {
  return { required: true, content: { 'application/json': { schema: schemaOf(input.strict(), 'input') } } };
}

function contentOf(operation: Operation): object {
  const schema = schemaOf(operation.output, 'output');
  if (operation.kind !== 'stream') return { 'application/json': { schema } };
  if (operation.form === 'events') return { 'text/event-stream': { schema: { type: 'string' }, 'x-farebox-item': schema } };
  return { 'application/x-ndjson': { schema: { type: 'string' }, 'x-farebox-item': schema }, 'text/csv': { schema: { type: 'string' } } };
}

const refused = { $ref: '#/components/responses/Problem' };
const refusals = Object.fromEntries(['400', '401', '403', '404', '409', '413', '422', '429', '503'].map((status) => [status, refused]));
