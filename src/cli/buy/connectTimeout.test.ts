/**
 * `--connect-timeout`: against a port that takes connections and never shows a certificate, so that none ever stands.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket } from '../../../test/cli/market.ts';
import { registerGet } from './get.ts';
import { registerQuote } from './quote.ts';
import { clientSending, sendingWithin, sendPlainly } from './wire.ts';

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(handle: Parameters<typeof openMarket>[0] = (_, response) => void response.end('done')): Promise<Market> {
  const market = await openMarket(handle);
  closing.push(market.close);
  return market;
}

async function silentHost(): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each([
  ['get', registerGet, []],
  ['get', registerGet, ['--dry-run', '--max', '12 sat']],
  ['quote', registerQuote, ['-v']],
] as const)('%s gives up where no connection stands in time: exit code 7, and nothing is paid', async (name, register, options) => {
  const market = await open();
  const host = await silentHost();
  const { code, error } = await market.run(register, [name, `https://${host}/a`, '--connect-timeout', '0.05', ...options]);
  expect([code, error]).toEqual([7, `REQUEST_TIMED_OUT ${host} could not be connected to within 50 ms (--connect-timeout). Nothing was paid.`]);
});

test('it is the limit that was named which ends the wait, and not the runtime’s own', async () => {
  const host = await silentHost();
  const cause = { code: 'UND_ERR_CONNECT_TIMEOUT', message: expect.stringContaining('timeout: 50ms') };
  await expect(sendingWithin(50)(`https://${host}/a`)).rejects.toMatchObject({ cause });
});

test('where a connection stands, what is sold is bought, and unpacked as without the option', async () => {
  const market = await open((_, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync('unpacked'));
  });
  const { code, out, notes } = await market.run(registerGet, ['get', `${market.url}/a`, '--connect-timeout', '30', '--compressed', '--max', '12 sat']);
  expect([code, out(), notes()]).toEqual([0, 'unpacked', expect.stringContaining('paid 10 sat, fee 1 sat')]);
});

test.each([
  ['soon', '--connect-timeout is a number of seconds, such as 30 or 2.5.'],
  ['0', '--connect-timeout is a number of seconds, such as 30 or 2.5.'],
  ['86401', '--connect-timeout is at most 86400 seconds.'],
])('%s is no such time', async (text, message) => {
  const market = await open();
  const { code, error } = await market.run(registerGet, ['get', `${market.url}/free/a`, '--connect-timeout', text]);
  expect([code, error]).toEqual([2, `usage ${message}`]);
});

test.each([{ NODE_USE_ENV_PROXY: '1' }, { NODE_OPTIONS: '--no-warnings --use-env-proxy' }])(
  'nobody is asked past the proxy of Node: %o',
  async (environment) => {
    const market = await open();
    const { code, error } = await market.run(registerGet, ['get', `${market.url}/free/a`, '--connect-timeout', '5'], { environment });
    expect([code, error]).toEqual([2, expect.stringContaining('does not go through the proxy')]);
  },
);

test('without the option requests are sent as they were', () => {
  expect(sendingWithin(undefined)).toBe(sendPlainly);
  expect(clientSending(sendPlainly, undefined)).toEqual({ fetch: sendPlainly });
});
