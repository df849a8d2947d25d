import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test } from 'vitest';
import { fromMsat } from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { parseHash } from '../../core/Preimage.ts';
import * as Books from '../../store/Books.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { LedgerEntry, Store } from '../../store/Store.ts';
import { createSqliteStore } from '../../store/sqlite.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { eventTypes, fromAlert, parseSecrets } from './Message.ts';
import type { Hook, Send } from './Outbox.ts';
import { followWebhooks, replay, standingOf } from './Webhooks.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const random = (length: number) => new Uint8Array(length);
const hash = (payment: number) => parseHash(payment.toString(16).padStart(64, '0'));
const entry = (kind: LedgerEntry['kind'], payment: number, nonce = ''): LedgerEntry => ({
  kind,
  paymentHash: hash(payment),
  nonce,
  amountMsat: fromMsat(5000n),
  service: 'api',
  route: 'GET /a',
  at: 1_800_000_000,
  note: 'pass',
});

/** One request as the receiver saw it. */
type Told = { readonly id: string; readonly type: string; readonly payment: string; readonly at: number; readonly body: string; readonly signature: string };

/** A receiver that answers as it is told to. */
function createReceiver() {
  const told: Told[] = [];
  let answer: (told: Told) => number | 'away' | 'never' = () => 204;
  const send: Send = ({ headers, body }, signal) => {
    const { type, data } = JSON.parse(body) as { readonly type: string; readonly data: { readonly paymentHash?: string } };
    const one: Told = {
      id: headers['webhook-id'] as string,
      at: Number(headers['webhook-timestamp']),
      signature: headers['webhook-signature'] as string,
      type,
      payment: data.paymentHash ?? '',
      body,
    };
    const status = answer(one);
    if (status === 'away') return Promise.reject(new Error('connect ECONNREFUSED'));
    if (status === 'never') return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    if (status < 300) told.push(one);
    return Promise.resolve({ status });
  };
  return { told, send, answers: (next: typeof answer) => (answer = next) };
}

type Receiver = ReturnType<typeof createReceiver>;

function begin(store: Store, clock: Clock, receiver: Receiver, changed: Partial<Hook> = {}) {
  const troubles: unknown[] = [];
  const hook: Hook = { name: 'books', secrets: parseSecrets(secret, 'books'), wants: () => true, giveUpAfterSeconds: 259_200, send: receiver.send, ...changed };
  const webhooks = followWebhooks({ hooks: [hook], store, clock, random, onTrouble: (error) => troubles.push(error) });
  closing.push(webhooks.close);
  return { webhooks, troubles };
}

/** Lets that much time go by, second by second, and everything that waits for it happen. */
async function pass(clock: FixedClock.FixedClock, seconds: number, stepSeconds = 1): Promise<void> {
  for (let gone = 0; gone < seconds; gone += stepSeconds) {
    await settle();
    clock.advance(stepSeconds * 1000);
  }
  await settle();
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function openMemory() {
  const clock = FixedClock.create();
  const store = createMemoryStore({ clock });
  closing.push(store.close);
  return { clock, store, receiver: createReceiver() };
}

describe('a webhook', () => {
  test('is told what is written down from its first start on, signed, with the time of the attempt', async () => {
    const { clock, store, receiver } = openMemory();
    await store.append([entry('received', 1)]);
    begin(store, clock, receiver);
    await settle();
    clock.advance(7000);
    await store.append([entry('settled', 2), entry('received', 2), entry('earned', 2)]);
    await settle();
    expect(receiver.told.map(({ type, payment }) => [type, payment])).toEqual([
      ['payment.settled', hash(2)],
      ['payment.received', hash(2)],
      ['payment.earned', hash(2)],
    ]);
    const [{ id, at, body, signature }] = receiver.told as [Told];
    expect(at).toBe(1_800_000_007);
    expect(signature).toBe(`v1,${createHmac('sha256', '0123456789abcdef0123456789abcdef').update(`${id}.${at}.${body}`).digest('base64')}`);
    expect(JSON.parse(body)).toEqual({
      type: 'payment.settled',
      timestamp: '2027-01-15T08:00:00.000Z',
      data: { paymentHash: hash(2), amountMsat: '5000', service: 'api', route: 'GET /a', occurredAt: 1_800_000_000, note: 'pass' },
    });
    expect(new Set(receiver.told.map((one) => one.id)).size).toBe(3);
  });

  test('is told of a payment in order, and others are not held up by one that it does not take', async () => {
    const { clock, store, receiver } = openMemory();
    const { troubles } = begin(store, clock, receiver);
    await settle();
    let isTaken = false;
    receiver.answers(({ payment, type }) => (payment === hash(1) && type === 'payment.received' && !isTaken ? 500 : 200));
    await store.append([entry('received', 1), entry('earned', 1), entry('received', 2), entry('earned', 2)]);
    await pass(clock, 5);
    expect(receiver.told.map(({ type, payment }) => [type, payment])).toEqual([
      ['payment.received', hash(2)],
      ['payment.earned', hash(2)],
    ]);
    expect(await standingOf(store, 'books')).toEqual({ seq: 0, isAsked: false });
    isTaken = true;
    await pass(clock, 10);
    expect(receiver.told.slice(2).map(({ type, payment }) => [type, payment])).toEqual([
      ['payment.received', hash(1)],
      ['payment.earned', hash(1)],
    ]);
    expect(await standingOf(store, 'books')).toEqual({ seq: 4, isAsked: false });
    expect(troubles).toMatchObject([{ code: 'WEBHOOK_FAILED', message: 'The webhook "books" answered 500.' }]);
  });

  test('is asked ever more seldom while it is away, and at once for everything when it is back', async () => {
    const { clock, store, receiver } = openMemory();
    begin(store, clock, receiver);
    await settle();
    let attempts = 0;
    let isBack = false;
    receiver.answers(() => {
      if (isBack) return 200;
      attempts++;
      return 'away';
    });
    await store.append([entry('received', 1)]);
    await pass(clock, 3600);
    expect(attempts).toBeGreaterThan(10);
    expect(attempts).toBeLessThan(20);
    await store.append(Array.from({ length: 20 }, (_, index) => entry('received', 2 + index)));
    await pass(clock, 60);
    isBack = true;
    await pass(clock, 60);
    expect(receiver.told.length, 'the first that is taken wakes all').toBe(21);
  });

  test('that takes one event never is told on, and that one is given up in the end', async () => {
    const { clock, store, receiver } = openMemory();
    const { troubles } = begin(store, clock, receiver, { giveUpAfterSeconds: 7200 });
    await settle();
    receiver.answers(({ payment }) => (payment === hash(1) ? 400 : 200));
    await store.append([entry('received', 1), entry('received', 2)]);
    await pass(clock, 10_800, 5);
    expect(await standingOf(store, 'books')).toMatchObject({ seq: 2 });
    expect(receiver.told.map(({ payment }) => payment)).toEqual([hash(2)]);
    expect(String(troubles.at(-1))).toMatch(/was not told of event evt_[0-9a-f]{40}: it is given up/);
  });

  test('that refuses one payment is told of a thousand others meanwhile, and its bookmark waits for that one', async () => {
    const { clock, store, receiver } = openMemory();
    begin(store, clock, receiver);
    await settle();
    let isTaken = false;
    receiver.answers(({ payment }) => (payment === hash(1) && !isTaken ? 400 : 200));
    // A token in bulk, of which each call is earned by itself: what stands behind a refused event holds up nobody either.
    await store.append([entry('received', 1), ...Array.from({ length: 300 }, (_, index) => entry('earned', 1, String(index)))]);
    await store.append(Array.from({ length: 1000 }, (_, index) => entry('received', 2 + index)));
    await pass(clock, 10);
    expect(receiver.told).toHaveLength(1000);
    expect(await standingOf(store, 'books')).toMatchObject({ seq: 0 });
    isTaken = true;
    await pass(clock, 20);
    expect(receiver.told.slice(1000).map(({ type }) => type)).toEqual(['payment.received', ...Array<string>(300).fill('payment.earned')]);
    expect(await standingOf(store, 'books')).toMatchObject({ seq: 1301 });
  });

  test('that takes nothing of 256 payments is told of more as soon as it takes one', async () => {
    const { clock, store, receiver } = openMemory();
    begin(store, clock, receiver);
    await settle();
    const seen = new Set<string>();
    let refused = 256;
    receiver.answers(({ payment }) => {
      seen.add(payment);
      return Number.parseInt(payment, 16) < refused ? 400 : 200;
    });
    await store.append(Array.from({ length: 300 }, (_, index) => entry('received', index)));
    await pass(clock, 60);
    expect([seen.size, receiver.told.length]).toEqual([256, 0]);
    refused = 255;
    await pass(clock, 120);
    expect([seen.size, receiver.told.length]).toEqual([300, 45]);
    expect(await standingOf(store, 'books')).toMatchObject({ seq: 0 });
  });

  test('leaves nothing of an attempt in memory when it is over', async () => {
    const { clock, store } = openMemory();
    const answers: WeakRef<object>[] = [];
    const send: Send = async () => {
      const answer = { status: 503 };
      answers.push(new WeakRef(answer));
      return answer;
    };
    begin(store, clock, createReceiver(), { send });
    await settle();
    await store.append([entry('received', 1)]);
    await pass(clock, 3600, 5);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await settle();
    collect();
    expect(answers.length).toBeGreaterThan(10);
    expect(answers.filter((one) => one.deref() !== undefined).length).toBeLessThan(2);
  });

  test('that never answers is left after fifteen seconds, and asked again', async () => {
    const { clock, store, receiver } = openMemory();
    const { troubles } = begin(store, clock, receiver);
    await settle();
    let attempts = 0;
    receiver.answers(() => (attempts++ === 0 ? 'never' : 200));
    await store.append([entry('received', 1)]);
    await pass(clock, 20);
    expect(receiver.told).toHaveLength(1);
    expect(String(troubles)).toContain('did not answer within 15 seconds');
  });

  test('hears of what it wants alone, and its bookmark goes on over everything else', async () => {
    const { clock, store, receiver } = openMemory();
    begin(store, clock, receiver, { wants: (type) => type === 'payment.earned' });
    await settle();
    await store.append(Array.from({ length: 250 }, (_, index) => entry('received', index)));
    await settle();
    await store.append([entry('earned', 1)]);
    await settle();
    expect(receiver.told.map(({ type }) => type)).toEqual(['payment.earned']);
    expect(await standingOf(store, 'books')).toMatchObject({ seq: 251 });
  });

  test('is told again from any row on, under the same ids', async () => {
    const { clock, store, receiver } = openMemory();
    begin(store, clock, receiver);
    await settle();
    await store.append([entry('received', 1), entry('earned', 1), entry('received', 2)]);
    await settle();
    await replay(store, 'books', 1, (length) => new Uint8Array(length).fill(7));
    expect(await standingOf(store, 'books')).toEqual({ seq: 3, isAsked: true });
    await pass(clock, 10);
    expect(new Set(receiver.told.slice(3).map(({ id }) => id))).toEqual(
      new Set(receiver.told.filter(({ type, payment }) => !(type === 'payment.received' && payment === hash(1))).map(({ id }) => id)),
    );
    expect(await standingOf(store, 'books')).toEqual({ seq: 3, isAsked: false });
    await pass(clock, 60);
    expect(receiver.told, 'once').toHaveLength(5);
  });

  test('is told by one process at a time; another goes on when that one says nothing any more', async () => {
    const { clock, store } = openMemory();
    const [first, second] = [createReceiver(), createReceiver()];
    const frozen = { isFrozen: false };
    const own: Store = { ...store, heartbeat: (request) => (frozen.isFrozen ? new Promise(() => {}) : store.heartbeat(request)) };
    const hooks = [{ name: 'books', secrets: [], wants: () => true, giveUpAfterSeconds: 1, send: first.send }];
    // Never closed: it stands still for good.
    followWebhooks({ hooks, store: own, clock, random, onTrouble: () => {} });
    await settle();
    begin(store, clock, second);
    await store.append([entry('received', 1)]);
    await pass(clock, 60);
    expect([first.told.length, second.told.length]).toEqual([1, 0]);
    frozen.isFrozen = true;
    first.answers(() => 'never');
    await pass(clock, 60);
    await store.append([entry('earned', 1)]);
    await settle();
    expect(second.told.map(({ type }) => type)).toEqual(['payment.earned']);
  });

  test('is told alerts, one after the other', async () => {
    const { clock, store, receiver } = openMemory();
    const { webhooks } = begin(store, clock, receiver);
    const alert = (state: 'raised' | 'cleared') =>
      webhooks.alert({ at: clock.nowMs(), kind: 'alert', alert: 'node-away', subject: 'the node', state, words: 'The node is away.' });
    alert('raised');
    await settle();
    receiver.answers(({ type }) => (type === 'alert.cleared' ? 503 : 200));
    alert('cleared');
    clock.advance(1);
    alert('raised');
    await settle();
    receiver.answers(() => 200);
    await pass(clock, 5);
    expect(receiver.told.map(({ type }) => type)).toEqual(['alert.raised', 'alert.cleared', 'alert.raised']);
    expect(JSON.parse(receiver.told[0]?.body ?? '')).toMatchObject({ data: { alert: 'node-away', subject: 'the node', words: 'The node is away.' } });
  });

  test.each<[string, (store: Store, broken: { heartbeat: boolean }) => unknown]>([
    ['something is to be told again', (store) => replay(store, 'books', 0, random)],
    ['its lease could not be kept', (_, broken) => (broken.heartbeat = true)],
  ])('is told an alert once that it did not take before %s', async (_, end) => {
    const { clock, store, receiver } = openMemory();
    const broken = { heartbeat: false };
    const heartbeat: Store['heartbeat'] = async (request) => !broken.heartbeat && store.heartbeat(request);
    const { webhooks } = begin({ ...store, heartbeat }, clock, receiver);
    await settle();
    receiver.answers(() => 'away');
    const alert = (subject: string) => webhooks.alert({ at: clock.nowMs(), kind: 'alert', alert: 'node-away', subject, state: 'raised', words: 'w' });
    alert('a');
    alert('b');
    await pass(clock, 20);
    await end(store, broken);
    await pass(clock, 20);
    alert('c');
    broken.heartbeat = false;
    receiver.answers(() => 200);
    await pass(clock, 60);
    expect(receiver.told.map(({ body }) => (JSON.parse(body) as { data: { subject: string } }).data.subject)).toEqual(['a', 'b', 'c']);
  });

  test('that takes nothing has a hundred alerts wait for it, and the operator is told that more are forgotten', async () => {
    const { clock, store, receiver } = openMemory();
    const { webhooks, troubles } = begin(store, clock, receiver);
    await settle();
    receiver.answers(() => 'away');
    for (let index = 0; index < 150; index++) {
      webhooks.alert({ at: clock.nowMs(), kind: 'alert', alert: 'account-low', subject: String(index), state: 'raised', words: 'w' });
      clock.advance(10);
    }
    await pass(clock, 60);
    receiver.answers(() => 200);
    await pass(clock, 60);
    // The first was under way.
    expect(receiver.told).toHaveLength(101);
    expect(receiver.told.at(-1)?.body).toContain('"subject":"149"');
    expect(troubles.map(String).filter((one) => one.includes('the oldest are forgotten'))).toHaveLength(1);
  });

  test('can tell two alerts of one moment apart', () => {
    const low = (words: string) => fromAlert({ at: 1_800_000_000_000, kind: 'alert', alert: 'account-low', subject: hash(1), state: 'raised', words });
    expect(low('80 % are used.').id).not.toBe(low('90 % are used.').id);
    expect(low('80 % are used.').id).toBe(low('80 % are used.').id);
  });

  test('whose store does not answer is told when it does', async () => {
    const { clock, store, receiver } = openMemory();
    let isDown = true;
    const down = async () => Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'away'));
    const { troubles } = begin({ ...store, claim: (request) => (isDown ? down() : store.claim(request)) }, clock, receiver);
    await pass(clock, 5);
    isDown = false;
    await pass(clock, 5);
    await store.append([entry('received', 1)]);
    await settle();
    expect(receiver.told).toHaveLength(1);
    expect(troubles).toMatchObject([{ code: 'STORE_UNAVAILABLE' }]);
  });
});

/** A store as a killed process leaves it: whatever is asked of it from then on never happens. */
function killable(store: Store): { readonly store: Store; readonly kill: () => void } {
  let isDead = false;
  const dead = new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      return typeof value !== 'function' ? value : (...given: unknown[]) => (isDead ? new Promise(() => {}) : (value.apply(target, given) as unknown));
    },
  });
  return { store: dead, kill: () => (isDead = true) };
}

test('a receiver that is down for an hour, and a gateway killed meanwhile: each event arrives, in order for its payment, under one id', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-webhooks-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const clock = FixedClock.create();
  const receiver = createReceiver();
  const kinds = ['settled', 'received', 'earned', 'reversed'] as const;
  let isUp = true;
  const seen = new Map<string, Set<string>>();
  receiver.answers(({ id, payment, type }) => {
    seen.set(`${payment} ${type}`, (seen.get(`${payment} ${type}`) ?? new Set()).add(id));
    return isUp ? 200 : 'away';
  });
  const start = async () => {
    const opened = await createSqliteStore({ path: join(folder, 'store.db'), clock });
    const { store, kill } = killable(opened);
    const stop = new AbortController();
    const hook: Hook = {
      name: 'books',
      secrets: parseSecrets(secret, 'books'),
      wants: () => true,
      giveUpAfterSeconds: 259_200,
      send: (request, signal) => (stop.signal.aborted ? new Promise(() => {}) : receiver.send(request, signal)),
    };
    const webhooks = followWebhooks({ hooks: [hook], store, clock, random, onTrouble: () => {} });
    const die = async () => {
      stop.abort();
      kill();
      await opened.close();
    };
    closing.push(() => opened.close());
    return { store: opened, die, close: webhooks.close };
  };

  let gateway = await start();
  await settle();
  await gateway.store.append(kinds.map((kind) => entry(kind, 0)));
  await pass(clock, 2);
  isUp = false;
  for (let minute = 1; minute <= 60; minute++) {
    for (const kind of kinds) await gateway.store.append([entry(kind, minute)]);
    await pass(clock, 60, 5);
    if (minute % 20 !== 10) continue;
    await gateway.die();
    await pass(clock, 1);
    gateway = await start();
  }
  isUp = true;
  // Killed once more as soon as something has arrived: what was told is not bookmarked yet.
  for (let tries = 0; receiver.told.length < 10 && tries < 1000; tries++) await pass(clock, 1);
  await gateway.die();
  gateway = await start();
  await pass(clock, 900, 5);

  const firstTold = [...new Map([...receiver.told].reverse().map((one) => [one.id, one])).values()].reverse();
  expect(firstTold).toHaveLength(61 * kinds.length);
  for (let minute = 0; minute <= 60; minute++) {
    const ofPayment = firstTold.filter(({ payment }) => payment === hash(minute)).map(({ type }) => type);
    expect(ofPayment, `payment ${minute}`).toEqual(kinds.map((kind) => `payment.${kind}`));
  }
  expect([...seen.values()].every((ids) => ids.size === 1)).toBe(true);
  await gateway.close();
});

test('closing waits for nobody: not for a receiver that does not answer, nor for one that does not let go', async () => {
  const { clock, store } = openMemory();
  const { webhooks } = begin(store, clock, createReceiver(), { send: () => new Promise(() => {}) });
  await settle();
  await store.append([entry('received', 1)]);
  await settle();
  await webhooks.close();
  expect(clock.timers()).toBe(0);
  // What was under way is told again by the next.
  const receiver = createReceiver();
  begin(store, clock, receiver);
  await settle();
  expect(receiver.told).toHaveLength(1);
});

test('what telling keeps in the store is nothing to the books', async () => {
  const { clock, store, receiver } = openMemory();
  const { webhooks } = begin(store, clock, receiver);
  await pass(clock, 20);
  expect(await Books.verify(store.audit())).toMatchObject({ balanced: true, untied: 0, discrepancies: [] });
  await webhooks.close();
  expect(await Books.verify(store.audit())).toMatchObject({ balanced: true, untied: 0, discrepancies: [] });
  expect(clock.timers(), 'nothing goes on').toBe(0);
});

describe('a secret', () => {
  test('is long enough, or refused; several sign one after the other', () => {
    expect(() => parseSecrets('short', 'books')).toThrow(/The secret of the webhook "books"/);
    expect(() => parseSecrets('whsec_!!!', 'books')).toThrow(FareboxError);
    expect(() => parseSecrets(' ', 'books')).toThrow(FareboxError);
    expect(parseSecrets(`${secret} ${'x'.repeat(24)}`, 'books')).toHaveLength(2);
    expect(eventTypes).toContain('payment.settled');
  });
});
