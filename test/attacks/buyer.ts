/**
 * A buyer who walks into a trap, and what it means that he loses nothing: no wallet called, or called once; no credential shown; no money
 * gone or held that should not be.
 */
import { afterEach, expect } from 'vitest';
import { FareboxError } from '../../src/core/Errors.ts';
import type { FixedClock } from '../../src/testing/FixedClock.ts';
import { openShop, type Shop, type ShopOptions } from '../../src/testing/Shop.ts';

const open: Shop[] = [];
afterEach(async () => {
  for (const shop of open.splice(0)) await shop.close();
});

/** Opens a seller and sends a buyer in, who may pay 60 sat a call; closed when the test ends. */
export async function sendBuyer(options: ShopOptions = {}): Promise<Shop> {
  const shop = await openShop(options);
  open.push(shop);
  return shop;
}

/** How a call ends: the status, the code of the error, or the name of another error. */
export async function outcomeOf(call: Promise<Response>): Promise<number | string> {
  try {
    const response = await call;
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return FareboxError.is(error) ? error.code : (error as Error).name;
  }
}

/** Moves time on whenever something waits for it, until the promise ends. */
export async function passing<T>(clock: FixedClock, promise: Promise<T>, stepMs = 1000): Promise<T> {
  let over = false;
  const end = promise.finally(() => {
    over = true;
  });
  end.catch(() => undefined);
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    if (clock.timers() > 0) clock.advance(stepMs);
  }
  return end;
}

/** Sees that nothing was paid, held or shown. */
export async function expectNothingPaid({ payer, store, server }: Pick<Shop, 'payer' | 'store' | 'server'>, what = ''): Promise<void> {
  expect(
    {
      paid: payer.paid.length,
      left: payer.spentMsat(),
      spending: await store.spending(),
      usable: (await store.list()).filter(({ usable }) => usable).length,
      shown: server.requests.filter(({ headers }) => headers.authorization !== undefined).length,
    },
    what,
  ).toEqual({ paid: 0, left: 0n, spending: { heldMsat: 0n, spentMsat: 0n, stoppedBy: undefined }, usable: 0, shown: 0 });
}
