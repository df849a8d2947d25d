/**
 * Two real nodes, and everything else dying: a thousand sales at eight at once while the gateway, the buyer and the buyer's connection to its node
 * end at random; then the seller's node gone for a minute. What remains is compared to the millisatoshi: ledger, journal and both nodes.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFetch, paymentOf } from '../../../src/client/index.ts';
import * as Amount from '../../../src/core/Amount.ts';
import { createLndPayer } from '../../../src/lightning/lnd.ts';
import { createDice } from '../../crash/dice.ts';
import { type Desk, follow, openDesk, type Running } from '../processes.ts';
import { buildNodes } from './Binaries.ts';
import type { BuyerOptions } from './buyerProgram.ts';
import { balances, freePort, type Json, type Nodes, startNodes } from './Nodes.ts';

const priceMsat = 50_000n;
const passMsat = 100_000n;
const sales = 1000;
const atOnce = 8;
const buyerProgram = fileURLToPath(new URL('./buyerProgram.ts', import.meta.url));

describe('sales between two lnd nodes', () => {
  let nodes: Nodes;
  let api: Server;
  let desk: Desk;
  let gateway: Running;
  let url: string;

  beforeAll(async () => {
    nodes = await startNodes(buildNodes((line) => process.stderr.write(`${line}\n`)));
    api = createServer((_, response) => void response.setHeader('content-type', 'application/json').end('{"translation":"hola"}'));
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    desk = openDesk();
    const file = (name: string) => join(desk.folder, name);
    writeFileSync(file('sell.macaroon'), Buffer.from(await nodes.bob.bake('info:read', 'invoices:read', 'invoices:write'), 'hex'));
    writeFileSync(file('pay.macaroon'), Buffer.from(await nodes.alice.bake('info:read', 'offchain:read', 'offchain:write'), 'hex'));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    writeFileSync(file('farebox.yaml'), configuration(nodes.bob.url, nodes.bob.certificatePath, port, (api.address() as AddressInfo).port));
    await startGateway();
  });

  afterAll(async () => {
    await gateway?.stop();
    await desk?.close();
    await new Promise((resolve) => api?.close(resolve));
    await nodes?.stop();
  });

  async function startGateway(): Promise<void> {
    gateway = desk.start('serve');
    await gateway.says(({ kind }) => kind === 'listening');
  }

  it(`${sales} of them survive random deaths of the gateway, of the buyer and of its connection, and every book agrees`, async () => {
    const dice = createDice('lnd');
    const relay = await openRelay(Number(new URL(nodes.alice.url).port));
    const before = await balances(nodes);
    const options: BuyerOptions = {
      url,
      journal: join(desk.folder, 'journal.db'),
      wallet: `https://127.0.0.1:${relay.port}`,
      certificatePath: nodes.alice.certificatePath,
      macaroonPath: join(desk.folder, 'pay.macaroon'),
      atOnce,
    };
    const startBuyer = () => follow(spawn(process.execPath, ['--disable-warning=ExperimentalWarning', buyerProgram, JSON.stringify(options)]));
    let buyer = startBuyer();
    let sold = 0;
    const deaths = { gateway: 0, buyer: 0, connection: 0 };
    const count = () => sold + buyer.lines().filter(({ kind, status, whole }) => kind === 'answer' && status === 200 && whole).length;
    while (count() < sales) {
      // By what was sold, and not by the clock: on a slow machine nothing would ever be sold between two deaths.
      const enough = Math.min(sales, count() + 1 + dice.below(16));
      await until(async () => count() >= enough || buyer.child.exitCode !== null, 120_000);
      await pause(dice.below(400));
      expect(buyer.child.exitCode, `the buyer ended by itself: ${buyer.errors()}`).toBeNull();
      const kind = dice.below(3);
      if (kind === 0) {
        deaths.gateway += 1;
        gateway.child.kill('SIGKILL');
        await gateway.ended;
        await startGateway();
      } else if (kind === 1) {
        deaths.buyer += 1;
        buyer.child.kill('SIGKILL');
        await buyer.ended;
        sold = count();
        buyer = startBuyer();
      } else {
        deaths.connection += 1;
        relay.cut();
      }
    }
    // One that has just been started does not listen yet: it would die of what it is asked.
    await buyer.says(({ kind }) => kind === 'started');
    buyer.child.kill('SIGTERM');
    const journal = (await buyer.says(({ kind }) => kind === 'journal')).payments as readonly Json[];
    await buyer.ended;
    await relay.close();
    for (const node of [nodes.alice, nodes.carol, nodes.bob]) await node.atRest();

    const settled = journal.filter(({ state }) => state === 'settled' || state === 'redeemed' || state === 'rejected');
    expect(journal.filter((one) => !settled.includes(one) && one.state !== 'failed')).toEqual([]);
    const after = await balances(nodes);
    const sum = (list: readonly Json[], field: string) => list.reduce((all, one) => all + BigInt(one[field] as string), 0n);
    // Buyer's journal and buyer's node; seller's node, which has what was paid less the fees; and the one in between, which has the fees.
    expect(before.alice - after.alice).toBe(sum(settled, 'spentMsat'));
    expect(after.bob - before.bob).toBe(sum(settled, 'amountMsat'));
    expect(after.carol - before.carol).toBe(sum(settled, 'spentMsat') - sum(settled, 'amountMsat'));
    const { payments } = (await nodes.alice.call('/v1/payments?max_payments=100000')) as { readonly payments: readonly Json[] };
    const paid = payments.filter(({ status }) => status === 'SUCCEEDED');
    expect(paid.map(({ payment_hash }) => payment_hash).sort()).toEqual(settled.map(({ paymentHash }) => paymentHash).sort());
    // Seller's ledger: everything that was paid has earned, or lies unused with the buyer.
    const unused = settled.filter(({ state, usable }) => state === 'settled' && usable === true);
    const told = await desk.run('sales', '--config', 'farebox.yaml', '--once', '--json');
    const [totals] = told.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Json);
    expect(BigInt(totals?.earnedMsat as string)).toBe(priceMsat * BigInt(settled.length - unused.length));
    // What the node told of as it arrived, across all deaths of the gateway; but for what came before it was first listened to.
    expect(Number(totals?.settled)).toBeLessThanOrEqual(settled.length);
    expect(Number(totals?.settled)).toBeGreaterThanOrEqual(settled.length - atOnce);
    const verified = await desk.run('store', 'verify', '--config', 'farebox.yaml', '--json');
    expect([verified.code, verified.stderr]).toEqual([0, '']);
    process.stderr.write(`${count()} answers, ${settled.length} payments, ${journal.length - settled.length} failed, killed: ${JSON.stringify(deaths)}\n`);
    expect(Math.min(...Object.values(deaths))).toBeGreaterThan(0);
  }, 900_000);

  it('go on within two seconds of the return of a node that was gone for a minute, and passes work throughout', async () => {
    const connecting = ['wallet', 'connect', 'lnd', '--url', nodes.alice.url, '--certificate', nodes.alice.certificatePath, '--network', 'regtest'];
    expect((await desk.run(...connecting, '--macaroon', 'pay.macaroon')).code).toBe(0);
    const pass = await desk.run('get', `${url}/pass`, '--max', '120 sat', '--credential');
    expect(pass.code, pass.stderr).toBe(0);
    const headers = { authorization: pass.stdout.trim() };
    const load = openLoad(url, headers);
    const wallet = { url: nodes.alice.url, certificatePath: nodes.alice.certificatePath, network: 'regtest' } as const;
    const payer = createLndPayer({ ...wallet, macaroonPath: join(desk.folder, 'pay.macaroon') });
    const buy = createFetch({ payer, maxPerRequest: '60 sat', maxTotal: '120 sat' });
    await nodes.bob.kill();
    const goneAt = Date.now();
    // What was kept ready is handed out first.
    load.begin('emptying');
    await pause(2000);
    load.begin('away');
    await pause(58_000);
    load.begin('returning');
    await nodes.bob.start();
    const backAt = Date.now();
    await until(async () => load.challenges('returning').has(402));
    const saidAfterMs = Date.now() - backAt;
    await Promise.all([nodes.bob.atRest(), nodes.carol.atRest()]);
    const activeAt = Date.now();
    const bought = await buy(`${url}/translate/x`);
    const soldAfterMs = Date.now() - activeAt;
    // What the nodes take for a payment by themselves is not ours.
    const bareAt = Date.now();
    const { payment_request: invoice } = await nodes.bob.call('/v1/invoices', { value_msat: '1000' });
    const bare = await payer.pay({ invoice: String(invoice), maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 30 });
    const oursMs = soldAfterMs - (Date.now() - bareAt);
    await load.end();
    expect(backAt - goneAt).toBeGreaterThanOrEqual(60_000);
    // Throughout: every answer to the pass, and none but those.
    expect([...load.passes()]).toEqual([200]);
    expect([...load.challenges('away')]).toEqual([503]);
    expect(load.withoutRetryAfter()).toBe(0);
    expect(bare.kind).toBe('settled');
    expect([saidAfterMs < 2000, oursMs < 2000], `${saidAfterMs} ms, ${soldAfterMs} ms, less the payment ${oursMs} ms`).toEqual([true, true]);
    expect(bought.status).toBe(200);
    expect(paymentOf(bought)?.amountMsat).toBe(priceMsat);
    await payer.close();
    process.stderr.write(
      `${load.count()} answers meanwhile; a challenge ${saidAfterMs} ms after the node was back, a sale ${soldAfterMs} ms after its channels were\n`,
    );
  }, 240_000);
});

/** Asks for a challenge and with a pass, over and over, bounded to some hundred a second, and notes what it is answered. */
function openLoad(url: string, headers: Readonly<Record<string, string>>) {
  let phase = 'before';
  let isEnding = false;
  let answers = 0;
  let missing = 0;
  const passes = new Set<number>();
  const challenges = new Map<string, Set<number>>();
  const again = async (ask: (during: string) => Promise<void>) => {
    while (!isEnding) {
      await ask(phase);
      answers += 1;
      await pause(10);
    }
  };
  const running = Promise.all([
    again(async () => {
      const response = await fetch(`${url}/pass`, { headers });
      await response.arrayBuffer();
      passes.add(response.status);
    }),
    again(async (during) => {
      const response = await fetch(`${url}/translate/x`);
      await response.arrayBuffer();
      // Asked in one phase and answered in the next: says nothing of either.
      if (during !== phase) return;
      challenges.set(during, (challenges.get(during) ?? new Set()).add(response.status));
      if (response.status === 503 && !(Number(response.headers.get('retry-after')) > 0)) missing += 1;
    }),
  ]);
  return {
    begin: (next: string) => {
      phase = next;
    },
    passes: () => passes,
    challenges: (during: string) => challenges.get(during) ?? new Set<number>(),
    withoutRetryAfter: () => missing,
    count: () => answers,
    end: async () => {
      isEnding = true;
      await running;
    },
  };
}

/** Something in between that breaks every connection when it is told to. */
async function openRelay(target: number) {
  const sockets = new Set<Socket>();
  const server = createRelay((near) => {
    const far = connect(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function configuration(wallet: string, certificatePath: string, port: number, upstream: number): string {
  return `
listen: 127.0.0.1:${port}
invoiceExpiry: 15s
lightning:
  network: regtest
  lnd:
    url: ${wallet}
    certificate: ${certificatePath}
    macaroon: sell.macaroon
limits: { invoicesPerClientPerMinute: 1000000, invoicesPerMinute: 1000000 }
services:
  - name: translate
    upstream: http://127.0.0.1:${upstream}
    routes:
      - path: /translate/*
        price: ${priceMsat} msat
  - name: passes
    upstream: http://127.0.0.1:${upstream}
    routes:
      - path: /pass
        price: ${passMsat} msat
        terms: "pass: 1h"
`;
}

async function until(isSo: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
  for (const endsAt = Date.now() + withinMs; !(await isSo()); await pause(10)) if (Date.now() > endsAt) throw new Error(`not within ${withinMs / 1000} s`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
