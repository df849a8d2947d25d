import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { type FailoverOptions, withFailover } from './failover.ts';
import type { InvoiceRequest, Receiver } from './Lightning.ts';
import { createSandboxNetwork } from './sandbox.ts';

const request: InvoiceRequest = { amountMsat: Amount.fromSat(50), description: 'one answer', expirySeconds: 600 };
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** What a wallet does: answers, says that it is away, or answers nothing, whatever it is told. */
type Mood = 'well' | 'away' | 'silent';

/** Wallets of one network that count what they are asked, and those wallets as one. */
function createOwner(names: readonly string[], options: FailoverOptions = {}) {
  const clock = FixedClock.create();
  const network = createSandboxNetwork({ clock });
  const asked: string[] = [];
  const moods = new Map<string, Mood>();
  const wallets = names.map((name): Receiver => {
    const node = network.receiver(name);
    const through = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      asked.push(`${name} ${what}`);
      const mood = moods.get(name);
      if (mood === 'away') throw new FareboxError('LIGHTNING_UNAVAILABLE', `${name} is away.`);
      if (mood === 'silent') return new Promise<never>(() => {});
      return work();
    };
    return {
      ...node,
      name,
      createInvoice: (order, signal) => through('invoice', () => node.createInvoice(order, signal)),
      lookupInvoice: (hash, signal) => through('lookup', () => node.lookupInvoice(hash, signal)),
      info: (signal) => through('info', async () => ({ ...(await node.info(signal)), alias: name })),
    };
  });
  const receiver = withFailover(wallets, { clock, ...options });
  closing.push(receiver.close, () => network.close());
  const take = () => asked.splice(0);
  const turns = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  };
  return { clock, network, wallets, receiver, take, turns, be: (name: string, mood: Mood) => moods.set(name, mood) };
}

describe('an invoice', () => {
  test('is of the first wallet while that is well', async () => {
    const { receiver, take } = createOwner(['one', 'two']);
    await receiver.createInvoice(request);
    expect(take()).toEqual(['one invoice']);
  });

  test('is of the next one where the first is away, and of the first again once it is back', async () => {
    const { receiver, take, be } = createOwner(['one', 'two', 'three']);
    be('one', 'away');
    be('two', 'away');
    await receiver.createInvoice(request);
    expect(take()).toEqual(['one invoice', 'two invoice', 'three invoice']);
    be('one', 'well');
    await receiver.createInvoice(request);
    expect(take()).toEqual(['one invoice']);
  });

  test('does not wait for a wallet that says nothing', async () => {
    const { clock, receiver, take, turns, be } = createOwner(['one', 'two']);
    be('one', 'silent');
    const made = receiver.createInvoice(request);
    await turns();
    expect(take()).toEqual(['one invoice']);
    clock.advance(3000);
    await made;
    expect(take()).toEqual(['two invoice']);
    expect(clock.timers()).toBe(0);
  });

  test('is refused with the last reason where nobody makes one', async () => {
    const { receiver, be } = createOwner(['one', 'two']);
    be('one', 'away');
    be('two', 'away');
    await expect(receiver.createInvoice(request)).rejects.toThrow('two is away.');
  });

  test('that is asked for in a wrong way is a mistake, and no reason to ask another', async () => {
    const { receiver, take } = createOwner(['one', 'two']);
    await expect(receiver.createInvoice({ ...request, amountMsat: Amount.zero })).rejects.toThrow(RangeError);
    expect(take()).toEqual(['one invoice']);
  });

  test('that nobody waits for any more is asked of nobody else', async () => {
    const { receiver, take, turns, be } = createOwner(['one', 'two']);
    be('one', 'away');
    const calling = new AbortController();
    const made = receiver.createInvoice(request, calling.signal);
    calling.abort(new Error('called off'));
    await expect(made).rejects.toThrow('called off');
    await turns();
    expect(take()).toEqual(['one invoice']);
  });
});

describe('a wallet that failed three times in a row', () => {
  async function setAside(options: FailoverOptions = {}) {
    const owner = createOwner(['one', 'two'], options);
    owner.be('one', 'away');
    for (let turn = 0; turn < 3; turn++) await owner.receiver.createInvoice(request);
    owner.take();
    return owner;
  }

  test('is not asked for invoices any more', async () => {
    const { receiver, take } = await setAside();
    await receiver.createInvoice(request);
    expect(take()).toEqual(['two invoice']);
  });

  test('is asked who it is after a while, behind the buyers\u2019 backs, and then for invoices again', async () => {
    const { clock, receiver, take, turns, be } = await setAside();
    clock.advance(10_000);
    await receiver.createInvoice(request);
    await turns();
    expect(take()).toEqual(['one info', 'two invoice']);
    await receiver.createInvoice(request);
    expect(take()).toEqual(['two invoice']);
    be('one', 'well');
    clock.advance(10_000);
    await receiver.createInvoice(request);
    await turns();
    expect(take()).toEqual(['one info', 'two invoice']);
    await receiver.createInvoice(request);
    expect(take()).toEqual(['one invoice']);
  });

  test('is asked once at a time, and not waited for', async () => {
    const { clock, receiver, take, turns, be } = await setAside();
    be('one', 'silent');
    clock.advance(10_000);
    await receiver.createInvoice(request);
    await receiver.createInvoice(request);
    expect(take()).toEqual(['one info', 'two invoice', 'two invoice']);
    clock.advance(3000);
    await turns();
    // The one that ends its rest.
    expect(clock.timers()).toBe(1);
    await receiver.createInvoice(request);
    expect(take()).toEqual(['two invoice']);
    await receiver.close();
    expect(clock.timers()).toBe(0);
  });

  test('is asked all the same where the others fail too: sales go on with whoever is back first', async () => {
    const { receiver, take, be } = await setAside();
    be('two', 'away');
    be('one', 'well');
    await receiver.createInvoice(request);
    expect(take()).toEqual(['two invoice', 'one invoice']);
  });
});

describe('what became of an invoice', () => {
  test('says the wallet that made it', async () => {
    const { wallets, receiver } = createOwner(['one', 'two']);
    const made = await wallets[1]?.createInvoice(request);
    expect(await receiver.lookupInvoice(made?.paymentHash ?? ('' as never))).toMatchObject({ kind: 'open' });
  });

  test('is not known while one that has not answered may have made it', async () => {
    const { network, receiver, be } = createOwner(['one', 'two']);
    const stranger = await network.receiver('stranger').createInvoice(request);
    expect(await receiver.lookupInvoice(stranger.paymentHash)).toEqual({ kind: 'absent' });
    be('one', 'away');
    await expect(receiver.lookupInvoice(stranger.paymentHash)).rejects.toThrow('one is away.');
  });

  test('is known though another wallet is away', async () => {
    const { wallets, receiver, be } = createOwner(['one', 'two']);
    const made = await wallets[1]?.createInvoice(request);
    be('one', 'away');
    expect(await receiver.lookupInvoice(made?.paymentHash ?? ('' as never))).toMatchObject({ kind: 'open' });
  });
});

describe('the wallets as one', () => {
  test('can do what all of them can, but for watching', () => {
    const { wallets } = createOwner(['one', 'two']);
    const [one, two] = wallets as [Receiver, Receiver];
    const poor: Receiver = { ...two, capabilities: { ...two.capabilities, msat: false, history: false } };
    const { capabilities, name, watchSettlements } = withFailover([one, poor]);
    expect(capabilities).toEqual({ ...one.capabilities, msat: false, history: false, watch: false });
    expect(name).toBe('one+two');
    expect(() => watchSettlements({ signal: new AbortController().signal })).toThrow('watch is false');
  });

  test('are who the first is that answers', async () => {
    const { receiver, be } = createOwner(['one', 'two']);
    expect((await receiver.info()).alias).toBe('one');
    be('one', 'away');
    expect((await receiver.info()).alias).toBe('two');
    be('two', 'away');
    await expect(receiver.info()).rejects.toThrow('one is away.');
  });

  test.each<[boolean | undefined, boolean | undefined, boolean | undefined]>([
    [false, false, false],
    [false, true, true],
    [undefined, true, true],
    [undefined, false, undefined],
  ])('of which one could spend (%s) and the other (%s) could spend: %s', async (one, two, expected) => {
    const { wallets } = createOwner(['one', 'two']);
    const able = wallets.map((wallet, index): Receiver => ({ ...wallet, canSpend: async () => [one, two][index] }));
    expect(await withFailover(able).canSpend?.()).toBe(expected);
  });

  test('are one at least, on one network, with lengths of time that are some', () => {
    const { wallets } = createOwner(['one', 'two']);
    const [one, two] = wallets as [Receiver, Receiver];
    expect(() => withFailover([])).toThrow('one wallet at least');
    expect(() => withFailover([one, { ...two, network: 'regtest' }])).toThrow('not all on one network');
    expect(() => withFailover([one], { patienceMs: 0 })).toThrow('patienceMs is more than 0');
  });
});
