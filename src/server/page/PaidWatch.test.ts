import { expect, test } from 'vitest';
import type { InvoiceState, Receiver } from '../../lightning/Lightning.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createEvents } from '../Events.ts';
import { createPaidWatch, type PaidState } from './PaidWatch.ts';

/** A watch over one invoice, whose state the test sets. */
function setup() {
  const clock = FixedClock.create();
  const events = createEvents();
  let state: InvoiceState | Error = { kind: 'open', expiresAt: 0 };
  let asked = 0;
  const lookupInvoice = async () => {
    asked++;
    if (state instanceof Error) throw state;
    return state;
  };
  const paymentHash = 'ab'.repeat(32);
  const watched = { receiver: { name: 'fake', lookupInvoice } as unknown as Receiver, paymentHash, amountMsat: 1000n };
  const watch = createPaidWatch({ clock, events, nodeTimeoutMs: 1000 });
  const pay = () => {
    state = { kind: 'paid', amountMsat: 1000n as never, settledAt: 0 };
  };
  const set = (next: InvoiceState | Error) => {
    state = next;
  };
  return { clock, events, watched, watch, asked: () => asked, pay, set };
}

test('what is known for good is not asked again', async () => {
  const { watch, watched, clock, pay, asked } = setup();
  pay();
  expect([await watch.ask(watched), asked()]).toEqual(['paid', 1]);
  clock.advance(10_000);
  expect([await watch.ask(watched), asked()]).toEqual(['paid', 1]);
});

test.each([
  [{ kind: 'expired' } as const, 'over'],
  [{ kind: 'cancelled' } as const, 'over'],
  [{ kind: 'absent' } as const, 'unknown'],
  [{ kind: 'paid', amountMsat: 999n as never, settledAt: 0 } as const, 'unknown'],
  [new Error('away'), 'unknown'],
])('%o is %s', async (state, expected) => {
  const { watch, watched, set } = setup();
  set(state);
  expect(await watch.ask(watched)).toBe(expected);
});

test('whoever follows hears of a payment as soon as its wallet tells, and of nothing after it', async () => {
  const { watch, watched, events, pay, clock } = setup();
  const heard: PaidState[] = [];
  const following = (async () => {
    for await (const state of watch.follow(watched, 'open', new AbortController().signal)) heard.push(state);
  })();
  pay();
  events.emit({ at: 0, kind: 'settled', paymentHash: watched.paymentHash, service: 'api', route: 'r', amountMsat: 1000n as never });
  await following;
  expect([heard, clock.timers(), events.isHeard()]).toEqual([['paid'], 0, false]);
});

test('where no wallet tells, it is asked every second, and after 25 seconds no more', async () => {
  const { watch, watched, clock, asked, set } = setup();
  const heard: PaidState[] = [];
  let isOver = false;
  const following = (async () => {
    for await (const state of watch.follow(watched, 'open', new AbortController().signal)) heard.push(state);
    isOver = true;
  })();
  for (let second = 0; second < 25; second++) {
    if (second === 10) set(new Error('away'));
    expect(isOver).toBe(false);
    clock.advance(1000);
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  }
  await following;
  expect([heard, asked(), clock.timers()]).toEqual([['unknown'], 25, 0]);
});

test('whoever leaves is forgotten at once', async () => {
  const { watch, watched, clock, events } = setup();
  const gone = new AbortController();
  const following = (async () => {
    for await (const _ of watch.follow(watched, 'open', gone.signal)) throw new Error('nothing has changed');
  })();
  await Promise.resolve();
  gone.abort();
  await following;
  expect([clock.timers(), events.isHeard(), watch.hasRoom()]).toEqual([0, false, true]);
});
