/**
 * What goes wrong while gateways sell, thrown by the dice: which fault, whom it meets, and after how many requests to the upstream. It hangs
 * on the seed alone.
 */
import { type CrashPoint, crashPoints } from '../../../src/core/CrashPoint.ts';
import { createDice } from '../dice.ts';

/** One fault. It happens while the upstream has the request that it is counted by: between claim and commit. `seller`: undefined: whoever asked. */
export type Fault = { readonly after: number } /** The connections of whoever asked are cut. */ & (
  | { readonly kind: 'cut' }
  /** The n-th thing that the store answers it from then on is lost. */
  | { readonly kind: 'lose'; readonly nth: number }
  /** Time goes on for everybody, past every lease. */
  | { readonly kind: 'move'; readonly ms: number }
  /** The clock of one gateway is set so far from everybody's hour. */
  | { readonly kind: 'step'; readonly seller: number; readonly ms: number }
  | { readonly kind: 'kill' }
  /** It kills itself at this point, reached for the n-th time. */
  | { readonly kind: 'mine'; readonly point: CrashPoint; readonly times: number }
  | { readonly kind: 'kill-store' }
);

/** How many gateways there are. */
export const sellerCount = 4;

/** Longer than a lease. */
const pastLeasesMs = 31_000;

/** Points that gateways reach while they sell: not those of new tables, nor of what no sale does. */
const points = [...crashPoints().keys()].filter(
  (point) => /^(?:store|gateway|paywall)\./.test(point) && !/\.(?:migrate|count|credit|deny|prune|heartbeat|extend)\./.test(point),
);

const weights: readonly (readonly [Fault['kind'], number])[] = [
  ['cut', 28],
  ['lose', 24],
  ['move', 14],
  ['step', 12],
  ['kill', 4],
  ['mine', 4],
  ['kill-store', 3],
];

/** Faults without end, `after` growing. */
export function* throwFaults(seed: string): Generator<Fault> {
  const dice = createDice(`${seed}/faults`);
  const kinds = weights.flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind));
  for (let after = 20; ; after += 10 + dice.below(50)) {
    const kind = dice.pick(kinds);
    switch (kind) {
      case 'lose':
        yield { after, kind, nth: 1 + dice.below(6) };
        break;
      case 'move':
        yield { after, kind, ms: pastLeasesMs + dice.below(10_000) };
        break;
      case 'step':
        yield { after, kind, seller: dice.below(sellerCount), ms: dice.pick([-45_000, -1500, -300, 0, 300, 1500, 45_000]) };
        break;
      case 'mine':
        yield { after, kind, point: dice.pick(points), times: 1 + dice.below(8) };
        break;
      default:
        yield { after, kind };
    }
  }
}
