/**
 * A sale between two real nodes: an API, `farebox serve` into bob's node, `farebox get` out of alice's, each a process of its own, started as
 * a person starts them; the invoice is paid over two channels, with a fee. What the nodes, the ledger and the buyer's journal say is compared
 * to the millisatoshi.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk, type Running } from '../processes.ts';
import { buildNodes } from './Binaries.ts';
import { balances, type Json, type Nodes, startNodes } from './Nodes.ts';

const priceMsat = 50_000n;

describe('a sale between two lnd nodes', () => {
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
    writeFileSync(file('farebox.yaml'), configuration(nodes.bob.url, nodes.bob.certificatePath, (api.address() as AddressInfo).port));
    gateway = desk.start('serve');
    url = (await gateway.says(({ kind }) => kind === 'listening')).url as string;
  });

  afterAll(async () => {
    await gateway?.stop();
    await desk?.close();
    await new Promise((resolve) => api?.close(resolve));
    await nodes?.stop();
  });

  it('connects a wallet without spending, and says what it can spend', async () => {
    const { alice } = nodes;
    const connecting = ['wallet', 'connect', 'lnd', '--url', alice.url, '--certificate', alice.certificatePath, '--network', 'regtest'];
    const connected = await desk.run(...connecting, '--macaroon', 'pay.macaroon', '--json');
    expect(connected.stderr).toBe('');
    expect(JSON.parse(connected.stdout)).toMatchObject({ name: 'wallet', product: 'lnd', network: 'regtest', alias: 'alice' });
  });

  it('refuses a wallet on another network than it was said to be on', async () => {
    const { alice } = nodes;
    const connected = await desk.run('wallet', 'connect', 'lnd', '--url', alice.url, '--certificate', alice.certificatePath, '--macaroon', 'pay.macaroon');
    expect(connected.code).toBe(2);
    expect(connected.stderr).toContain('--network regtest');
  });

  it('sells: invoice, payment with a fee, answer; and every book says the same', async () => {
    const before = await balances(nodes);
    const got = await desk.run('get', `${url}/translate`, '--max', '60 sat', '--json');
    expect(got.stderr).toMatch(/^paid 50 sat, fee \d+ sat \(payment [0-9a-f]{16}, regtest\)\n$/);
    const { status, payment, body } = JSON.parse(got.stdout) as { status: number; payment: Json; body: string };
    expect([status, body]).toEqual([200, '{"translation":"hola"}']);
    const feeMsat = BigInt(payment.feeMsat as string);
    expect(feeMsat).toBeGreaterThan(0n);
    expect(payment.amountMsat).toBe(String(priceMsat));

    await Promise.all([nodes.alice.atRest(), nodes.carol.atRest(), nodes.bob.atRest()]);
    const after = await balances(nodes);
    expect(before.alice - after.alice).toBe(priceMsat + feeMsat);
    expect(after.bob - before.bob).toBe(priceMsat);
    expect(after.carol - before.carol).toBe(feeMsat);

    const sales = await desk.run('sales', '--config', 'farebox.yaml', '--once', '--json');
    const [totals] = sales.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Json);
    expect(totals).toMatchObject({ network: 'regtest', payments: 1, earnedMsat: String(priceMsat) });
    const verified = await desk.run('store', 'verify', '--config', 'farebox.yaml', '--json');
    expect([verified.code, verified.stderr]).toEqual([0, '']);
  });

  it('sells the next request for another payment, and nothing for the same credential twice', async () => {
    const bought = await desk.run('get', `${url}/translate`, '--max', '60 sat', '--credential');
    const ask = () => fetch(`${url}/translate`, { headers: { authorization: bought.stdout.trim() } });
    expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(402);
  });

  it('answers 503 while the node is away, goes on by itself when it is back, and loses nothing', async () => {
    await nodes.bob.kill();
    const away = await fetch(`${url}/translate`);
    expect(away.status).toBe(503);
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(((await away.json()) as Json).code).toBe('LIGHTNING_UNAVAILABLE');
    await nodes.bob.start();
    await Promise.all([nodes.bob.atRest(), nodes.carol.atRest()]);
    const got = await desk.run('get', `${url}/translate`, '--max', '60 sat', '--json');
    expect(JSON.parse(got.stdout)).toMatchObject({ status: 200 });
  });

  it('keeps every secret of a wallet out of what the programs print', async () => {
    const got = await desk.run('get', `${url}/translate`, '--max', '60 sat', '--verbose');
    const { stdout, stderr } = await gateway.stop();
    const macaroons = ['sell.macaroon', 'pay.macaroon'].map((name) => readFileSync(join(desk.folder, name)));
    // The last sixteen bytes are half of the signature.
    const forms = macaroons.flatMap((macaroon) =>
      (['hex', 'base64', 'base64url'] as const).map((form) => macaroon.subarray(-16).toString(form).replaceAll('=', '')),
    );
    for (const printed of [got.stdout, got.stderr, stdout, stderr]) for (const form of forms) expect(printed).not.toContain(form);
  });
});

function configuration(wallet: string, certificatePath: string, port: number): string {
  return `listen: 127.0.0.1:0
lightning:
  network: regtest
  lnd:
    url: ${wallet}
    certificate: ${certificatePath}
    macaroon: sell.macaroon
services:
  - name: translate
    upstream: http://127.0.0.1:${port}
    routes:
      - path: /translate
        price: ${priceMsat} msat
`;
}
