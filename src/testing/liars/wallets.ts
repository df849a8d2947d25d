/**
 * Wallets that lie about a payment.
 */

import { refuse, reply } from './answers.ts';
import { type Entry, failed, lookUp as honestly, settle, usualFeeMsat } from './Book.ts';
import { ask, type Booth, later, type Script, usualMost } from './Way.ts';

const held = [ask('held'), ask('held')];

/** The proof is none. */
export const proofs: readonly Script[] = [
  claiming('paid-without-preimage', 'says that it has paid, and shows no preimage. It has', async () => undefined, settle),
  claiming('wrong-preimage', 'says that it has paid, and shows a preimage that does not match. It has not', async () => 'ab'.repeat(32)),
  claiming(
    'preimage-of-another',
    'says that it has paid, and shows the preimage of another payment. It has not',
    async (booth) => (await booth.sameOffer()).preimage,
  ),
];

/** A definite word that is wrong, or none at all. */
export const words: readonly Script[] = [
  {
    name: 'silent-has-paid',
    liar: 'wallet',
    does: 'The wallet pays and never answers; a look-up tells the truth.',
    demand: 'Stop waiting, hold the payment as unknown, look it up before the next one: paid once, answered once.',
    steps: [ask('held'), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }, booth) => {
      settle(entry);
      booth.fallSilent(response);
    },
  },
  {
    name: 'silent-has-not-paid',
    liar: 'wallet',
    does: 'The wallet never answers and has not paid; a look-up says that it has never seen the payment.',
    demand: 'Hold the payment while its invoice can still be paid; free its money after that, and pay a new one.',
    steps: [...held, later(4000), ask('answered')],
    most: { requests: 10, orders: 2 },
    pay: ({ entry, earlier, response }, booth) => (earlier === 0 ? booth.fallSilent(response) : reply(response, settle(entry))),
  },
  {
    name: 'says-failed-has-paid',
    liar: 'wallet',
    does: 'The wallet says that the payment failed, and has paid; a look-up tells the truth.',
    demand: 'Look a failure up before its money is free again: two words that contradict each other are no failure.',
    steps: [ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      reply(response, failed('no-route', 'No route was found.'));
    },
  },
  {
    name: 'unknown-for-ever',
    liar: 'wallet',
    does: 'The wallet cannot say what became of the payment, not when it is made and not at any look-up. It has paid.',
    demand: 'Hold the payment for good, until a person resolves it; never pay again for this.',
    steps: [...held, later(4000), ask('held')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      reply(response, unknown);
    },
    lookUp: ({ response }) => reply(response, unknown),
  },
  {
    name: 'under-way-for-ever',
    liar: 'wallet',
    does: 'The wallet cannot say what became of the payment, and every look-up says that it is under way, also after its invoice has expired.',
    demand: 'Hold the payment for as long as it is under way; never pay again for this.',
    steps: [...held, later(4000), ask('held')],
    most: usualMost,
    pay: ({ entry, response }) => {
      entry.state = 'pending';
      entry.settlesAt = Number.MAX_SAFE_INTEGER;
      reply(response, unknown);
    },
  },
  {
    name: 'says-failed-is-under-way',
    liar: 'wallet',
    does: 'The wallet says that the payment failed, and it is under way; a minute later it settles.',
    demand: 'Look a failure up before its money is free again; hold what is under way.',
    steps: [...held, later(60), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }, booth) => {
      entry.state = 'pending';
      entry.settlesAt = booth.nowAt() + 60;
      reply(response, failed('no-route', 'No route was found.'));
    },
  },
  {
    name: 'says-unauthorized-has-paid',
    liar: 'wallet',
    does: 'The wallet answers the payment with 401, as if nobody may pay from it, and has paid; a look-up tells the truth.',
    demand: 'Hold the payment as unknown, look it up before the next one: paid once, answered once.',
    steps: [ask('held'), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      refuse(response, 401, 'LIGHTNING_UNAUTHORIZED', 'You may not pay from this wallet.');
    },
  },
  {
    name: 'nonsense-for-ever',
    liar: 'wallet',
    does: 'The wallet answers the payment and every look-up with nonsense. It has paid.',
    demand: 'Take what cannot be read for unknown; hold the payment, and never pay again for this.',
    steps: [...held, later(4000), ask('held')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      reply(response, [{ kind: ['settled'] }, null, 'settled']);
    },
    lookUp: ({ response }) => reply(response, { kind: 7, preimage: { toString: 'settled' }, amountMsat: null }),
  },
  {
    name: 'contradicts-itself',
    liar: 'wallet',
    does: 'Look-ups say by turns that the payment is under way and that it was never seen, and go on so after its invoice has expired. It has paid.',
    demand: 'Hold what has once been seen: a payment that was under way is not absent later.',
    steps: [...held, ask('held'), later(4000), ask('held'), ask('held')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      reply(response, unknown);
    },
    lookUp: ({ entry, response }) => reply(response, { kind: entry.lookUps % 2 === 1 ? 'pending' : 'absent' }),
  },
  {
    name: 'answers-for-another',
    liar: 'wallet',
    does: 'The payment ends unknown, and the look-up answers for another payment hash: settled, with the other one’s preimage.',
    demand: 'Check the preimage of a look-up too; hold the payment as unknown.',
    steps: held,
    most: usualMost,
    pay: ({ response }) => reply(response, unknown),
    lookUp: async ({ entry, response }, booth) => reply(response, { ...claimOf(entry), preimage: (await booth.sameOffer()).preimage }),
  },
];

/** The sum is wrong. */
export const sums: readonly Script[] = [
  {
    name: 'overcharges',
    liar: 'wallet',
    does: 'The wallet charges a fee of 500 sat, whatever limit it was given.',
    demand: 'Count what it really cost, hand over the answer, and pay nothing more before a person has looked.',
    steps: [ask('answered'), ask('stopped')],
    most: usualMost,
    pay: ({ entry, response }) => reply(response, settle(entry, 500_000n)),
  },
  {
    name: 'overpays',
    liar: 'wallet',
    does: 'The wallet pays 5,000 sat for an invoice of 50.',
    demand: 'Count what it really cost, hand over the answer, and pay nothing more before a person has looked.',
    steps: [ask('answered'), ask('stopped')],
    most: usualMost,
    pay: ({ entry, response }) => reply(response, settle(entry, usualFeeMsat, 4_950_000n)),
  },
  {
    name: 'charges-all-there-is',
    liar: 'wallet',
    does: 'The wallet charges a fee of twenty million bitcoin.',
    demand: 'Count what it says it really cost, hand over the answer, and pay nothing more before a person has looked.',
    steps: [ask('answered'), ask('stopped')],
    most: usualMost,
    pay: ({ entry, response }) => reply(response, settle(entry, 2_000_000_000_000_000_000n)),
  },
  {
    name: 'underpays',
    liar: 'wallet',
    does: 'The wallet pays, and says that the payee got 1 sat of the 50.',
    demand: 'Never count a payment as less than its invoice.',
    steps: [ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => reply(response, { ...settle(entry), amountMsat: 1000n }),
  },
  {
    name: 'negative-fee',
    liar: 'wallet',
    does: 'The wallet pays, and says that the fee was 50 sat less than nothing, as if the payment had been free.',
    demand: 'Never count a payment as less than its invoice: it was paid, or the word of the wallet is none.',
    steps: held,
    most: usualMost,
    pay: ({ entry, response }) => reply(response, { ...settle(entry), feeMsat: -50_000n }),
    lookUp: ({ entry, response }) => reply(response, { ...settle(entry), feeMsat: -50_000n }),
  },
  {
    name: 'known-to-look-ups-only',
    liar: 'wallet',
    does: 'The wallet answers the payment with nonsense; a look-up tells the truth.',
    demand: 'Take what cannot be read for unknown, look it up before the next payment: paid once, answered once.',
    steps: [ask('held'), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      reply(response, { kind: 'success', amount: 'plenty' });
    },
    lookUp: ({ entry, response }, booth) => reply(response, honestly(entry, booth.nowAt())),
  },
];

const unknown = { kind: 'unknown', message: 'It cannot be said.' };

/** What a wallet says that has paid, whether it has or not. */
function claimOf(entry: Entry) {
  return { kind: 'settled', preimage: entry.offer.preimage, amountMsat: entry.amountMsat, feeMsat: usualFeeMsat };
}

/** A wallet that shows something else for a preimage, whenever it is asked. */
function claiming(name: string, does: string, preimage: (booth: Booth) => Promise<string | undefined>, act: (entry: Entry) => unknown = () => {}): Script {
  const claim: NonNullable<Script['lookUp']> = async ({ entry, response }, booth) => {
    act(entry);
    reply(response, { ...claimOf(entry), preimage: await preimage(booth) });
  };
  return {
    name,
    liar: 'wallet',
    does: `The wallet ${does}.`,
    demand: 'Check the preimage against the payment hash; hold the payment as unknown, and pay nothing more for this.',
    steps: held,
    most: usualMost,
    pay: claim,
    lookUp: claim,
  };
}
