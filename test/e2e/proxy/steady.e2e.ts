/**
 * Load on a gateway in two processes whose configuration changes five times a second, while one of its two upstreams is killed and comes back,
 * and one of its processes is killed: no request fails that did not have to, and the books balance.
 *
 *     FAREBOX_STEADY_SECONDS=60 npm run e2e:proxy -- steady       for a minute
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { openHome } from '../../../src/cli/Home.ts';
import { requireSandbox } from '../../../src/cli/SandboxLink.ts';
import * as Amount from '../../../src/core/Amount.ts';
import { openDesk, type Running } from '../processes.ts';

const lastsMs = Number(process.env.FAREBOX_STEADY_SECONDS ?? 20) * 1000;
const reloadsMs = 200;
const readers = 8;
const buyers = 4;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server in a process of its own, on a port that it can come back to. */
const program = `
import { createServer } from 'node:http';
createServer((request, response) => response.end('answer to ' + request.url)).listen(Number(process.argv[1]), '127.0.0.1', () => console.log('up'));
`;

async function startUpstream(port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  ends.push(() => child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const configFor = (ports: readonly number[], round: number) => `listen: 127.0.0.1:0
workers: 2
store: shop.db
logs: { access: false }
services:
  - name: api
    upstreams: [${ports.map((port) => `"http://127.0.0.1:${port}"`).join(', ')}]
    retries: 1
    routes:
      - { path: /once/*, price: 10 sat }
      - { path: /pass/*, price: 10 sat, terms: "pass: 1d" }
      - { path: /round/${round}, free: true }
`;

const workers = (gateway: Running) => gateway.lines().filter(({ kind, state }) => kind === 'worker' && state === 'ready');

test('reloads and kills under load', { timeout: 60_000 + 4 * lastsMs }, async () => {
  const ports = [await freePort(), await freePort()];
  const upstreams = await Promise.all(ports.map(startUpstream));
  const desk = openDesk();
  ends.push(desk.close);
  const file = join(desk.folder, 'farebox.yaml');
  writeFileSync(file, configFor(ports, 0));
  const gateway = desk.start('serve', '--config', file);
  const { url } = await gateway.says(({ kind }) => kind === 'listening');
  const { sandbox, close } = await requireSandbox(openHome({ FAREBOX_HOME: join(desk.folder, 'home') }));
  ends.push(close);
  const payer = sandbox.payer('wallet');
  const buy = async (path: string): Promise<string> => {
    const challenge = await fetch(url + path);
    if (challenge.status !== 402) throw new Error(`${challenge.status} instead of a challenge`);
    const { invoice, macaroon } = (await challenge.json()) as { readonly invoice: string; readonly macaroon: string };
    const paid = await payer.pay({ invoice, maxFeeMsat: Amount.fromSat(5), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(`the payment is ${paid.kind}`);
    return `L402 ${macaroon}:${paid.preimage}`;
  };
  const pass = await buy('/pass/a');

  let isOver = false;
  let killedAtMs = Number.POSITIVE_INFINITY;
  const statuses = new Map<number, number>();
  const broken: { readonly afterKillMs: number; readonly why: string }[] = [];
  const ask = async (path: string, authorization: string): Promise<number> => {
    try {
      const response = await fetch(url + path, { headers: { authorization } });
      await response.text();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      return response.status;
    } catch (error) {
      broken.push({ afterKillMs: Date.now() - killedAtMs, why: String((error as Error).cause ?? error) });
      return 0;
    }
  };
  let sold = 0;
  const load = [
    ...Array.from({ length: readers }, async () => {
      while (!isOver) await ask('/pass/a', pass);
    }),
    ...Array.from({ length: buyers }, async (_, number) => {
      for (let count = 0; !isOver; count++) {
        const path = `/once/${number}/${count}`;
        let credential: string | undefined;
        // A challenge costs nothing: one that broke off is asked for again.
        while (credential === undefined) credential = await buy(path).catch(() => undefined);
        sold++;
        // What was paid for is answered, however often it takes to ask: a process that was killed holds it until its lease ends.
        for (let status = 0; status !== 200; ) {
          status = await ask(path, credential);
          if (status === 409) await pause(500);
          else if (status !== 200 && status !== 0) throw new Error(`a paid request was answered ${status}`);
        }
      }
    }),
  ];
  let reloads = 0;
  const reloading = (async () => {
    for (; !isOver; await pause(reloadsMs)) {
      writeFileSync(file, configFor(ports, ++reloads));
      gateway.child.kill('SIGHUP');
    }
  })();

  await pause(lastsMs / 4);
  upstreams[0]?.kill('SIGKILL');
  await pause(lastsMs / 12);
  await startUpstream(ports[0] as number);
  await pause(lastsMs / 6);
  killedAtMs = Date.now();
  process.kill(Number(workers(gateway)[0]?.pid), 'SIGKILL');
  await gateway.says(() => workers(gateway).length === 3);
  await pause(lastsMs / 2);
  isOver = true;
  await Promise.all([...load, reloading]);

  const taken = gateway.lines().filter(({ kind, isDone }) => kind === 'reloaded' && isDone === true).length;
  const told = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ');
  process.stdout.write(`${told}; ${broken.length} broken off; ${sold} sold; ${reloads} reloads asked for, ${taken} taken\n`);
  // Whoever was on a connection of the process that was killed, and nobody else, at no other time.
  expect(broken.filter(({ afterKillMs }) => !(afterKillMs >= 0 && afterKillMs < 10_000))).toEqual([]);
  expect(broken.length).toBeLessThanOrEqual(2 * (readers + buyers));
  expect([...statuses.keys()].filter((status) => status !== 200 && status !== 409)).toEqual([]);
  expect(taken).toBeGreaterThan(lastsMs / reloadsMs / 3);
  const { code, stdout } = await desk.run('store', 'verify', '--config', file);
  expect(code, stdout).toBe(0);
  expect(stdout).toContain(`"payments":${sold + 1}`);
  expect((await gateway.stop()).code).toBe(0);
});
