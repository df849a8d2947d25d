/**
 * What all liars have in common: every way with what has happened in it, the time, and who is kept waiting.
 */
import * as Amount from '../../core/Amount.ts';
import { type Clock, nowAt } from '../../core/Clock.ts';
import type { OfferScript } from '../Offers.ts';
import * as Book from './Book.ts';
import type { Maker } from './Maker.ts';
import { type Limits, type Seen, type SeenVisit, seenBy } from './Seen.ts';
import type { Booth, Place, Script } from './Way.ts';
import { scripts } from './ways.ts';

/** A way, with all that has happened in it. */
export type Act = {
  readonly script: Script;
  readonly visits: SeenVisit[];
  readonly entries: Book.Entry[];
  /** Robberies that the script has noticed itself. */
  readonly noted: string[];
  /** The offer that is made to everybody who asks, once it is made. */
  same?: Promise<Book.SoldOffer>;
};

/** Everything that the liars have in common. */
export type Stage = {
  /** By the name of the way. */
  readonly acts: ReadonlyMap<string, Act>;
  /** Unix seconds. */
  readonly nowAt: () => number;
  /** Moves time on. */
  readonly later: (seconds: number) => void;
  /** How many connections are kept waiting for good. */
  readonly silent: () => number;
  readonly boothOf: (act: Act) => Booth;
  readonly seen: (act: Act) => Seen;
  /** Asks the wallet that made the invoices of a way which of them have been paid. @throws LIGHTNING_UNAVAILABLE – it could not be found out */
  readonly lookUp: (act: Act) => Promise<void>;
  /** Begins a way anew. */
  readonly forget: (act: Act) => void;
};

/** What the client under test is to be limited to. */
export const limits: Limits = { maxPerRequestMsat: 60_000n, maxTotalMsat: 500_000n };

/**
 * Sets the stage.
 * @param origins - filled in before the first request
 */
export function createStage(clock: Clock, origins: { readonly [place in Place]: string }, maker: Maker): Stage {
  const acts = new Map(scripts.map((script) => [script.name, begin(script)]));
  let offsetSeconds = 0;
  let silent = 0;
  const now = () => nowAt(clock) + offsetSeconds;

  const boothOf = (act: Act): Booth => {
    const { name } = act.script;
    const at = { seller: `${origins.seller}/${name}`, thief: `${origins.thief}/${name}`, plain: `${origins.plain}/${name}` };
    const offer = async (script: OfferScript = {}) => {
      const made = await maker.make({ caveats: caveatsOf(name, now()), ...script }, now());
      act.entries.push(Book.open(made, script.amountMsat ?? Amount.fromSat(50)));
      return made;
    };
    return {
      at,
      nowAt: now,
      offer,
      sameOffer: (script) => {
        act.same ??= offer(script);
        return act.same;
      },
      robbed: (how) => void act.noted.push(how),
      fallSilent: (response) => {
        silent++;
        response.once('close', () => silent--);
      },
    };
  };

  return {
    acts,
    nowAt: now,
    later: (seconds) => {
      if (!(Number.isSafeInteger(seconds) && seconds >= 0)) throw new RangeError(`seconds is a whole number from 0 on, not ${seconds}`);
      offsetSeconds += seconds;
    },
    silent: () => silent,
    boothOf,
    seen: ({ script, visits, entries, noted }) => seenBy(script, visits, entries, noted, limits),
    lookUp: async ({ entries }) => {
      const { isPaid } = maker;
      if (!isPaid) return;
      for (const entry of entries) {
        if (entry.state !== 'open' || entry.offer.preimage !== undefined || !(await isPaid(entry.offer.paymentHash))) continue;
        // What its payer ordered, and the fee, the payee does not see.
        Object.assign(entry, { state: 'settled', orders: 1, orderedMsat: entry.amountMsat, spentMsat: entry.amountMsat });
      }
    },
    forget: ({ script }) => void acts.set(script.name, begin(script)),
  };
}

function begin(script: Script): Act {
  return { script, visits: [], entries: [], noted: [] };
}

/** A token for one answer at any path of the way. */
function caveatsOf(way: string, at: number): readonly string[] {
  return ['services=liar:0', `liar_path=/${way}/*`, `liar_valid_until=${at + 86_400}`, 'liar_terms=per-request'];
}
