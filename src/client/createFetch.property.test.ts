/**
 * Whatever wallet, seller and power supply do, in any order and with calls in parallel: no invoice is paid twice, nothing is paid for a
 * resource while the end of another payment for it is not known, the limits hold, and in the end every millisatoshi that left the wallet
 * stands in the journal.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { type MadeOffer, startLyingServer } from '../testing/LyingServer.ts';
import { createScriptedPayer, type PaymentScript } from '../testing/ScriptedPayer.ts';
import type { ClientStore } from './ClientStore.ts';
import { createFetch, createMemoryClientStore, resumePayments } from './index.ts';
import * as Journal from './Journal.ts';
import { createSqliteClientStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-property-'));
afterAll(() => rmSync(folder, { recursive: true }));

const maxTotalMsat = 250_000n;
const maxPerRequestMsat = 60_000n;

/** The seller's invoices, made once: signing is slow. They outlast what happens in a run. */
const server = await startLyingServer(FixedClock.create());
const pool: readonly MadeOffer[] = Array.from({ length: 40 }, (_, index) =>
  server.offer({
    expirySeconds: 3600,
    amountMsat: Amount.fromSat(index % 7 === 0 ? 70 : 50),
    caveats: index % 2 === 0 ? ['services=shop:0', 'shop_terms=per-request'] : [],
  }),
);
await server.close();

const scripts = fc.oneof(
  fc.record({ kind: fc.constant('settle' as const), feeMsat: fc.bigInt(0n, 12_000n).map(Amount.fromMsat), refuse: fc.constant(true) }),
  fc.constant<PaymentScript>({ kind: 'fail', reason: 'no-route' }),
  fc.record({
    kind: fc.constantFrom('unknown' as const, 'hang' as const),
    became: fc.constantFrom('settled' as const, 'failed' as const, 'pending' as const, 'absent' as const),
  }),
  fc.constant<PaymentScript>({ kind: 'unproven', preimage: '00'.repeat(32) }),
  fc.constant<PaymentScript>({ kind: 'throw' }),
);

const call = fc.record({
  client: fc.integer({ min: 0, max: 1 }),
  resource: fc.integer({ min: 0, max: 1 }),
  /** The change of the journal at which the process dies. */
  dies: fc.option(fc.constantFrom('find', 'reserve', 'dispatch', 'settle', 'fail', 'doubt', 'redeem', 'reject', 'take', 'release'), { freq: 3 }),
});

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('calls' as const),
      calls: fc.array(call, { minLength: 1, maxLength: 3 }),
      wallet: scripts,
      /** How the seller answers with and without a credential. */
      paid: fc.constantFrom('serve', 'refuse', 'fail', 'break', 'busy'),
      bare: fc.constantFrom('offer', 'offer', 'offer', 'old-offer', 'free'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), as: fc.constantFrom('settled' as const, 'failed' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), seconds: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), down: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resume' as const) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;
type Calls = Command & { readonly kind: 'calls' };

async function run(commands: readonly Command[], openStore: () => ClientStore): Promise<void> {
  const clock = FixedClock.create();
  const payer = createScriptedPayer({ preimageOf: server.preimageOf });
  const dispatchedHashes = new Set<PaymentHash>();
  const paidHashes = new Set<PaymentHash>();
  let offers = 0;
  let store = openStore();
  let clients: (ReturnType<typeof createFetch> | undefined)[] = [];
  let selling: Pick<Calls, 'paid' | 'bare'> = { paid: 'serve', bare: 'offer' };

  const watched = () => watch(store, dispatchedHashes);
  const wallet = {
    ...payer,
    pay: (request: Parameters<typeof payer.pay>[0]) => {
      const outcome = payer.pay(request);
      const hash = payer.paid.at(-1)?.paymentHash as PaymentHash;
      expect(paidHashes.has(hash)).toBe(false);
      expect(dispatchedHashes.has(hash)).toBe(true);
      paidHashes.add(hash);
      return outcome;
    },
  };

  const seller = async (_: string, init?: RequestInit) => {
    const { paid, bare } = selling;
    const offer = pool[(bare === 'old-offer' && offers > 0 ? offers - 1 : offers++) % pool.length] as MadeOffer;
    return sell(new Headers(init?.headers).has('Authorization') ? paid : bare, offer);
  };
  const make = (over: ClientStore) =>
    createFetch({ payer: wallet, maxPerRequest: '60 sat', maxTotal: '250 sat', store: over, clock, fetch: seller, paymentTimeoutSeconds: 10 });

  async function oneCall({ client, resource, dies }: Calls['calls'][number]): Promise<void> {
    let die = () => {};
    const death = new Promise<void>((resolve) => {
      die = resolve;
    });
    clients[client] ??= make(watched());
    const fetch = dies === null ? clients[client] : make(mortalStore(watched(), dies, die));
    const ended = fetch(`https://api.example.com/${resource}`).then(
      () => undefined,
      (error) => {
        if (!FareboxError.is(error) && !(error instanceof TypeError && error.message === 'broken')) throw error;
      },
    );
    await Promise.race([ended, death]);
  }

  async function perform(step: Command): Promise<void> {
    if (step.kind === 'advance') clock.advance(step.seconds * 1000);
    else if (step.kind === 'down') payer.setDown(step.down);
    else if (step.kind === 'resume') await resumePayments({ payer, store: watched(), clock });
    else if (step.kind === 'end') {
      for (const { paymentHash, state } of await store.list(['unknown']))
        if (state === 'unknown' && paidHashes.has(paymentHash)) payer.end(paymentHash, step.as);
    } else {
      payer.script(step.wallet);
      selling = step;
      await passing(clock, Promise.all(step.calls.map(oneCall)));
    }
  }

  for (const step of commands) {
    await perform(step);
    const { heldMsat, spentMsat } = await store.spending();
    expect(heldMsat + spentMsat <= maxTotalMsat).toBe(true);
    const payments = await store.list();
    for (const { reservedMsat } of payments) expect(reservedMsat <= maxPerRequestMsat).toBe(true);
    expect(heldMsat).toBe(payments.reduce((sum, payment) => sum + Journal.heldMsatOf(payment), 0n));
    expect(spentMsat).toBe(payments.reduce((sum, payment) => sum + payment.spentMsat, 0n));
    expect(payer.spentMsat() <= heldMsat + spentMsat).toBe(true);
    await store.close();
    store = openStore();
    clients = [];
  }

  // In the end the wallet knows, and what it knows is written down.
  payer.setDown(false);
  for (const { paymentHash } of await store.list(['dispatched', 'unknown'])) if (paidHashes.has(paymentHash)) payer.end(paymentHash, 'settled');
  clock.advance(4_000_000);
  await resumePayments({ payer, store, clock });
  expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: payer.spentMsat(), stoppedBy: undefined });
  await store.close();
}

function sell(how: string, offer: MadeOffer): Response {
  if (how === 'break') throw new TypeError('broken');
  if (how === 'busy') return new Response('', { status: 409, headers: { 'Retry-After': '40' } });
  if (how === 'fail') return new Response('', { status: 500 });
  if (how === 'serve' || how === 'free') return new Response('ok');
  return new Response('{}', { status: 402, headers: { 'WWW-Authenticate': `L402 macaroon="${offer.token}", invoice="${offer.invoice}"` } });
}

/** Sees every call of a wallet that is allowed, and that nothing stood in its way at that very moment. */
function watch(store: ClientStore, dispatchedHashes: Set<PaymentHash>): ClientStore {
  return {
    ...store,
    dispatch: async (request) => {
      // Both stores read and write at once, so that nothing comes between these two.
      const reading = store.list(['dispatched', 'unknown']);
      const writing = store.dispatch(request);
      const before = await reading;
      const outcome = await writing;
      if (outcome.kind !== 'dispatched') return outcome;
      const { paymentHash, resource } = outcome.payment;
      expect(dispatchedHashes.has(paymentHash)).toBe(false);
      dispatchedHashes.add(paymentHash);
      for (const payment of before.filter((other) => other.resource === resource)) {
        expect(payment.state).toBe('dispatched');
        expect(Journal.clientOf(payment.owner)).toBe(Journal.clientOf(request.owner));
      }
      return outcome;
    },
  };
}

/** The journal of a process that dies as it makes a change: before it is written or after, by the kind of change; it never comes back. */
function mortalStore(store: ClientStore, dies: string | null, die: () => void): ClientStore {
  let dead = false;
  const guard =
    <A extends unknown[], R>(name: string, work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (dead) return new Promise<R>(() => {});
      if (name !== dies) return work(...args);
      dead = true;
      if (name === 'dispatch' || name === 'reserve' || name === 'settle') await work(...args);
      die();
      return new Promise<R>(() => {});
    };
  return {
    ...store,
    find: guard('find', store.find),
    get: guard('get', store.get),
    reserve: guard('reserve', store.reserve),
    dispatch: guard('dispatch', store.dispatch),
    step: (paymentHash, step, nowAt) => guard(step.kind, store.step)(paymentHash, step, nowAt),
  };
}

/** Moves time on until the promise ends. */
async function passing(clock: FixedClock.FixedClock, promise: Promise<unknown>): Promise<void> {
  let over = false;
  const end = promise.finally(() => {
    over = true;
  });
  end.catch(() => undefined);
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!over && clock.timers() > 0) clock.advance(1000);
  }
  await end;
}

const histories = fc.array(command, { minLength: 1, maxLength: 10 });

it('holds in memory', async () => {
  await fc.assert(
    fc.asyncProperty(histories, (commands) => {
      const { close: _, ...kept } = createMemoryClientStore();
      return run(commands, () => ({ ...kept, close: async () => {} }));
    }),
    { numRuns: 100 },
  );
}, 60_000);

it('holds in SQLite, opened anew after every step', async () => {
  let files = 0;
  await fc.assert(
    fc.asyncProperty(histories, (commands) => {
      const path = join(folder, `${++files}.db`);
      return run(commands, () => createSqliteClientStore({ path }));
    }),
    { numRuns: 20 },
  );
}, 60_000);
