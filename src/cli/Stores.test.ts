import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { registerSales } from './sales.ts';

const fakes: Fake[] = [];
const fake = () => {
  const made = createFake(registerSales);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

const services = 'services: [{ name: a, upstream: "http://localhost:3000", routes: [{ path: /*, price: 10 sat }] }]';

/** What a command says of a store whose address is to stand in that file. */
async function failureOf(cli: Fake): Promise<unknown> {
  writeFileSync(cli.path('farebox.yaml'), `store: { postgres: { url: file:store.address } }\n${services}\n`);
  return cli.run('sales', '--config', cli.path('farebox.yaml')).catch((error: unknown) => error);
}

test('an address on the command line is refused, and not repeated', async () => {
  const error = await fake()
    .run('sales', '--store', 'postgres://farebox:hunter2@localhost/shop')
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('--config') });
  expect(String(error)).not.toContain('hunter2');
});

test('a file that is to hold the address is not there, or holds something else', async () => {
  const cli = fake();
  expect(await failureOf(cli)).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('(ENOENT)') });
  writeFileSync(cli.path('store.address'), 'hunter2');
  const error = await failureOf(cli);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('does not hold the address of a store') });
  expect(String(error)).not.toContain('hunter2');
});

test('a server that is not there is said to be so, by its place alone', async () => {
  const cli = fake();
  writeFileSync(cli.path('store.address'), 'postgres://farebox:hunter2@127.0.0.1:1/shop\n');
  const error = await failureOf(cli);
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('at 127.0.0.1:1/shop cannot be opened') });
  expect(String(error)).not.toContain('hunter2');
});
