/**
 * A gateway whose configuration changes while it runs, as an operator changes it: by SIGHUP and by saving the file, in one process and in two.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openDesk, type Running } from './processes.ts';

/** Processes on two cores that others work on, too. */
const startsSlowlyMs = 120_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An upstream that streams for as long as it is not told to end. */
async function startUpstream() {
  let finish = () => {};
  const server = createServer((request, response) => {
    if (request.url !== '/stream') return response.end('ok');
    response.write('first ');
    finish = () => response.end('last');
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, finish: () => finish() };
}

/** A gateway on a file that a test writes. */
async function open(workers: number) {
  const upstream = await startUpstream();
  const desk = openDesk();
  ends.push(desk.close);
  const file = join(desk.folder, 'farebox.yaml');
  const write = (price: string, more = '', route = '') =>
    writeFileSync(
      file,
      `listen: 127.0.0.1:0
workers: ${workers}
store: shop.db
logs: { access: access.log }
health: { listen: "127.0.0.1:0" }
${more}services:
  - name: api
    upstream: "${upstream.url}"
    routes: [{ path: /a, price: ${price} }, { path: /stream, free: true }${route}]
`,
    );
  write('1 sat');
  const gateway = desk.start('serve', '--config', file);
  const { url, healthUrl } = await gateway.says(({ kind }) => kind === 'listening');
  const price = async () => ((await (await fetch(`${url}/a`)).json()) as { readonly amount: number }).amount;
  const reloaded = (wanted: object) =>
    gateway.says(
      (line) =>
        line.kind === 'reloaded' &&
        Object.entries(wanted).every(([key, value]) => (value instanceof RegExp ? value.test(String(line[key])) : line[key] === value)),
    );
  return { upstream, desk, write, gateway, url: String(url), healthUrl: String(healthUrl), price, reloaded };
}

const hangUp = ({ child }: Running) => process.kill(Number(child.pid), 'SIGHUP');

test.each([1, 2])('in %i process(es): all of it or nothing, under a stream that goes on', { timeout: startsSlowlyMs }, async (workers) => {
  const { upstream, desk, write, gateway, url, healthUrl, price, reloaded } = await open(workers);
  expect((await fetch(`${healthUrl}readyz`)).status).toBe(200);
  const stream = (await fetch(`${url}/stream`)).body?.getReader();
  const heard = async () => new TextDecoder().decode((await stream?.read())?.value);
  expect(await heard()).toBe('first ');

  await price();
  renameSync(join(desk.folder, 'access.log'), join(desk.folder, 'access.log.1'));
  write('2 sat');
  hangUp(gateway);
  await reloaded({ isDone: true, routes: 2 });
  expect(await Promise.all(Array.from({ length: 8 }, price)), 'whichever process answers').toEqual(Array(8).fill(2));

  write('3 sat', 'limit: {}\n');
  hangUp(gateway);
  await reloaded({ isDone: false, message: /farebox\.yaml:6:1: unknown key `limit`: did you mean `limits`\?/ });
  write('3 sat', 'realm: other\n');
  hangUp(gateway);
  await reloaded({ isDone: false, message: /"realm" cannot change while the gateway runs/ });
  expect(await Promise.all(Array.from({ length: 8 }, price))).toEqual(Array(8).fill(2));

  write('4 sat', '', ', { path: /b, free: true }');
  // Nobody is told: the file is looked at.
  await reloaded({ isDone: true, routes: 3 });
  expect(await Promise.all(Array.from({ length: 8 }, price))).toEqual(Array(8).fill(4));

  upstream.finish();
  expect(await heard()).toBe('last');
  expect((await gateway.stop()).code).toBe(0);
  const access = readFileSync(join(desk.folder, 'access.log'), 'utf8').trim().split('\n');
  const paths = access.map((line) => (JSON.parse(line) as { readonly path: string }).path);
  expect([paths.filter((path) => path === '/a').length, paths.filter((path) => path === '/stream').length]).toEqual([24, 1]);
});
