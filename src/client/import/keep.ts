/**
 * Puts a credential that another program has bought into a client store. It cost that program money, and this one nothing: no budget counts it.
 */
import * as Amount from '../../core/Amount.ts';
import { type Clock, nowAt, type Random } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import type { Network } from '../../lightning/Lightning.ts';
import type { ClientStore } from '../ClientStore.ts';
import * as Tokens from '../Tokens.ts';
import type { ApertureToken } from './ApertureToken.ts';

/** Where it goes. */
export type Keeping = {
  readonly store: ClientStore;
  /** Scheme, host and port: the only place where it is ever sent. */
  readonly origin: string;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
};

/** Where the journal names the wallet that paid. */
const importer = 'imported';

/**
 * Keeps it.
 * @returns `known` where the store has this payment already, and nothing was changed
 * @throws JOURNAL_CONFLICT – the store takes nothing now: spending has stopped, or a budget does not allow this host
 * @throws STORE_UNAVAILABLE – the store could not be written
 */
export async function keep(token: ApertureToken, { store, origin, network, clock, random }: Keeping): Promise<'imported' | 'known'> {
  const { paymentHash, preimage } = token;
  if (preimage === undefined) throw new TypeError('token: it was not paid for');
  const found = await store.get(paymentHash);
  if (found && (found.payer !== importer || found.preimage !== undefined)) return 'known';
  // An import has ended in the middle, and nobody else can tell how: this one goes on.
  if (found?.state === 'dispatched' || found?.state === 'unknown') {
    await store.step(paymentHash, { kind: 'settle', preimage, spentMsat: Amount.zero }, nowAt(clock));
    return 'imported';
  }
  const lease = { owner: `import-${toHex(random(8))}.1`, leaseEndsAt: nowAt(clock) + 15 };
  const purchase = {
    paymentHash,
    resource: `imported:${paymentHash}`,
    origin,
    method: Tokens.anyMethod,
    path: '/*',
    scheme: 'LSAT',
    token: token.token,
    invoice: '',
    invoiceExpiresAt: 0,
    amountMsat: Amount.zero,
    payer: importer,
    network,
  } as const;
  const outcome = await store.reserve({ purchase, minFeeMsat: Amount.zero, maxFeeMsat: Amount.zero, budgets: [], tags: [], ...lease, nowAt: nowAt(clock) });
  if (outcome.kind === 'known') return 'known';
  const dispatched = outcome.kind === 'reserved' ? await store.dispatch({ paymentHash, ...lease, nowAt: nowAt(clock) }) : outcome;
  if (dispatched.kind !== 'dispatched') {
    const message = `The credential for ${origin} cannot be kept now: the client store says "${dispatched.kind}". Look at its journal and budgets, and import again.`;
    throw new FareboxError('JOURNAL_CONFLICT', message, { details: { paymentHash, origin } });
  }
  await store.step(paymentHash, { kind: 'settle', preimage, spentMsat: Amount.zero }, nowAt(clock));
  await store.step(paymentHash, { kind: 'release', owner: lease.owner }, nowAt(clock));
  return 'imported';
}
