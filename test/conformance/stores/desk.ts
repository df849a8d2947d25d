/**
 * A paywall in front of a store of any kind, somebody who buys there, and somebody who revokes; all under one clock, which never moves while the
 * store is being asked something.
 */
import { createHash } from 'node:crypto';
import * as Amount from '../../../src/core/Amount.ts';
import type { Clock } from '../../../src/core/Clock.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import type { Preimage } from '../../../src/core/Preimage.ts';
import * as Path from '../../../src/http/Path.ts';
import type { RequestView } from '../../../src/http/RequestView.ts';
import { createSandboxNetwork } from '../../../src/lightning/sandbox.ts';
import type { Decision } from '../../../src/server/Decision.ts';
import type * as Offer from '../../../src/server/Offer.ts';
import { createPaywall } from '../../../src/server/Paywall.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import type { Denial, Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';

/** What is bought: a token, and the proof that it was paid for. */
export type Bought = { readonly macaroon: Macaroon.Macaroon; readonly preimage: Preimage };

/** A token of what was bought, narrowed by these caveats, as it is presented. */
export function credential({ macaroon, preimage }: Bought, caveats: readonly string[]): string {
  return `L402 ${Macaroon.format(Macaroon.attenuate(macaroon, caveats))}:${preimage}`;
}

/** See the head of this file. */
export type Desk = {
  readonly store: Store;
  /** What the paywall says to a request of a route with these headers. */
  readonly decide: (offer: Offer.Offer, headers?: { readonly [name: string]: string }) => Promise<Decision>;
  readonly buy: (offer: Offer.Offer) => Promise<Bought>;
  /** Moves time on, when nothing is being asked, and waits until all is asked and answered that has become due. */
  readonly advance: (ms: number) => Promise<void>;
  /** Refuses something from now on. Resolves when the paywall has heard of it. */
  readonly revoke: (denial: Pick<Denial, 'kind' | 'value'>) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** How often a paywall asks what was revoked. */
const beatMs = 400;

/** How long a call is held without a word. */
export const leaseSeconds = 30;

/** A desk over a store that it opens. */
export async function openDesk(open: (clock: Clock) => Promise<Store>): Promise<Desk> {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const { store, rest, questions } = listening(await open(clock));
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
  const mintLimits = { perClientPerMinute: 1_000_000, perMinute: 1_000_000 };
  const paywall = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, mintLimits, leaseSeconds, inUseWaitMs: 0 });
  const payer = sandbox.payer('buyer');
  const decide: Desk['decide'] = async (offer, headers = {}) => paywall.check(view(offer, headers), Path.normalize(offer.pattern ?? '/'), offer);
  const advance = async (ms: number) => {
    await rest();
    clock.advance(ms);
    await rest();
  };
  return {
    store,
    decide,
    buy: async (offer) => {
      const decision = await decide(offer);
      if (decision.kind !== 'challenge') throw new Error(decision.kind);
      const { macaroon, invoice } = JSON.parse(String(decision.answer.body)) as { macaroon: string; invoice: string };
      const paid = await payer.pay({ invoice, maxFeeMsat: Amount.fromSat(100), timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(paid.kind);
      return { macaroon: Macaroon.parse(macaroon), preimage: paid.preimage };
    },
    advance,
    revoke: async (denial) => {
      await store.deny({ ...denial, expiresAt: Math.ceil(clock.nowMs() / 1000) + 10 ** 8 });
      const before = questions();
      await advance(beatMs);
      if (questions() === before) throw new Error('nobody asked what was revoked');
    },
    close: async () => {
      await paywall.close();
      await store.close();
      await sandbox.close();
    },
  };
}

/** What the use of a token is counted on. */
export function wholeName({ identifier }: Macaroon.Macaroon): string {
  return createHash('sha256').update('farebox/use/1/').update(identifier).digest('hex');
}

/** What the use of a part is counted on, and by which it is revoked. @param token - narrowed so far */
export function partName({ signature }: Macaroon.Macaroon): string {
  return createHash('sha256').update('farebox/part/1/').update(signature).digest('hex');
}

/** A store, and word of when nothing is being held for longer, and nobody is asking what was revoked. */
function listening(store: Store) {
  const underWay = new Set<Promise<unknown>>();
  let questions = 0;
  const heard = <T>(answer: Promise<T>): Promise<T> => {
    underWay.add(answer);
    return answer.finally(() => underWay.delete(answer));
  };
  return {
    store: {
      ...store,
      extend: (request) => heard(store.extend(request)),
      denials: (after) => {
        questions += 1;
        return heard(store.denials(after));
      },
    } satisfies Store,
    questions: () => questions,
    rest: async (): Promise<void> => {
      do {
        await Promise.allSettled(underWay);
        // Whoever got an answer, or whose time has come, has his turn.
        await new Promise((resolve) => setImmediate(resolve));
      } while (underWay.size > 0);
    },
  };
}

function view({ pattern }: Offer.Offer, headers: { readonly [name: string]: string }): RequestView {
  return {
    method: 'GET',
    target: pattern ?? '/',
    clientAddress: '192.0.2.1',
    header: (name) => headers[name],
    headerLines: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    readBody: async () => new Uint8Array(0),
  };
}
