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
async function failureOf(cli: Fake, kind: string): Promise<unknown> {
  writeFileSync(cli.path('farebox.yaml'), `store: { ${kind}: { url: file:store.address } }\n${services}\n`);
  return cli.run('sales', '--config', cli.path('farebox.yaml')).catch((error: unknown) => error);
}

test.each(['postgres://farebox:hunter2@localhost/shop', 'redis://farebox:hunter2@localhost/0'])(
  '%s on the command line is refused, and not repeated',
  async (address) => {
    const error = await fake()
      .run('sales', '--store', address)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('--config') });
    expect(String(error)).not.toContain('hunter2');
  },
);

test.each(['postgres', 'redis'])('a file that is to hold the address of %s is not there, or holds something else', async (kind) => {
  const cli = fake();
  expect(await failureOf(cli, kind)).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('(ENOENT)') });
  writeFileSync(cli.path('store.address'), 'hunter2');
  const error = await failureOf(cli, kind);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('does not hold the address of a store') });
  expect(String(error)).not.toContain('hunter2');
});

test.each([
  ['postgres', 'postgres://farebox:hunter2@127.0.0.1:1/shop', 'at 127.0.0.1:1/shop cannot be opened'],
  ['redis', 'redis://farebox:hunter2@127.0.0.1:1/0', 'The Redis server cannot be reached (ECONNREFUSED).'],
])('a server of %s that is not there is said to be so, without who logs in there', async (kind, address, message) => {
  const cli = fake();
  writeFileSync(cli.path('store.address'), `${address}\n`);
  const error = await failureOf(cli, kind);
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(message) });
  expect(String(error)).not.toContain('hunter2');
});
