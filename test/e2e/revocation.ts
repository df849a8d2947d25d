/**
 * Four gateways on one store, each a process of its own, that answer without a pause while the master key is exchanged and most of what was
 * sold is revoked: no good token is refused, and none that was revoked is served after a second.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import { connectSandbox } from '../../src/lightning/sandbox.ts';
import { startUpstream } from '../conformance/shop/upstream.ts';
import { openDesk, type Running } from './processes.ts';

/** A token that is shown again and again. */
type Shown = { readonly path: string; readonly authorization: string; readonly paymentHash: string };

/** One answer: of which gateway, to which token, and when it was asked for. */
type Answer = { readonly gateway: number; readonly shown: Shown; readonly askedMs: number; readonly status: number };

/** What is sold: what no store is asked for, and what is counted in it. */
const paths = ['/pass/a', '/credit/a'];

/** How soon what is revoked is refused everywhere. */
const promisedMs = 1000;

/** Tests gateways on the store that these lines of YAML name. */
export function testRevocation(storeLines: () => string): void {
  const closing: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function openFour() {
    const upstream = await startUpstream();
    closing.push(upstream.close);
    const desk = openDesk();
    closing.push(desk.close);
    const config = join(desk.folder, 'farebox.yaml');
    writeFileSync(
      config,
      `listen: 127.0.0.1:0
keys: shop.keys
${storeLines()}
limits: { invoicesPerClientPerMinute: 1000, invoicesPerMinute: 1000 }
services:
  - { name: pass, upstream: "${upstream.url}", routes: [{ path: /pass/*, price: 10 sat, terms: "pass: 1h" }] }
  - name: credit
    upstream: "${upstream.url}"
    credit: { amount: 1000000 sat, price: 10 sat }
    routes: [{ path: /credit/*, price: 1 sat, terms: credit }]
`,
    );
    // The first makes keys and sandbox.
    const gateways: { readonly process: Running; readonly url: string }[] = [];
    for (let count = 0; count < 4; count++) {
      const process = desk.start('serve', '--config', config);
      const { url } = await process.says(({ kind }) => kind === 'listening');
      gateways.push({ process, url: String(url) });
    }
    const sandbox = connectSandbox(JSON.parse(readFileSync(join(desk.folder, 'home', 'sandbox.json'), 'utf8')));
    closing.push(sandbox.close);
    const payer = sandbox.payer('buyer');
    const buy = async (path: string, gateway: number): Promise<Shown> => {
      const { headers } = await fetch(`${gateways[gateway]?.url}${path}`);
      const challenge = Challenge.choose(Challenge.parse(headers.get('www-authenticate') ?? ''));
      if (!challenge) throw new Error('no challenge');
      const paid = await payer.pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(`not paid: ${paid.kind}`);
      return { path, authorization: `L402 ${challenge.token}:${paid.preimage}`, paymentHash: Bolt11.peek(challenge.invoice).paymentHash };
    };
    /** So many of everything, from every gateway. */
    const buyAll = (times: number) => Promise.all(Array.from({ length: times * 4 }, (_, i) => paths.map((path) => buy(path, i % 4))).flat());
    return { desk, config, gateways, buyAll };
  }

  test('a key is exchanged and most tokens are revoked under load: no good one is refused, and no revoked one is served after a second', async () => {
    const { desk, config, gateways, buyAll } = await openFour();
    const stolen = await buyAll(3);
    const mintedBy = Math.floor(Date.now() / 1000) + 1;
    while (Date.now() / 1000 < mintedBy) await pause(50);
    const [refunded, good] = [await buyAll(1), await buyAll(3)];
    const load = startLoad(
      gateways.map(({ url }) => url),
      [...stolen, ...refunded, ...good],
    );
    closing.push(load.stop);

    const rotated = await desk.run('keys', 'rotate', '--config', config);
    expect(rotated.code, rotated.stderr).toBe(0);
    await Promise.all(gateways.map(({ process }) => process.says(({ kind }) => kind === 'keys')));
    await load.more(300);
    expect(load.answers.filter(({ status }) => status !== 200)).toEqual([]);

    const before = new Date(mintedBy * 1000).toISOString();
    const revokedMs = new Map<Shown, number>();
    const revoke = async (tokens: readonly Shown[], ...wanted: readonly string[]) => {
      const command = desk.start('revoke', ...wanted, '--config', config, '--yes', '--json');
      const lines = wanted.length / 2;
      await command.says(() => command.lines().filter(({ kind }) => kind === 'revoked').length === lines);
      const now = performance.now();
      for (const token of tokens) revokedMs.set(token, now);
      expect((await command.ended).code).toBe(0);
    };
    await revoke(stolen, '--minted-before', before);
    await revoke(refunded, ...refunded.flatMap(({ paymentHash }) => ['--payment', paymentHash]));
    const lateMs = await load.until(performance.now() + promisedMs);
    await load.more(300);
    await load.stop();

    const wrong = load.answers.filter(({ shown, status, askedMs }) => {
      const since = revokedMs.get(shown);
      if (since === undefined) return status !== 200;
      // What a machine that is busy with something else is late by, it is late by in the gateways too.
      return status === 402 ? false : status !== 200 || askedMs > since + promisedMs + lateMs;
    });
    expect(wrong.map(({ gateway, shown, status, askedMs }) => [gateway, shown.path, status, askedMs - (revokedMs.get(shown) ?? Number.NaN)])).toEqual([]);
    // Each gateway has refused some of both kinds, and served good ones until the end.
    for (const [gateway] of gateways.entries()) {
      const own = load.answers.filter((answer) => answer.gateway === gateway).slice(-40);
      expect(own.some(({ status, shown }) => status === 402 && revokedMs.has(shown))).toBe(true);
      expect(own.some(({ status, shown }) => status === 200 && !revokedMs.has(shown))).toBe(true);
    }
    expect(gateways.map(({ process }) => process.errors().match(/trouble.*/g))).toEqual([null, null, null, null]);
    for (const { process } of gateways) expect((await process.stop()).code).toBe(0);
  }, 300_000);
}

/** Shows all tokens to every gateway, in turn, two at a time each. */
function startLoad(urls: readonly string[], tokens: readonly Shown[]) {
  const answers: Answer[] = [];
  const watchers = new Set<() => void>();
  let isOver = false;
  let lateMs = 0;
  const show = async (gateway: number, from: number) => {
    for (let next = from; !isOver; next++) {
      // In leaps, so that good ones and others come by turns.
      const shown = tokens[(next * 17) % tokens.length] as Shown;
      const askedMs = performance.now();
      const response = await fetch(`${urls[gateway]}${shown.path}`, { headers: { authorization: shown.authorization } });
      await response.arrayBuffer();
      answers.push({ gateway, shown, askedMs, status: response.status });
      for (const watcher of watchers) watcher();
      const restedMs = performance.now();
      await pause(restMs);
      lateMs = Math.max(lateMs, performance.now() - restedMs - restMs);
    }
  };
  const running = Promise.all(urls.flatMap((_, gateway) => [0, 1].map((which) => show(gateway, gateway * 7 + which * 11))));
  running.catch(() => {});
  const until = (isSo: () => boolean) =>
    Promise.race([
      new Promise<void>((resolve) => {
        const look = () => {
          if (!isSo()) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
      // A load that has broken is told.
      running.then(() => undefined),
    ]);
  return {
    answers,
    /** So many answers more. */
    more: (count: number) => {
      const wanted = answers.length + count;
      return until(() => answers.length >= wanted);
    },
    /** Until this time; the answer is by how much the machine was late meanwhile, in ms. */
    until: async (ms: number) => {
      lateMs = 0;
      await until(() => performance.now() >= ms);
      return lateMs;
    },
    stop: async () => {
      isOver = true;
      await running;
    },
  };
}

/** Between two requests of one loop: the gateways are to be busy, and so is whoever asks them, but not without end. */
const restMs = 4;
