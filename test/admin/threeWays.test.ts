/**
 * Every operation, called over HTTP, by the command line and by the tools of an agent: the answer is the same, or the refusal is.
 */
import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { afterAll, afterEach, expect, test } from 'vitest';
import { createAdminClient, type Operation, operations, operationsByName } from '../../src/admin/index.ts';
import { registerAdmin } from '../../src/cli/admin.ts';
import { registerMcpAdmin } from '../../src/cli/mcp/admin.ts';
import { FareboxError } from '../../src/core/Errors.ts';
import { createFake } from '../cli/fakeContext.ts';
import { closeAll, type House, openHouse } from './harness.ts';

const closing: (() => unknown)[] = [];
afterEach(() => closeAll(closing));

const account = 'ab'.repeat(32);
const input = { dryRun: true };

/** An operation, and what it is called with; every one at least once. */
const cases: readonly (readonly [name: string, input: { readonly [name: string]: unknown }])[] = [
  ['health.show', {}],
  ['config.show', {}],
  ['services.list', {}],
  ['services.create', { service: 'third', upstream: 'http://127.0.0.1:7', path: '/*', methods: ['GET', 'POST'], price: '3 sat' }],
  ['services.create', { service: 'api', upstream: 'http://127.0.0.1:7', path: '/*', price: '3 sat' }],
  ['services.change', { service: 'api', title: 'Another title', verify: 'settled' }],
  ['services.change', { service: 'nobody', title: 'x' }],
  ['services.remove', { service: 'other' }],
  ['routes.list', {}],
  ['routes.list', { service: 'other' }],
  ['routes.create', { service: 'api', path: '/new', price: '7 sat', disabled: false }],
  ['routes.create', { service: 'api', path: '/a', price: '7 sat' }],
  ['routes.change', { route: '/a', price: '30 sat', title: 'Dearer, and "better"', clear: ['description'] }],
  ['routes.change', { route: '/a', service: 'api', disabled: true, ...input }],
  ['routes.change', { route: '/a', service: 'api', price: 'nothing' }],
  ['routes.change', { route: '/a', service: 'api', weight: 3 }],
  ['routes.change', { route: '/free', price: '2 sat' }],
  ['routes.remove', { route: 'GET,POST /b' }],
  ['changes.list', {}],
  ['changes.drop', { service: 'api' }],
  ['tokens.inspect', { token: 'AgEEbHNhdAJC' }],
  ['tokens.tree', { payment: account }],
  ['tokens.tree', {}],
  ['tokens.revoke', { tokenId: account }],
  ['tokens.revoke', { tokenId: account, payment: account }],
  ['tokens.revoked', { limit: 5 }],
  ['accounts.list', {}],
  ['accounts.show', { account }],
  ['accounts.show', { account: 'short' }],
  ['accounts.credit', { account: 'cd'.repeat(32), units: '250', reason: 'it failed', reference: 'ticket-1' }],
  ['payments.list', {}],
  ['payments.list', { limit: 5, state: 'none such' }],
  ['payments.show', { paymentHash: account }],
  ['statistics.show', { step: 'day', fromAt: 1_799_900_000, toAt: 1_800_000_000 }],
  ['payments.list', { state: 'earned', limit: 5 }],
  ['payments.list', { paymentHash: 'xyz' }],
  ['statistics.show', { fromAt: 1_800_000_000, toAt: 1_800_010_000, step: 'minutes' }],
  ['statistics.show', { fromAt: 1_800_000_000, toAt: 1_700_000_000 }],
  ['measures.show', {}],
  ['lightning.show', {}],
  ['audit.list', { limit: 10 }],
  ['audit.verify', {}],
  ['access.show', {}],
  ['access.revoke', { id: 'ef'.repeat(16) }],
];

/** What came of it: the answer, or the refusal. */
type Result = { readonly value: unknown } | { readonly code: string; readonly message: string };

/** A house with a balance, and a change that was made before. */
type Opened = { readonly house: House; readonly token: string; readonly url: string };

async function openSame(closes = closing): Promise<Opened> {
  const house = await openHouse(closes);
  const token = house.token();
  await house.store.credit({ account: 'cd'.repeat(32), source: 'first', units: 1000n, expiresAt: 1_900_000_000 });
  await house.client(token).call(operation('routes.change'), { route: 'other.example/a', price: '2 sat' });
  const { listener } = house.admin;
  const { port } = await listener.listen('127.0.0.1', 0);
  closes.push(() => listener.close(0));
  return { house, token, url: `http://127.0.0.1:${port}` };
}

/** What changes nothing is asked of one house; each other call, and what counts calls, of one of its own. */
const closingShared: (() => unknown)[] = [];
let shared: Promise<Opened> | undefined;
afterAll(() => closeAll(closingShared));

function opened(name: string): Promise<Opened> {
  if (operation(name).kind === 'change' || name === 'measures.show') return openSame();
  shared ??= openSame(closingShared);
  return shared;
}

function operation(name: string): Operation {
  return operationsByName.get(name) as Operation;
}

async function overHttp(name: string, given: object): Promise<Result> {
  const { house, token, url } = await opened(name);
  const client = createAdminClient({ url, token });
  await client.call(operation('access.show'), {});
  return plain(house, async () => client.call(operation(name), given));
}

async function byCommandLine(name: string, given: object): Promise<Result> {
  const { house, token, url } = await opened(name);
  // As the command of an agent asks first, and the store's calls are counted.
  await createAdminClient({ url, token }).call(operation('access.show'), {});
  const fake = createFake(registerAdmin, { interactive: false, environment: { FAREBOX_ADMIN_TOKEN: token } });
  closing.push(fake.remove);
  const flags = Object.entries(given).flatMap(([field, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((one) => [`--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(one)]),
  );
  return plain(house, async () => {
    await fake.run('admin', ...name.split('.'), ...flags, '--url', url);
    return fake.json()[0];
  });
}

async function byAgent(name: string, given: object): Promise<Result> {
  const { house, token, url } = await opened(name);
  const [toServer, toHost] = [new PassThrough(), new PassThrough()];
  const fake = createFake((program, context) => registerMcpAdmin(program, context, { input: toServer, output: toHost }), {
    environment: { FAREBOX_ADMIN_TOKEN: token },
  });
  closing.push(fake.remove);
  const ended = fake.run('admin', '--url', url);
  const agent = new Client({ name: 'agent', version: '1' });
  await Promise.race([agent.connect(new StdioServerTransport(toHost, toServer)), ended]);
  // The client holds each answer against the schema of its tool.
  await agent.listTools();
  const answer = await agent.callTool({ name: name.replace('.', '_'), arguments: { ...given } });
  toServer.end();
  await ended;
  return plain(house, async () => {
    if (answer.isError !== true) return answer.structuredContent;
    const [{ text }] = answer.content as [{ readonly text: string }];
    const [, code = '', message = ''] = /^([A-Z_]+): (.*)$/s.exec(text) ?? [];
    throw new FareboxError(code as 'ADMIN_FORBIDDEN', message);
  });
}

/** Without what is another one each time: the folder, and how long things took, of which each way asks more or less. */
async function plain({ folder }: House, act: () => Promise<unknown>): Promise<Result> {
  try {
    const text = JSON.stringify(await act(), (name, value: unknown) => (name === 'latency' ? '<latency>' : value));
    return { value: JSON.parse(text.replaceAll(folder, '<folder>')) as unknown };
  } catch (error) {
    if (!FareboxError.is(error)) throw error;
    return { code: error.code, message: error.message.replaceAll(folder, '<folder>') };
  }
}

test.each(cases)('%s %j is the same over HTTP, by the command line and by an agent', async (name, given) => {
  const answered = await overHttp(name, given);
  expect(await byCommandLine(name, given)).toEqual(answered);
  expect(await byAgent(name, given)).toEqual(answered);
});

test('every operation is called, and of every one that changes something an answer and a refusal are seen or it cannot be refused', () => {
  const whole = operations.filter(({ kind }) => kind !== 'stream').map(({ name }) => name);
  expect([...new Set(cases.map(([name]) => name))].sort()).toEqual([...whole].sort());
});
