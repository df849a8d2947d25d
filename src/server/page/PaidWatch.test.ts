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
  const watched = { receiver: { name: 'fake', lookupInvoice } as unknown as Receiver, paymentHash, amountMsat: 1000n, clientAddress: '192.0.2.1' };
  let backMs = 0;
  const watch = createPaidWatch({ clock: { ...clock, nowMs: () => clock.nowMs() - backMs }, events, nodeTimeoutMs: 1000 });
  const setBack = (ms: number) => {
    backMs = ms;
  };
  const pay = () => {
    state = { kind: 'paid', amountMsat: 1000n as never, settledAt: 0 };
  };
  const set = (next: InvoiceState | Error) => {
    state = next;
  };
  return { clock, events, watched, watch, asked: () => asked, pay, set, setBack };
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
  expect([clock.timers(), events.isHeard(), watch.hasRoom('192.0.2.1')]).toEqual([0, false, true]);
});

test('what is over is asked about once a minute, also after a clock was set back', async () => {
  const { watch, watched, clock, set, setBack, asked } = setup();
  set({ kind: 'expired' });
  for (let second = 0; second < 60; second++) {
    expect(await watch.ask(watched)).toBe('over');
    clock.advance(1000);
  }
  expect(asked()).toBe(1);
  await watch.ask(watched);
  setBack(3_600_000);
  expect([await watch.ask(watched), asked()]).toEqual(['over', 3]);
});

test('a client has four questions under way at most, and hears what was known last where it may ask no more', async () => {
  const clock = FixedClock.create();
  let isHeldUp = false;
  const held: (() => void)[] = [];
  const lookupInvoice = async () => {
    if (isHeldUp) await new Promise<void>((go) => held.push(go));
    return { kind: 'open', expiresAt: 0 };
  };
  const receiver = { name: 'fake', lookupInvoice } as unknown as Receiver;
  const invoice = (number: number, clientAddress: string) => ({
    receiver,
    paymentHash: number.toString(16).padStart(64, '0'),
    amountMsat: 1000n,
    clientAddress,
  });
  const watch = createPaidWatch({ clock, events: createEvents(), nodeTimeoutMs: 600_000 });
  expect(await watch.ask(invoice(9, '2001:db8::9'))).toBe('open');
  clock.advance(1000);
  isHeldUp = true;
  const running = Array.from({ length: 4 }, (_, number) => watch.ask(invoice(number, `2001:db8::${number}`)));
  expect(await watch.ask(invoice(4, '2001:db8::4'))).toBe('unknown');
  expect(await watch.ask(invoice(9, '2001:db8::5'))).toBe('open');
  clock.advance(60_000);
  isHeldUp = false;
  expect(await watch.ask(invoice(4, '2001:db8:0:1::4'))).toBe('open');
  for (const go of held) go();
  await Promise.all(running);
  expect(await watch.ask(invoice(5, '2001:db8::4'))).toBe('open');
});

test('of what waits, sixteen are one client at most', async () => {
  const { watch, watched } = setup();
  const gone = new AbortController();
  const follow = async (number: number, clientAddress: string) => {
    for await (const _ of watch.follow({ ...watched, clientAddress }, 'open', gone.signal)) throw new Error(`nothing has changed for ${number}`);
  };
  const following = Array.from({ length: 16 }, (_, number) => follow(number, `2001:db8::${number}`));
  expect([watch.hasRoom('2001:db8::ffff'), watch.hasRoom('2001:db8:0:1::1'), watch.hasRoom('192.0.2.1')]).toEqual([false, true, true]);
  await follow(16, '2001:db8::16');
  gone.abort();
  await Promise.all(following);
  expect(watch.hasRoom('2001:db8::1')).toBe(true);
});
