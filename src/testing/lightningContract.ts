/**
 * What every Lightning driver must do, as cases that any test runner can run: a `Receiver` and a `Payer` that can pay each other.
 *
 * A case states what it needs beyond the two: hooks that steer the wallets and the clock, and capabilities that not every product
 * has. {@link isApplicable} says whether a subject has them; a suite leaves the other cases out, and shows that it does.
 *
 * @example
 * for (const one of lightningContract) it(one.name, async () => one.run(await createSubject()));
 */
import { circumstances } from './lightning/circumstances.ts';
import { invoices } from './lightning/invoices.ts';
import { refusing, settling } from './lightning/payments.ts';
import type { LightningCase } from './lightning/Subject.ts';
import { watching } from './lightning/settlements.ts';
import { goingDown, hanging, misbehaving } from './lightning/troubles.ts';

export {
  apiNeeds,
  type Drivers,
  isApplicable,
  type LightningCase,
  type LightningHooks,
  type LightningNeed,
  type LightningSubject,
} from './lightning/Subject.ts';

/** Every case; each wants a fresh subject. */
export const lightningContract: readonly LightningCase[] = [
  ...invoices,
  ...settling,
  ...refusing,
  ...hanging,
  ...misbehaving,
  ...goingDown,
  ...watching,
  ...circumstances,
];
