/**
 * Changes by an operator: they hold at once and after a new start, the configuration is never rewritten, and each leaves a record.
 */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Operation, operations, operationsByName } from '../../src/admin/index.ts';
import { loadConfig } from '../../src/gateway/index.ts';
import { closeAll, type House, openHouse, yaml } from './harness.ts';

const closing: (() => unknown)[] = [];
afterEach(() => closeAll(closing));

const operation = (name: string) => operationsByName.get(name) as Operation;
const change = (house: House, name: string, input: object) => house.client().call(operation(name), input);
const account = 'cd'.repeat(32);

/** Of every operation that changes something, one call that does. */
const changes: { readonly [name: string]: object } = {
  'services.create': { service: 'third', upstream: 'http://127.0.0.1:7', path: '/*', price: '3 sat', host: 'third.example' },
  'services.change': { service: 'api', title: 'Another' },
  'services.remove': { service: 'other' },
  'routes.create': { service: 'api', path: '/new', price: '3 sat' },
  'routes.change': { route: '/a', service: 'api', price: '11 sat' },
  'routes.remove': { route: '/free' },
  'changes.drop': { service: 'api', route: '/a' },
  'tokens.revoke': { payment: account },
  'accounts.credit': { account, units: '5', reason: 'why', reference: 'r-1' },
  'access.revoke': { id: 'ef'.repeat(16) },
};

test('every operation that changes something leaves a record of it, and a dry run or a refusal before it leaves none and changes nothing', async () => {
  const house = await openHouse(closing);
  await house.store.credit({ account, source: 'first', units: 10n, expiresAt: 1_900_000_000 });
  const names = operations.filter(({ kind }) => kind === 'change').map(({ name }) => name);
  expect(Object.keys(changes).sort()).toEqual([...names].sort());
  for (const [index, [name, input]] of Object.entries(changes).entries()) {
    const list = async () =>
      ((await house.client().call(operation('audit.list'), {})) as { records: { operation: string; outcome: string; by: string }[] }).records;
    const before = await list();
    expect([name, (await change(house, name, { ...input, dryRun: true })).applied]).toEqual([name, false]);
    await expect(house.client(house.token({ scope: 'read' })).call(operation(name), input)).rejects.toMatchObject({ code: 'ADMIN_FORBIDDEN' });
    expect([name, await list()]).toEqual([name, before]);
    expect([name, (await change(house, name, input)).applied]).toEqual([name, true]);
    const [newest, ...others] = await list();
    expect(newest).toMatchObject({ operation: name, outcome: 'done', by: expect.stringMatching(/^test \(token [0-9a-f]{8}\)$/) as unknown });
    expect(others).toHaveLength(index);
  }
  expect(await house.client().call(operation('audit.verify'), {})).toMatchObject({ ok: true, anchor: 'matches', records: 2 * names.length });
  expect(house.read('farebox.yaml')).toBe(yaml);
});

test('what was changed is there after a new start, and wins over a file that was edited meanwhile', async () => {
  const house = await openHouse(closing);
  await change(house, 'routes.change', { route: '/a', service: 'api', price: '11 sat', disabled: true });
  house.write('farebox.yaml', yaml.replace('price: 10 sat', 'price: 99 sat').replace('An API', 'The API'));
  const { routes } = await loadConfig(join(house.folder, 'farebox.yaml'), { environment: {} });
  expect(routes[0]).toMatchObject({ name: '/a', disabled: true, sale: { priceMsat: 11_000n, description: 'The API - 1 request' } });
  await change(house, 'changes.drop', { service: 'api' });
  expect((await loadConfig(join(house.folder, 'farebox.yaml'), { environment: {} })).routes[0]).toMatchObject({
    disabled: false,
    sale: { priceMsat: 99_000n },
  });
});

test('a route that is switched off answers 503 and asks for nothing, and no other route takes its requests', async () => {
  const house = await openHouse(closing, yaml.replace('{ path: /free, free: true }', '{ path: "/*", free: true }'));
  const { url } = await house.gateway.listen();
  await change(house, 'routes.change', { route: '/a', service: 'api', disabled: true });
  const answer = await fetch(`${url}/a`);
  expect([answer.status, answer.headers.get('www-authenticate'), ((await answer.json()) as { code: string }).code]).toEqual([503, null, 'ROUTE_DISABLED']);
  await change(house, 'services.change', { service: 'api', disabled: true });
  expect((await fetch(`${url}/anything`)).status).toBe(503);
});

test('two who change the same at once are told; what could not be served is not written', async () => {
  const house = await openHouse(closing);
  const set = async (price: string) =>
    house.changing.foresee(await house.changing.look(), () => ({ services: { api: { routes: { '/a': { set: { price } } } } } }));
  const [one, other] = [await set('2 sat'), await set('3 sat')];
  await one.apply();
  await expect(other.apply()).rejects.toMatchObject({ code: 'ADMIN_CHANGE_CONFLICT' });
  expect(house.read('farebox.changes.yaml')).toContain('price: 2 sat');
  await expect(change(house, 'routes.change', { route: '/a', service: 'api', payee: 'nobody' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(house.read('farebox.changes.yaml')).not.toContain('nobody');
});

test('what is applied is what was looked at: a file that was edited before the differences were found is told as well', async () => {
  const house = await openHouse(closing);
  const looked = await house.changing.look();
  house.write('farebox.yaml', yaml.replace('price: 10 sat', 'price: 99 sat'));
  const { apply, value } = await house.changing.foresee(looked, () => ({ services: { api: { routes: { '/a': { set: { title: 'x' } } } } } }));
  expect(JSON.stringify(value)).not.toContain('99 sat');
  await expect(apply()).rejects.toMatchObject({ code: 'ADMIN_CHANGE_CONFLICT' });
  expect(() => house.read('farebox.changes.yaml')).toThrow();
});

test('who may set a title reads no secret of the machine with it', async () => {
  const house = await openHouse(closing);
  const { route } = await change(house, 'routes.change', { route: '/a', service: 'api', title: '$\u007bPATH}' });
  expect((route as { readonly description: string }).description).toBe('$\u007bPATH} - 1 request');
});
