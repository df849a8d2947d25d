/**
 * Real nodes that hang, pay late, die while they pay, or are heard through a wire that answers nonsense: a payment hash is paid once, whoever dies
 * in between. Every call of the buyer is a process of its own; the seller knows its preimages, and holds payments back for as long as it likes.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as Preimage from '../../../src/core/Preimage.ts';
import { makeToken, shownBy } from '../../../src/testing/Offers.ts';
import { type Desk, follow, openDesk, type Running } from '../processes.ts';
import { buildNodes } from './Binaries.ts';
import { balances, type Json, type Nodes, startNodes, until } from './Nodes.ts';
import type { OnceOptions } from './onceProgram.ts';

const priceMsat = 50_000n;
const onceProgram = fileURLToPath(new URL('./onceProgram.ts', import.meta.url));

/** What an invoice is for: `held` until it is settled or cancelled by hand, or settled by the node. */
type Kind = 'held' | 'usual';

describe('one payment hash, paid by lnd', { timeout: 300_000 }, () => {
  let nodes: Nodes;
  let desk: Desk;
  let seller: Seller;
  let macaroonPath: string;
  const running = new Set<Running>();

  beforeAll(async () => {
    nodes = await startNodes(buildNodes((line) => process.stderr.write(`${line}\n`)));
    desk = openDesk();
    seller = await openSeller(nodes);
    macaroonPath = join(desk.folder, 'pay.macaroon');
    writeFileSync(macaroonPath, Buffer.from(await nodes.alice.bake('info:read', 'offchain:read', 'offchain:write'), 'hex'));
  });

  afterAll(async () => {
    for (const program of running) program.child.kill('SIGKILL');
    await seller?.close();
    await desk?.close();
    await nodes?.stop();
  });

  /** A buyer at a place of its own: each call of it is a process. */
  function openBuyer(name: string, kind: Kind, wallet = nodes.alice.url) {
    const options: OnceOptions = {
      url: seller.urlOf(name, kind),
      journal: join(desk.folder, `${name}.db`),
      wallet,
      certificatePath: nodes.alice.certificatePath,
      macaroonPath,
      timeoutSeconds: 5,
    };
    const start = () => {
      const program = follow(spawn(process.execPath, ['--disable-warning=ExperimentalWarning', onceProgram, JSON.stringify(options)]));
      running.add(program);
      void program.ended.then(() => running.delete(program));
      return program;
    };
    return { start, call: async () => (await start().says(({ kind }) => kind === 'ended')) as Ended };
  }

  /** Waits until bob's node has the payment and holds it back. */
  const arrived = (name: string) =>
    until(`the payment for ${name} has arrived`, async () => {
      const [hash = ''] = seller.hashesOf(name);
      return (await nodes.bob.call(`/v1/invoice/${hash}`)).state === 'ACCEPTED';
    });

  const atRest = async () => {
    for (const node of [nodes.alice, nodes.carol, nodes.bob]) await node.atRest();
  };

  /** Every book says that this was paid once, and that is all that has left the node. */
  async function expectPaidOnce(name: string, ended: Ended, before: bigint): Promise<void> {
    const hashes = seller.hashesOf(name);
    const mine = (await paymentsOf(nodes)).filter(({ payment_hash }) => hashes.includes(payment_hash as never));
    const paid = mine.filter(({ status }) => status === 'SUCCEEDED');
    expect(mine.length, 'the node has each payment hash once').toBe(new Set(mine.map(({ payment_hash }) => payment_hash)).size);
    expect(paid.length).toBe(1);
    const [{ htlcs, fee_msat }] = paid as [Json];
    expect((htlcs as readonly Json[]).filter(({ status }) => status === 'SUCCEEDED').length).toBe(1);
    const cost = priceMsat + BigInt(fee_msat as string);
    expect([ended.spentMsat, ended.heldMsat]).toEqual([String(cost), '0']);
    await atRest();
    expect(before - (await balances(nodes)).alice).toBe(cost);
  }

  it('that hangs and settles late is unknown until it has settled, and buys one answer', async () => {
    const before = (await balances(nodes)).alice;
    const { call } = openBuyer('late', 'held');
    for (let turn = 0; turn < 2; turn++) expect(await call()).toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000', spentMsat: '0' });
    expect(seller.hashesOf('late').length).toBe(1);
    await seller.settle('late');
    await atRest();
    const ended = await call();
    expect(ended).toMatchObject({ said: 200, body: '{"ok":true}', reused: true });
    await expectPaidOnce('late', ended, before);
  });

  it('whose buyer is killed while it waits is found by the next one', async () => {
    const before = (await balances(nodes)).alice;
    const { start, call } = openBuyer('orphan', 'held');
    const dying = start();
    await dying.says(({ kind }) => kind === 'paying');
    await arrived('orphan');
    dying.child.kill('SIGKILL');
    await dying.ended;
    // The lease of the one that died ends, and nothing is paid in the meantime.
    expect(await call()).toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000' });
    await seller.settle('orphan');
    await atRest();
    const ended = await call();
    expect(ended).toMatchObject({ said: 200, reused: true });
    await expectPaidOnce('orphan', ended, before);
  });

  it('whose node is killed while it pays, and whose buyer is killed with it, is found when the node is back', async () => {
    const before = (await balances(nodes)).alice;
    const { start, call } = openBuyer('both', 'held');
    const dying = start();
    await dying.says(({ kind }) => kind === 'paying');
    await arrived('both');
    await nodes.alice.kill();
    dying.child.kill('SIGKILL');
    await dying.ended;
    expect(await call(), 'nobody can be asked').toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000' });
    await nodes.alice.start();
    expect(await call(), 'the node says that it is under way').toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000' });
    await seller.settle('both');
    await atRest();
    const ended = await call();
    expect(ended).toMatchObject({ said: 200, reused: true });
    await expectPaidOnce('both', ended, before);
  });

  it('whose node is killed while it pays is unknown to a buyer that lives, and free when it has failed: another one is bought', async () => {
    const before = (await balances(nodes)).alice;
    const { start, call } = openBuyer('turned-back', 'held');
    const waiting = start();
    await waiting.says(({ kind }) => kind === 'paying');
    await arrived('turned-back');
    await nodes.alice.kill();
    expect(await waiting.says(({ kind }) => kind === 'ended')).toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000' });
    await nodes.alice.start();
    await seller.cancel('turned-back');
    await atRest();
    seller.settleByItself('turned-back');
    const ended = await call();
    expect(ended).toMatchObject({ said: 200, reused: false });
    expect(seller.hashesOf('turned-back').length).toBe(2);
    expect(ended.payments.map(({ state }) => state)).toEqual(['failed', 'redeemed']);
    await expectPaidOnce('turned-back', ended, before);
  });

  it('behind a peer that stands still is unknown, and buys one answer when the peer goes on', async () => {
    const before = (await balances(nodes)).alice;
    const { call } = openBuyer('still', 'usual');
    nodes.carol.hold(true);
    try {
      expect(await call()).toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000' });
      expect(await call()).toMatchObject({ said: 'PAYMENT_UNKNOWN', heldMsat: '60000' });
    } finally {
      nodes.carol.hold(false);
    }
    await atRest();
    const ended = await call();
    expect(ended).toMatchObject({ said: 200, reused: true });
    await expectPaidOnce('still', ended, before);
  });

  describe('whose node answers nonsense and has paid', () => {
    const proven = { payment_preimage: 'ab'.repeat(32), value_msat: '50000', fee_msat: '0' };
    it.each([
      ['nothing', ''],
      ['no JSON', 'paid!\n'],
      ['half of it', '{"result":{"status":"SUCC'],
      ['a page', '<html>502</html>'],
      ['a state that is none', '{"result":{"status":"GREAT"}}\n'],
      ['a list', '[{"status":"SUCCEEDED"}]\n'],
      ['another preimage', `${JSON.stringify({ result: { status: 'SUCCEEDED', ...proven } })}\n`],
      ['a preimage that is none', `${JSON.stringify({ result: { status: 'SUCCEEDED', ...proven, payment_preimage: 7 } })}\n`],
      ['that it failed', '{"result":{"status":"FAILED","failure_reason":"FAILURE_REASON_NO_ROUTE"}}\n'],
      ['an error of its own', '{"error":{"code":2,"message":"internal"}}\n'],
    ])('%s: it is paid once, and answered once', async (what, answer) => {
      const before = (await balances(nodes)).alice;
      const wire = await openWire(nodes, answer);
      try {
        const name = `nonsense-${what.replaceAll(/\W/g, '-')}`;
        const { call } = openBuyer(name, 'usual', wire.url);
        let ended = await call();
        expect(['PAYMENT_UNKNOWN', 200]).toContain(ended.said);
        if (ended.said !== 200) ended = await call();
        expect(ended.said).toBe(200);
        expect(wire.orders()).toBe(1);
        await expectPaidOnce(name, ended, before);
      } finally {
        await wire.close();
      }
    });
  });
});

/** How a call of the buyer ended. */
type Ended = {
  readonly said: number | string;
  readonly spentMsat: string;
  readonly heldMsat: string;
  readonly payments: readonly { readonly paymentHash: string; readonly state: string }[];
};

async function paymentsOf({ alice }: Nodes): Promise<readonly Json[]> {
  return (await alice.call('/v1/payments?include_incomplete=true&max_payments=100000')).payments as readonly Json[];
}

type Seller = {
  readonly urlOf: (name: string, kind: Kind) => string;
  /** The payment hashes of all that was offered there, in order. */
  readonly hashesOf: (name: string) => readonly string[];
  readonly settle: (name: string) => Promise<void>;
  readonly cancel: (name: string) => Promise<void>;
  /** What is offered there from now on is not held back. */
  readonly settleByItself: (name: string) => void;
  readonly close: () => Promise<void>;
};

/** Sells one answer at each path for a payment to bob's node. */
async function openSeller({ bob }: Nodes): Promise<Seller> {
  const sold = new Map<string, { readonly preimage: Buffer; readonly hash: string }[]>();
  const kinds = new Map<string, Kind>();
  const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64');
  const offer = async (name: string) => {
    const preimage = randomBytes(32);
    const hash = Preimage.hash(Preimage.fromBytes(preimage));
    sold.set(name, [...(sold.get(name) ?? []), { preimage, hash }]);
    const order = { value_msat: String(priceMsat), memo: name, expiry: '600' };
    const made =
      kinds.get(name) === 'held'
        ? await bob.call('/v2/invoices/hodl', { ...order, hash: base64(hash) })
        : await bob.call('/v1/invoices', { ...order, r_preimage: preimage.toString('base64') });
    const at = Math.floor(Date.now() / 1000);
    const caveats = ['services=once:0', `once_path=/${name}`, `once_valid_until=${at + 3600}`, 'once_terms=per-request'];
    return `L402 macaroon="${makeToken({ caveats }, hash, at)}", invoice="${made.payment_request as string}"`;
  };
  const server: Server = createServer(async (request, response) => {
    const name = (request.url ?? '').slice(1);
    const shown = shownBy(request.headers.authorization);
    const isPaid = shown && (sold.get(name) ?? []).some(({ hash }) => hash === Preimage.hash(shown.preimage));
    if (isPaid) return void response.end('{"ok":true}');
    response.writeHead(402, { 'WWW-Authenticate': await offer(name) }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const last = (name: string) => sold.get(name)?.at(-1) ?? { preimage: Buffer.alloc(0), hash: '' };
  return {
    urlOf: (name, kind) => {
      kinds.set(name, kind);
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
    },
    hashesOf: (name) => (sold.get(name) ?? []).map(({ hash }) => hash),
    settle: async (name) => void (await bob.call('/v2/invoices/settle', { preimage: last(name).preimage.toString('base64') })),
    cancel: async (name) => void (await bob.call('/v2/invoices/cancel', { payment_hash: base64(last(name).hash) })),
    settleByItself: (name) => void kinds.set(name, 'usual'),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A wire to alice's node, with the node's own certificate: orders reach it and are carried out, and this is what comes back. */
async function openWire({ alice }: Nodes, answer: string) {
  const key = readFileSync(join(dirname(alice.certificatePath), 'tls.key'));
  const certificate = readFileSync(alice.certificatePath);
  let orders = 0;
  const server = createTlsServer({ key, cert: certificate }, (incoming, response) => {
    const isOrder = incoming.url === '/v2/router/send';
    if (isOrder) orders++;
    const { method, headers, url = '' } = incoming;
    const options = { method, headers, ca: certificate, checkServerIdentity: () => undefined, agent: false };
    const outgoing = httpsRequest(`${alice.url}${url}`, options, (reply) => {
      if (!isOrder) return void reply.pipe(response.writeHead(reply.statusCode ?? 502, reply.headers));
      reply.resume().on('end', () => response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer));
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    orders: () => orders,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
