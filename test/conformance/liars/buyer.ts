/**
 * Our client at the liars': taken through the steps of a way, with a clock that moves only where somebody waits for it.
 */
import { type ClientStore, createFetch, type Spending } from '../../../src/client/index.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import type { Payer } from '../../../src/lightning/Lightning.ts';
import type { FixedClock } from '../../../src/testing/FixedClock.ts';
import type { Ending, Liars, Way } from '../../../src/testing/index.ts';

/** How a call ended: as the catalogue names it, and as our client says it. */
export type Outcome = {
  readonly ending: Ending;
  /** The error's code; the status of a response; the name of any other error. */
  readonly said: string;
};

/** What came of all steps of a way. */
export type Purchase = {
  readonly outcomes: readonly Outcome[];
  readonly spending: Spending;
  /** Timers that were left behind. */
  readonly timers: number;
};

/** A buyer: what it pays with, and where it keeps its journal. */
export type Buyer = { readonly liars: Liars; readonly clock: FixedClock; readonly payer: Payer; readonly store: ClientStore };

/** Takes our client through all steps of a way. */
export async function buyThrough(way: Way, { liars, clock, payer, store }: Buyer): Promise<Purchase> {
  const fetch = createFetch({
    payer,
    store,
    clock,
    maxPerRequest: '60 sat',
    maxTotal: '500 sat',
    // A seller that asks for a moment gets it.
    onEvent: (event) => event.kind === 'waiting' && setImmediate(() => clock.advance(event.ms)),
  });
  const outcomes: Outcome[] = [];
  for (const step of way.steps) {
    if (step.kind === 'later') {
      clock.advance(step.seconds * 1000);
      continue;
    }
    const caller = new AbortController();
    const call = outcomeOf(fetch(`${liars.url}/${way.name}/${step.path}`, { signal: caller.signal }));
    outcomes.push(await patiently(call, liars, () => (step.ends === 'given-up' ? caller.abort() : clock.timers() > 0 && clock.advance(100))));
  }
  await settled(liars);
  return { outcomes, spending: await store.spending(), timers: clock.timers() };
}

/** How a call ended. An answer is read to its end, as long as it is short. */
export async function outcomeOf(call: Promise<Response>): Promise<Outcome> {
  try {
    const response = await call;
    const body = await readShort(response);
    return { ending: response.status === 200 && body === '{"ok":true}' ? 'answered' : 'handed-on', said: String(response.status) };
  } catch (error) {
    if (FareboxError.is(error)) return { ending: endingOf(error), said: error.code };
    const { name } = error as Error;
    return { ending: name === 'AbortError' ? 'given-up' : 'broken', said: name };
  }
}

/** Does something again and again while a liar keeps somebody waiting, until the call is over. */
export async function patiently<T>(call: Promise<T>, liars: Liars, doSomething: () => unknown): Promise<T> {
  let isOver = false;
  void call.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    if (liars.silent() > 0) doSomething();
  }
  return call;
}

/** Waits until nobody is kept waiting any more. */
async function settled(liars: Liars): Promise<void> {
  while (liars.silent() > 0) await new Promise((resolve) => setImmediate(resolve));
}

const endings: { readonly [code: string]: Ending } = {
  BUDGET_EXCEEDED: 'refused',
  CHALLENGE_MALFORMED: 'refused',
  CHALLENGE_REFUSED: 'refused',
  INVOICE_EXPIRED: 'refused',
  INVOICE_MALFORMED: 'refused',
  JOURNAL_CONFLICT: 'refused',
  PAYMENT_FAILED: 'failed',
  PAYMENT_INTERRUPTED: 'interrupted',
  PAYMENT_NOT_HONOURED: 'not-honoured',
  PAYMENT_UNKNOWN: 'held',
  PAYMENT_UNROUTABLE: 'failed',
};

function endingOf({ code, details, message }: FareboxError): Ending {
  if (code === 'BUDGET_EXCEEDED' && details.limit === 'overshoot') return 'stopped';
  const ending = endings[code];
  if (ending === undefined) throw new Error(`no way ends with ${code}: ${message}`);
  return ending;
}

async function readShort(response: Response): Promise<string> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.length > 100_000) break;
  }
  return text;
}
