/**
 * A seller with two real nodes: what arrives is seen as it arrives and after a restart, a payment is held against its node's word, and sales go on
 * into the second node while the first is away.
 */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as Bolt11 from '../../../src/core/Bolt11.ts';
import { type Desk, openDesk, type Running } from '../processes.ts';
import { buildNodes } from './Binaries.ts';
import { type Json, type Nodes, startNodes } from './Nodes.ts';

const selling = ['info:read', 'invoices:read', 'invoices:write'];

describe('a seller with two lnd nodes', () => {
  let nodes: Nodes;
  let api: Server;
  let desk: Desk;
  let gateway: Running;
  let url: string;

  beforeAll(async () => {
    nodes = await startNodes(buildNodes((line) => process.stderr.write(`${line}\n`)));
    api = createServer((_, response) => void response.end('sold'));
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    desk = openDesk();
    const write = (name: string, content: string | Uint8Array) => writeFileSync(join(desk.folder, name), content);
    write('bob.macaroon', Buffer.from(await nodes.bob.bake(...selling), 'hex'));
    write('carol.macaroon', Buffer.from(await nodes.carol.bake(...selling), 'hex'));
    write('pay.macaroon', Buffer.from(await nodes.alice.bake('info:read', 'offchain:read', 'offchain:write'), 'hex'));
    write('farebox.yaml', configuration(nodes, (api.address() as AddressInfo).port));
    const { alice } = nodes;
    const connecting = ['wallet', 'connect', 'lnd', '--url', alice.url, '--certificate', alice.certificatePath, '--network', 'regtest'];
    expect((await desk.run(...connecting, '--macaroon', 'pay.macaroon')).code).toBe(0);
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
    url = (await gateway.says(({ kind }) => kind === 'listening')).url as string;
  }

  /** A challenge: its token and its invoice. */
  async function challenge(path: string) {
    const { macaroon, invoice, paymentHash } = (await (await fetch(url + path)).json()) as Readonly<Record<string, string>>;
    return { macaroon, invoice: invoice ?? '', paymentHash, payee: Bolt11.decode(invoice ?? '').payee };
  }

  /** Pays with alice's node, past every program of ours. */
  async function pay(invoice: string): Promise<string> {
    const order = { payment_request: invoice, fee_limit_msat: '10000', timeout_seconds: 30, no_inflight_updates: true };
    const { result } = (await nodes.alice.call('/v2/router/send', order)) as { readonly result: Json };
    expect(result.status).toBe('SUCCEEDED');
    return result.payment_preimage as string;
  }

  it('sees a payment that nobody presents, as it arrives', async () => {
    const { invoice, paymentHash } = await challenge('/pass');
    await pay(invoice);
    expect(await gateway.says(({ kind }) => kind === 'settled')).toMatchObject({ paymentHash, amountMsat: '50000', route: '/pass' });
  });

  it('sees after a restart what arrived meanwhile, and once', async () => {
    const { invoice, paymentHash } = await challenge('/pass');
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    await pay(invoice);
    await startGateway();
    await gateway.says(({ kind, paymentHash: of }) => kind === 'settled' && of === paymentHash);
    expect(gateway.lines().filter(({ kind }) => kind === 'settled')).toHaveLength(1);
    const told = await desk.run('sales', '--config', 'farebox.yaml', '--once', '--json');
    const [totals, ...rows] = told.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Json);
    expect(totals).toMatchObject({ settledMsat: '100000', settled: 2, receivedMsat: '0', payments: 0 });
    expect(rows.map(({ kind, note }) => [kind, note])).toEqual([
      ['settled', 'lnd'],
      ['settled', 'lnd'],
    ]);
  });

  it("serves on the node's word where that is asked for, and says neither yes nor no while it is away", async () => {
    const { macaroon, invoice, payee } = await challenge('/word');
    expect(payee).toBe(nodes.bob.nodeId);
    const headers = { authorization: `L402 ${macaroon}:${await pay(invoice)}` };
    await nodes.bob.kill();
    const away = await fetch(`${url}/word`, { headers });
    expect([away.status, ((await away.json()) as Json).code]).toEqual([503, 'LIGHTNING_UNAVAILABLE']);
    await nodes.bob.start();
    const back = await fetch(`${url}/word`, { headers });
    expect([back.status, await back.text()]).toEqual([200, 'sold']);
  });

  it('sells into the second node while the first is away, and into the first again', async () => {
    await nodes.bob.kill();
    const got = await desk.run('get', `${url}/pass`, '--max', '60 sat', '--json');
    expect(JSON.parse(got.stdout)).toMatchObject({ status: 200, body: 'sold' });
    expect((await challenge('/pass')).payee).toBe(nodes.carol.nodeId);
    expect(await gateway.says(({ kind, route, amountMsat }) => kind === 'settled' && route === '/pass' && amountMsat === '50000')).toBeDefined();
    await nodes.bob.start();
    await expect.poll(async () => (await challenge('/pass')).payee, { timeout: 30_000, interval: 500 }).toBe(nodes.bob.nodeId);
  });

  it('examines both, each by itself', async () => {
    const { stdout } = await desk.run('doctor', 'farebox.yaml', '--json');
    const told = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { wallet: string; findings: { level: string }[] });
    expect(told.slice(0, 2).map(({ wallet }) => wallet)).toEqual(['Paid: lnd (lightning[0])', 'Paid: lnd (lightning[1])']);
    expect(told.flatMap(({ findings }) => findings).filter(({ level }) => level === 'bad')).toEqual([]);
  });
});

/** No invoices are kept ready, so that each challenge shows which node is asked. */
function configuration({ bob, carol }: Nodes, port: number): string {
  const wallet = (name: string, { url, certificatePath }: Nodes['bob']) =>
    `  - network: regtest\n    ready: 0\n    lnd: { url: "${url}", certificate: "${certificatePath}", macaroon: ${name}.macaroon }\n`;
  return `listen: 127.0.0.1:0
lightning:
${wallet('bob', bob)}${wallet('carol', carol)}services:
  - name: shop
    upstream: http://127.0.0.1:${port}
    routes:
      - { path: /pass, price: 50 sat, title: A pass, terms: "pass: 1h" }
      - { path: /word, price: 50 sat, title: A word, verify: settled }
`;
}
