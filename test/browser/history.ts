/**
 * Two days of business in a ledger: quiet nights, busy afternoons, some answers given back, a few payments that nobody presented.
 */
import * as Amount from '../../src/core/Amount.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import type { LedgerEntry, Store } from '../../src/store/Store.ts';

const sold = [
  { route: 'GET /flaky', sat: 5, note: 'per-request', until: 1 },
  { route: 'GET /api/weather/*', sat: 120, note: 'bucket', until: 9 },
  { route: 'GET /news/*', sat: 21, note: 'pass', until: 24 },
  { route: 'GET /api/translate', sat: 50, note: 'per-request', until: 50 },
] as const;

/** Writes them down, as if they had happened until now. The same business every time, but for when it was. */
export async function fillHistory(store: Store, nowAt = Math.floor(Date.now() / 1000)): Promise<void> {
  let number = 0;
  for (let minutes = 48 * 60; minutes > 3; minutes -= 4) {
    const at = nowAt - minutes * 60;
    const hour = (at / 3600) % 24;
    const busy = 1 + 2.4 * Math.max(0, Math.sin(((hour - 7) / 24) * 2 * Math.PI)) + (minutes < 24 * 60 ? 0.4 : 0);
    for (let i = 0; i < busy; i += 1) {
      number += 1;
      if (number % 5 === 4 && busy < 2) continue;
      const one = sold.find(({ until }) => (number * 17) % 50 < until) ?? sold[3];
      await store.append(entriesOf(one, number, at + i * 31));
    }
  }
}

function entriesOf({ route, sat, note }: (typeof sold)[number], number: number, at: number): readonly LedgerEntry[] {
  const paymentHash = Preimage.parseHash((BigInt(number) * 0x9e3779b97f4a7c15f39cc0605cedc834n ** 2n).toString(16).padStart(64, '0').slice(-64));
  const entry = (kind: LedgerEntry['kind'], after: number, why: string): LedgerEntry => {
    return { kind, paymentHash, nonce: kind === 'settled' ? '' : '1', amountMsat: Amount.fromSat(sat), service: 'words', route, at: at + after, note: why };
  };
  const arrived = entry('settled', 0, 'sandbox');
  if (number % 41 === 0) return [arrived];
  const bought = [arrived, { ...entry('received', 1, note), nonce: '' }, entry('earned', 1, note === 'per-request' ? '200' : note)];
  return route === 'GET /flaky' || number % 23 === 0 ? [...bought, entry('reversed', 2, '502')] : bought;
}
