/**
 * Whatever calls come at once, from however many clients on one journal, and whatever one payment buys: where it serves all, one is made;
 * where it serves some, so many as are needed; and every caller gets his answer.
 */
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { type MadeOffer, startLyingServer } from '../testing/LyingServer.ts';
import { shownBy } from '../testing/Offers.ts';
import { createScriptedPayer } from '../testing/ScriptedPayer.ts';
import { type ClientStore, createFetch, createMemoryClientStore, paymentOf } from './index.ts';

const caveats = (terms: string) => ['services=shop:0', 'shop_method=GET', 'shop_path=/v1/*', 'shop_valid_until=1800086400', `shop_terms=${terms}`];

/** What is sold: how many answers one payment buys, and what its token says of it. */
const kinds = {
  pass: { serves: Number.POSITIVE_INFINITY, script: { caveats: caveats('pass') } },
  bucket: { serves: 3, script: { caveats: caveats('bucket:3') } },
  credit: { serves: Number.POSITIVE_INFINITY, script: { caveats: caveats('credit:100000000') } },
  single: { serves: 1, script: { caveats: caveats('per-request') } },
  /** Tokens that say nothing. */
  silent: { serves: Number.POSITIVE_INFINITY, script: {} },
  silentSingle: { serves: 1, script: { token: 'opaque' } },
} as const;
type Kind = keyof typeof kinds;

const server = await startLyingServer(FixedClock.create());
afterAll(() => server.close());
/** The seller's invoices, made once: signing is slow. */
const pool = Object.fromEntries(
  Object.entries(kinds).map(([kind, { script }]) => [kind, Array.from({ length: 40 }, () => server.offer({ ...script, expirySeconds: 3600 }))]),
) as Record<Kind, MadeOffer[]>;

const calls = fc.array(fc.record({ client: fc.integer({ min: 0, max: 2 }), delay: fc.nat(6) }), { minLength: 1, maxLength: 8 });
const situation = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  calls,
  clients: fc.integer({ min: 1, max: 3 }),
  /** How long the seller takes, bare and paid, and the wallet, in turns of the event loop. */
  slow: fc.record({ bare: fc.nat(5), paid: fc.nat(5), wallet: fc.nat(8) }),
  /** How long each client's way to the journal is, when it is about to pay. */
  far: fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)),
});

async function run({ kind, calls, clients, slow, far }: typeof situation extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const clock = FixedClock.create();
  const scripted = createScriptedPayer({ preimageOf: server.preimageOf });
  const pay = async (request: Parameters<typeof scripted.pay>[0]) => {
    await turns(slow.wallet);
    return scripted.pay(request);
  };
  const payer = { ...scripted, pay };
  const { serves } = kinds[kind];
  const used = new Map<PaymentHash, number>();
  let offers = 0;
  const seller = async (_: string, init?: RequestInit) => {
    const shown = shownBy(new Headers(init?.headers).get('Authorization') ?? undefined);
    await turns(shown ? slow.paid : slow.bare);
    const hash = shown && Preimage.hash(shown.preimage);
    const uses = hash === undefined ? serves : (used.get(hash) ?? 0);
    if (hash !== undefined && uses < serves) {
      used.set(hash, uses + 1);
      return new Response('ok');
    }
    const offer = pool[kind][offers++] as MadeOffer;
    return new Response('{}', { status: 402, headers: { 'WWW-Authenticate': `L402 macaroon="${offer.token}", invoice="${offer.invoice}"` } });
  };
  const store = createMemoryClientStore();
  const reached = (away = 0): ClientStore => ({
    ...store,
    reserve: async (request) => {
      await turns(away);
      return store.reserve(request);
    },
    dispatch: async (request) => {
      await turns(away);
      return store.dispatch(request);
    },
  });
  const fetches = Array.from({ length: clients }, (_, index) =>
    createFetch({ payer, maxPerRequest: '60 sat', store: reached(far[index]), clock, fetch: seller }),
  );
  const order: number[] = [];
  const all = calls.map(async ({ client, delay }, index) => {
    await turns(delay);
    const response = await (fetches[client % clients] as (typeof fetches)[number])('https://api.example.com/v1/translate');
    order.push(index);
    expect(await response.text()).toBe('ok');
    return paymentOf(response);
  });
  const payments = await passing(clock, Promise.all(all));
  expect(payments.filter((payment) => payment?.reused === false).length).toBe(scripted.paid.length);
  expect(scripted.paid.length).toBe(serves === Number.POSITIVE_INFINITY ? 1 : Math.ceil(calls.length / serves));
  // In the order in which they came, where each buys his own after the other.
  if (kind === 'silentSingle' && clients === 1 && calls.every(({ delay }) => delay === 0)) expect(order).toEqual(calls.map((_, index) => index));
  for (const count of used.values()) expect(count <= serves).toBe(true);
  expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: scripted.spentMsat(), stoppedBy: undefined });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves time on until the promise ends. */
async function passing<T>(clock: FixedClock.FixedClock, promise: Promise<T>): Promise<T> {
  let over = false;
  const end = promise.finally(() => {
    over = true;
  });
  end.catch(() => undefined);
  while (!over) {
    await turns(1);
    if (!over && clock.timers() > 0) clock.advance(50);
  }
  return end;
}

it('makes one payment where one serves all, and no more than are needed otherwise', async () => {
  await fc.assert(fc.asyncProperty(situation, run), { numRuns: 100 });
}, 60_000);
