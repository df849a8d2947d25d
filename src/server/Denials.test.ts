import { afterEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Change, Denial, Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { type Deniable, type Denials, followDenials } from './Denials.ts';

const expiresAt = 2_000_000_000;
const digits = (digit: string) => digit.repeat(64);
const payment = (digit: string): Denial => ({ kind: 'payment', value: digits(digit), expiresAt });
const paidWith = (digit: string): Deniable => ({
  paymentHash: digits(digit),
  tokenId: digits('0'),
  fingerprint: '00000000',
  mintedAt: 1_800_000_000,
  branches: [],
});

/** The feed of a store that is silent. */
const silent: Store['changes'] = async function* ({ signal }) {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

/** A list over a store in memory, of which a test changes some calls. Its feed is silent where the test wants no feed. */
async function open(change: (store: Store) => Partial<Store> = () => ({}), before: readonly Denial[] = []) {
  const clock = FixedClock.create();
  const memory = createMemoryStore({ clock });
  for (const denial of before) await memory.deny(denial);
  const told: string[] = [];
  const onTrouble = (error: unknown) => told.push(FareboxError.is(error) ? error.message : String(error));
  const opened = followDenials({ store: { ...memory, ...change(memory) }, clock, staleMs: 60_000, onTrouble });
  const pass = async (ms: number, stepMs = 100) => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await turns();
    }
  };
  let denials: Denials | undefined;
  void opened.then((made) => {
    denials = made;
  });
  await turns();
  closing.push(async () => {
    await denials?.close();
    await memory.close();
    expect(clock.timers()).toBe(0);
  });
  const judge = (digit: string) => (denials ? denials.judge(paidWith(digit)) : 'not open');
  const judgeStrictly = (digit: string) => denials?.judge(paidWith(digit), 'refuse');
  return { clock, memory, told, pass, judge, judgeStrictly };
}

/** A store whose answers about what was revoked a test may hold up, or refuse. */
function gate(store: Store) {
  const door: { is: 'open' | 'shut' | 'silent' } = { is: 'open' };
  const held: (() => void)[] = [];
  const asked: (number | undefined)[] = [];
  const denials: Store['denials'] = async (after) => {
    asked.push(after);
    if (door.is === 'shut') throw new FareboxError('STORE_UNAVAILABLE', 'The store is away.');
    if (door.is === 'silent') await new Promise<void>((resolve) => held.push(resolve));
    return store.denials(after);
  };
  return { door, held, asked, calls: { denials, changes: silent } };
}

/** The same, opened. */
async function openGated(is: 'open' | 'shut' | 'silent' = 'open', before: readonly Denial[] = []) {
  let made: ReturnType<typeof gate> | undefined;
  const opened = await open((store) => {
    made = gate(store);
    made.door.is = is;
    return made.calls;
  }, before);
  return { ...opened, ...(made as ReturnType<typeof gate>) };
}

test('every kind of denial is held against a token, and nothing else', async () => {
  const token = { paymentHash: digits('1'), tokenId: digits('2'), fingerprint: '01020304', mintedAt: 1000, branches: [digits('4'), digits('5')] };
  const all: readonly (readonly [Denial, Partial<Deniable>])[] = [
    [{ kind: 'payment', value: digits('1'), expiresAt }, { paymentHash: digits('3') }],
    [{ kind: 'token', value: digits('2'), expiresAt }, { tokenId: digits('3') }],
    [{ kind: 'part', value: digits('4'), expiresAt }, { branches: [digits('1'), digits('2'), digits('5')] }],
    [{ kind: 'key', value: '01020304', expiresAt }, { fingerprint: '01020305' }],
    [{ kind: 'minted-before', value: '1001', expiresAt }, { mintedAt: 1001 }],
  ];
  for (const [denial, other] of all) {
    const clock = FixedClock.create();
    const store = createMemoryStore({ clock });
    await store.deny(denial);
    const denials = await followDenials({ store, clock, staleMs: 60_000, onTrouble: () => {} });
    expect([denial.kind, denials.judge(token), denials.judge({ ...token, ...other })]).toEqual([denial.kind, 'denied', 'good']);
    await denials.close();
  }
});

describe('what is revoked while it runs', () => {
  test('is heard of at once where the feed lives, and within a second where it does not', async () => {
    const lively = await open();
    await lively.memory.deny(payment('1'));
    await turns();
    expect(lively.judge('1')).toBe('denied');
    const deaf = await openGated();
    await deaf.memory.deny(payment('1'));
    await turns();
    expect(deaf.judge('1')).toBe('good');
    await deaf.pass(500);
    expect([deaf.judge('1'), deaf.judge('2'), deaf.told]).toEqual(['denied', 'good', []]);
  });

  test('is asked for behind what was read already', async () => {
    const { asked, memory, pass } = await openGated('open', [payment('1')]);
    await memory.deny(payment('2'));
    await pass(900);
    expect(asked).toEqual([undefined, 1, 2]);
  });

  test('a feed that breaks, or ends without a word, is taken up after a pause, and breaks nothing', async () => {
    let asked = 0;
    const { memory, pass, judge, told } = await open(() => ({
      changes: async function* ({ signal }): AsyncGenerator<Change> {
        asked++;
        if (asked === 1) yield { seq: 41, kind: 'denial', denial: payment('1') };
        if (asked === 1) throw new Error('the feed broke');
        if (asked > 2) yield* silent({ signal });
      },
    }));
    expect([asked, judge('1')]).toEqual([1, 'denied']);
    await pass(400);
    expect(asked).toBe(2);
    await pass(400);
    expect(asked).toBe(3);
    await memory.deny(payment('2'));
    await pass(500);
    expect([judge('2'), told]).toEqual(['denied', []]);
  });

  test('a store that was put back from a copy is read from its beginning, and frees nobody', async () => {
    const old = createMemoryStore({ clock: FixedClock.create() });
    const { memory, pass, judge, asked } = await openGated('open', [payment('1'), payment('2'), payment('3')]);
    let copy: Store | undefined;
    const ask = memory.denials;
    Object.assign(memory, { denials: (after?: number) => (copy ?? { denials: ask }).denials(after) });
    copy = old;
    await old.deny(payment('4'));
    await pass(1300);
    expect(asked).toEqual([undefined, 3, undefined, 1]);
    expect(['1', '4', '5'].map(judge)).toEqual(['denied', 'denied', 'good']);
  });
});

describe('a store that is away', () => {
  test('at the start: nothing is known until it has been read once, and that is told once a minute', async () => {
    const { door, judge, pass, told } = await openGated('shut', [payment('1')]);
    expect(['1', '2'].map(judge)).toEqual(['unknown', 'unknown']);
    await pass(59_000, 400);
    expect([judge('2'), told]).toEqual(['unknown', ['The store is away.']]);
    await pass(60_000, 400);
    expect(told).toEqual(['The store is away.', 'The store is away.']);
    door.is = 'open';
    await pass(500);
    expect(['1', '2'].map(judge)).toEqual(['denied', 'good']);
  });

  test('later: the last list is good for its time, then nothing is known; it is known again within a second', async () => {
    const { door, judge, pass, told } = await openGated('open', [payment('1')]);
    door.is = 'shut';
    await pass(59_000, 400);
    expect(['1', '2'].map(judge)).toEqual(['denied', 'good']);
    await pass(1400, 400);
    expect(['1', '2'].map(judge)).toEqual(['unknown', 'unknown']);
    expect(told).toEqual(['The store is away.', 'What was revoked could not be read for 60 s: nothing is served until it is.']);
    await pass(120_000, 400);
    expect(judge('2')).toBe('unknown');
    door.is = 'open';
    await pass(500);
    expect(['1', '2'].map(judge)).toEqual(['denied', 'good']);
  });

  test('where an outage refuses, nothing is known from the first question that fails until one is answered', async () => {
    const { door, judge, judgeStrictly, pass } = await openGated('open', [payment('1')]);
    expect(['1', '2'].map((digit) => judgeStrictly(digit))).toEqual(['denied', 'good']);
    door.is = 'shut';
    await pass(500);
    expect(['1', '2'].map((digit) => judgeStrictly(digit))).toEqual(['unknown', 'unknown']);
    expect(['1', '2'].map((digit) => judge(digit))).toEqual(['denied', 'good']);
    door.is = 'open';
    await pass(500);
    expect(['1', '2'].map((digit) => judgeStrictly(digit))).toEqual(['denied', 'good']);
  });

  test('where an outage refuses, one that is silent is away after two seconds, and back with an answer; one that is slow is not away', async () => {
    const { door, held, judgeStrictly, pass } = await openGated();
    door.is = 'silent';
    await pass(1900);
    expect(judgeStrictly('1')).toBe('good');
    await pass(1000);
    expect(judgeStrictly('1')).toBe('unknown');
    for (const answer of held.splice(0)) answer();
    await turns();
    expect(judgeStrictly('1')).toBe('good');
    for (let slow = 0; slow < 10; slow++) {
      await pass(1000);
      for (const answer of held.splice(0)) answer();
      await turns();
      expect(judgeStrictly('1')).toBe('good');
    }
  });

  test('silent at the start: it is not waited for, and asked again', async () => {
    const { door, held, judge, pass, told, asked } = await openGated('silent');
    expect(judge('1')).toBe('not open');
    await pass(500);
    expect(judge('1')).toBe('unknown');
    await pass(10_000);
    expect([asked.length, told]).toEqual([4, ['The store does not answer.']]);
    door.is = 'open';
    for (const answer of held.splice(0)) answer();
    await pass(500);
    expect(judge('1')).toBe('good');
  });

  test('silent for longer than the list is good for: an answer that comes too late shows nothing', async () => {
    const { door, held, judge, pass } = await openGated();
    door.is = 'silent';
    await pass(70_000, 400);
    expect(judge('1')).toBe('unknown');
    const late = held.splice(0);
    for (const answer of late) answer();
    await turns();
    expect([judge('1'), held.length]).toEqual(['unknown', late.length]);
    door.is = 'open';
    for (const answer of held.splice(0)) answer();
    await turns();
    expect(judge('1')).toBe('good');
  });

  test('a clock that is set back keeps no list any longer', async () => {
    const { clock, door, judge, pass } = await openGated();
    door.is = 'shut';
    const back = clock.nowMs() - 86_400_000;
    Object.assign(clock, { nowMs: () => back });
    await pass(60_500, 400);
    expect(judge('1')).toBe('unknown');
  });
});
