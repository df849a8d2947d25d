/**
 * A gateway in two processes on one SQLite file: what becomes of sales when processes are killed, and of requests when they are replaced.
 */
import { writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { openHome } from '../../src/cli/Home.ts';
import { requireSandbox } from '../../src/cli/SandboxLink.ts';
import * as Amount from '../../src/core/Amount.ts';
import { type Desk, openDesk, type Running } from './processes.ts';

/** Five processes on two cores that others work on, too. */
const startsSlowlyMs = 120_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Line = { readonly [key: string]: unknown };

/** An upstream that keeps the first call of a path that is held without an answer, and answers every other one. */
async function startUpstream() {
  const calls: string[] = [];
  const waiting = new Set<() => void>();
  let holds = true;
  const server = createServer((request, response: ServerResponse) => {
    calls.push(request.url ?? '');
    for (const look of [...waiting]) look();
    if (!(holds && request.url?.startsWith('/held/'))) response.end(`answer to ${request.url}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answer: () => {
      holds = false;
    },
    called: (times: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (calls.length < times) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

/** A gateway in two processes. */
async function open() {
  const upstream = await startUpstream();
  const folder = { clock: '' };
  const desk = openDesk({
    program: fileURLToPath(new URL('./movedProgram.ts', import.meta.url)),
    environment: {
      get MOVED_CLOCK() {
        return folder.clock;
      },
    },
  });
  ends.push(desk.close);
  folder.clock = join(desk.folder, 'clock');
  writeFileSync(folder.clock, '0');
  const file = join(desk.folder, 'farebox.yaml');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
workers: 2
store: shop.db
services:
  - name: api
    upstream: "${upstream.url}"
    routes: [{ path: /held/*, price: 10 sat }]
  - name: passes
    upstream: "${upstream.url}"
    routes: [{ path: /pass/*, price: 10 sat, terms: "pass: 1d" }]
`,
  );
  const gateway = desk.start('serve', '--config', file);
  const { url } = await gateway.says(({ kind }) => kind === 'listening');
  return { desk, file, gateway, upstream, url: String(url), move: (ms: number) => writeFileSync(folder.clock, `${ms}`) };
}

const readies = (gateway: Running): readonly Line[] => gateway.lines().filter(({ kind, state }) => kind === 'worker' && state === 'ready');

/** Buys, and does not use it: the answer is the credential. */
async function buy({ desk, url }: { readonly desk: Desk; readonly url: string }, path: string): Promise<string> {
  const challenge = await fetch(url + path);
  expect(challenge.status).toBe(402);
  const { invoice, macaroon } = (await challenge.json()) as { readonly invoice: string; readonly macaroon: string };
  const { sandbox, close } = await requireSandbox(openHome({ FAREBOX_HOME: join(desk.folder, 'home') }));
  try {
    const paid = await sandbox.payer('wallet').pay({ invoice, maxFeeMsat: Amount.fromSat(5), timeoutSeconds: 5 });
    if (paid.kind !== 'settled') throw new Error(`the payment is ${paid.kind}`);
    return `L402 ${macaroon}:${paid.preimage}`;
  } finally {
    await close();
  }
}

test('killed in the midst of load, no sale is lost, and nothing is served twice', { timeout: startsSlowlyMs }, async () => {
  const shop = await open();
  const { gateway, upstream, url, move } = shop;
  const paths = Array.from({ length: 6 }, (_, i) => `/held/${i}`);
  const credentials = await Promise.all(paths.map((path) => buy(shop, path)));
  const ask = (i: number) => fetch(url + paths[i], { headers: { authorization: credentials[i] as string } });

  const broken = paths.map((_, i) =>
    ask(i).then(
      () => 'answered',
      () => 'broken',
    ),
  );
  await upstream.called(paths.length);
  for (const { pid } of readies(gateway)) process.kill(Number(pid), 'SIGKILL');
  expect(await Promise.all(broken)).toEqual(paths.map(() => 'broken'));
  await gateway.says(() => readies(gateway).length === 4);

  expect(await Promise.all(paths.map(async (_, i) => (await ask(i)).status)), 'their leases run').toEqual(paths.map(() => 409));
  upstream.answer();
  move(31_000);
  const answers = await Promise.all(paths.map(async (_, i) => (await ask(i)).text()));
  expect(answers).toEqual(paths.map((path) => `answer to ${path}`));
  expect((await Promise.all(paths.map((_, i) => ask(i)))).map(({ status }) => status)).toEqual(paths.map(() => 402));
  expect(upstream.calls.toSorted()).toEqual([...paths, ...paths].sort());
  const { code, stdout } = await shop.desk.run('store', 'verify', '--config', shop.file);
  expect(code, stdout).toBe(0);
  expect(stdout).toContain('"earned":{"amountMsat":"60000","payments":6}');
  expect((await gateway.stop()).code).toBe(0);
});

test('replaced one after the other, no request is lost, and every line says which process it is of', { timeout: startsSlowlyMs }, async () => {
  const shop = await open();
  const { gateway, url } = shop;
  const authorization = await buy(shop, '/pass/a');
  const before = readies(gateway).map(({ pid }) => pid);
  let isOver = false;
  const statuses: number[] = [];
  const load = Array.from({ length: 3 }, async () => {
    // Once more when all is over, on whatever connections there are.
    for (let last = false; !last; ) {
      last = isOver;
      const response = await fetch(`${url}/pass/a`, { headers: { authorization } });
      await response.text();
      statuses.push(response.status);
    }
  });
  gateway.child.kill('SIGUSR2');
  expect(await gateway.says(({ kind }) => kind === 'restarted')).toMatchObject({ isDone: true });
  isOver = true;
  await Promise.all(load);
  expect(new Set(statuses)).toEqual(new Set([200]));
  const now = readies(gateway).slice(2);
  expect(now.map(({ worker }) => worker)).toEqual([1, 2]);
  expect(now.filter(({ pid }) => before.includes(pid))).toEqual([]);
  const requests = gateway.lines().filter(({ kind }) => kind === 'request');
  expect(requests.every(({ worker }) => worker === 1 || worker === 2)).toBe(true);
  expect((await gateway.stop()).code).toBe(0);
});

test('one limit on invoices and one share of what is free hold over both processes', { timeout: startsSlowlyMs }, async () => {
  const upstream = await startUpstream();
  const desk = openDesk();
  ends.push(desk.close);
  const file = join(desk.folder, 'farebox.yaml');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
workers: 2
store: none
limits: { invoicesPerClientPerMinute: 7 }
services:
  - name: passes
    upstream: "${upstream.url}"
    routes:
      - { path: /pass/*, price: 10 sat, terms: "pass: 1d" }
      - { path: /free/*, price: 10 sat, terms: "pass: 1d", free: { requests: 5, per: 1d } }
`,
  );
  const gateway = desk.start('serve', '--config', file);
  const { url } = await gateway.says(({ kind }) => kind === 'listening');
  const count = async (path: string, times: number) => {
    const statuses = await Promise.all(
      // A connection each, so that both processes have some.
      Array.from({ length: times }, async () => (await fetch(`${url}${path}`, { headers: { connection: 'close' } })).status),
    );
    return Object.fromEntries([...Map.groupBy(statuses, (status) => status)].map(([status, all]) => [status, all.length]));
  };
  expect(await count('/free/a', 9)).toEqual({ 200: 5, 402: 4 });
  expect(await count('/pass/a', 9)).toEqual({ 402: 3, 429: 6 });
  expect((await gateway.stop()).code).toBe(0);
});

test('what keeps one process from starting is said once, and ends the gateway with its exit code', { timeout: startsSlowlyMs }, async () => {
  const desk = openDesk();
  ends.push(desk.close);
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  ends.push(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const file = join(desk.folder, 'farebox.yaml');
  const services = 'services: [{ name: api, upstream: "http://127.0.0.1:9", routes: [{ path: /*, price: 10 sat }] }]\n';
  writeFileSync(file, `listen: 127.0.0.1:${port}\nworkers: 2\n${services}`);
  const { code, stderr } = await desk.run('serve', '--config', file);
  expect(code).toBe(2);
  expect(stderr.match(/something listens there already/g)).toHaveLength(1);
  writeFileSync(file, `workers: 2\nstore: memory\n${services}`);
  expect((await desk.run('check', file)).stderr).toContain('each process would have a memory of its own');
});
