/**
 * A process that tells a webhook, killed while its receiver is away and in the midst of a request; another one an hour later tells what is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import { parseHash } from '../../src/core/Preimage.ts';
import { standingOf } from '../../src/server/webhooks/Webhooks.ts';
import type { LedgerEntry } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { portOf } from '../gateway/harness.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const hash = (payment: number) => parseHash(payment.toString(16).padStart(64, '0'));
const kinds = ['received', 'earned', 'reversed'] as const;
const entry = (kind: LedgerEntry['kind'], payment: number): LedgerEntry => {
  const at = Math.floor(Date.now() / 1000);
  return { kind, paymentHash: hash(payment), nonce: '', amountMsat: Amount.fromSat(5), service: 'api', route: 'GET /a', at, note: '' };
};

/** One request as it came, whether or not it was taken. */
type Seen = { readonly id: string; readonly type: string; readonly payment: string; isTaken: boolean };

async function openReceiver() {
  const seen: Seen[] = [];
  let answer: (response: ServerResponse, one: Seen) => void = () => {};
  let look = () => {};
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { type, data } = JSON.parse(body) as { readonly type: string; readonly data: { readonly paymentHash: string } };
      const one = { id: String(request.headers['webhook-id']), type, payment: data.paymentHash, isTaken: false };
      seen.push(one);
      answer(response, one);
      look();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      look = () => holds() && resolve();
      look();
    });
  return { seen, until, url: `http://127.0.0.1:${portOf(server)}/`, answers: (next: typeof answer) => (answer = next) };
}

const take = (response: ServerResponse, one: Seen) => {
  one.isTaken = true;
  response.writeHead(204).end();
};

test('whatever a killed process has not told is told by the next, in order for each payment, under the ids that it had', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-webhooks-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'store.db');
  const store = await createSqliteStore({ path });
  closing.push(() => store.close());
  await store.append([], { reader: 'webhook:books', place: '0' });
  const receiver = await openReceiver();
  const start = (hours: number): ChildProcess => {
    const args = [join(import.meta.dirname, 'webhooks', 'teller.ts'), path, receiver.url, String(hours * 3_600_000)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    closing.push(() => child.kill('SIGKILL'));
    return child;
  };
  const kill = async (child: ChildProcess) => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  // Down: one payment's first event is taken, and nothing after it.
  await store.append(kinds.flatMap((kind) => [1, 2, 3].map((payment) => entry(kind, payment))));
  receiver.answers((response, one) => (one.payment === hash(1) && one.type === 'payment.received' ? take(response, one) : void response.writeHead(503).end()));
  const first = start(0);
  await receiver.until(() => new Set(receiver.seen.map(({ payment }) => payment)).size === 3 && receiver.seen.some(({ type }) => type === 'payment.earned'));
  await kill(first);

  // An hour later it is back, and answers nothing: the next process is killed with requests under way.
  const before = receiver.seen.length;
  receiver.answers(() => {});
  const second = start(1);
  await receiver.until(() => receiver.seen.length >= before + 3);
  await kill(second);

  receiver.answers(take);
  start(2);
  await receiver.until(() => new Set(receiver.seen.filter(({ isTaken }) => isTaken).map(({ id }) => id)).size === 9);
  const ids = new Map<string, Set<string>>();
  for (const { id, payment, type } of receiver.seen) ids.set(`${payment} ${type}`, (ids.get(`${payment} ${type}`) ?? new Set()).add(id));
  expect([...ids.values()].map((each) => each.size)).toEqual(Array.from({ length: 9 }, () => 1));
  for (const payment of [1, 2, 3]) {
    const taken = receiver.seen.filter((one) => one.isTaken && one.payment === hash(payment)).map(({ type }) => type);
    expect([...new Set(taken)]).toEqual(kinds.map((kind) => `payment.${kind}`));
  }
  expect((await standingOf(store, 'books'))?.seq).toBeLessThanOrEqual(9);
});
