/**
 * The journal of payments: what is written down before a wallet is called, and every change that may follow. Pure: a `ClientStore` keeps
 * the rows, and applies these changes one at a time.
 *
 *     reserved ─ dispatched ─┬─ settled ─┬─ redeemed
 *         │           │      │           └─ rejected
 *         └───────────┴── failed ── unknown ── settled | failed
 *
 * A payment is named by its payment hash, and a wallet is called at most once for each. What it is for is its *resource*: method, URL
 * and body. As long as the end of a payment is not known, nothing else is paid for the same resource.
 *
 * @see docs/wire.md, "The client"
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import type { PaymentHash, Preimage } from '../core/Preimage.ts';
import type { Network } from '../lightning/Lightning.ts';

/**
 * How far a payment has come.
 *
 * - `reserved`: its money is set aside; the wallet has not been called.
 * - `dispatched`: the wallet has been called, or is about to be: it may have been paid.
 * - `unknown`: the wallet could not say how it ended. Its money stays set aside.
 * - `failed`: for certain; nothing was spent.
 * - `settled`: paid, and the credential is here; it has not bought an answer yet.
 * - `redeemed`: it has bought an answer.
 * - `rejected`: it was paid, and the server refuses the credential all the same.
 */
export type PaymentState = 'reserved' | 'dispatched' | 'unknown' | 'failed' | 'settled' | 'redeemed' | 'rejected';

/** What a payment is for, and by what. */
export type Purchase = {
  readonly paymentHash: PaymentHash;
  /** SHA-256 hex of method, URL and body: calls with the same one are the same call. */
  readonly resource: string;
  /** Scheme, host and port: the only place where the credential is ever sent. */
  readonly origin: string;
  readonly method: string;
  /** Without the query, which may hold secrets. */
  readonly path: string;
  readonly scheme: 'L402' | 'LSAT';
  /** As received. With the preimage it is a credential: a secret. */
  readonly token: string;
  readonly invoice: string;
  /** Unix seconds. */
  readonly invoiceExpiresAt: number;
  /** What the invoice asks. */
  readonly amountMsat: Msat;
  /** The driver's name, such as `sandbox`. Only the wallet that was called can say what became of a payment. */
  readonly payer: string;
  readonly network: Network;
};

/** A payment as it is kept. */
export type Payment = Purchase & {
  readonly state: PaymentState;
  /** Names of the budgets that it counts to, beside the one for everything; of those that stood in the store as well. */
  readonly budgets: readonly string[];
  /** What it was tagged with. */
  readonly tags: readonly string[];
  /** Set aside for amount and fee, and held until the end is known. */
  readonly reservedMsat: Msat;
  /** What it cost, fee included; zero until it has settled. */
  readonly spentMsat: Msat;
  /** Proves payment; checked against the payment hash. A secret. */
  readonly preimage: Preimage | undefined;
  /** Whether the credential may be sent: paid for, and neither used up nor refused nor expired. It is set aside rather than deleted. */
  readonly usable: boolean;
  /** The call that works on it, as `<client>.<call>`; '' for none. */
  readonly owner: string;
  /** Unix seconds; the owner is gone when it passes. */
  readonly leaseEndsAt: number;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Unix seconds; undefined as long as no wallet can have seen it. */
  readonly dispatchedAt: number | undefined;
  /** Unix seconds. */
  readonly updatedAt: number;
  /** Whether the wallet has ever said that it has it: from then on its silence is no proof that nothing was paid. */
  readonly seen: boolean;
  /** The resource that an answer has begun for, where the credential buys one answer: from then on it is good for that alone. '' before. */
  readonly boundTo: string;
  /** Why it stands where it does, for people; no secrets. */
  readonly note: string;
};

/** Who works on a payment, and until when without another word. */
export type Lease = {
  readonly owner: string;
  /** Unix seconds. */
  readonly leaseEndsAt: number;
};

/** A change of one payment. */
export type Step =
  /** Its call is still at work. */
  | ({ readonly kind: 'extend' } & Lease)
  /** Paid: the preimage was checked. Goes to `claim` where nobody else has it. */
  | { readonly kind: 'settle'; readonly preimage: Preimage; readonly spentMsat: Msat; readonly claim?: Lease }
  /** Nothing was spent and nothing will be. `by`: said by the call that works on it, and worth nothing once another one does; '': by nobody's. */
  | { readonly kind: 'fail'; readonly note: string; readonly by?: string }
  /** Its call ended before the wallet was called, and nobody works on it. */
  | { readonly kind: 'abandon' }
  /** It may have been paid. `seen`: the wallet says that it has it. */
  | { readonly kind: 'doubt'; readonly note: string; readonly seen?: boolean }
  /** A call wants to use the credential alone. */
  | ({ readonly kind: 'take' } & Lease)
  /** The one answer that it buys has begun, for this resource. */
  | { readonly kind: 'bind'; readonly owner: string; readonly resource: string }
  /** It has bought an answer; `last`: and will buy no other. */
  | { readonly kind: 'redeem'; readonly owner: string; readonly last: boolean }
  /** The server refuses the credential. */
  | { readonly kind: 'reject'; readonly note: string }
  /** The credential has expired, by what it says of itself; or, where a note says so, somebody wants it used no more. */
  | { readonly kind: 'expire'; readonly note?: string }
  /** Its call has ended; the credential, if any, is free for another one. */
  | { readonly kind: 'release'; readonly owner: string };

/** Sums over the journal, and whether anything may be paid. */
export type Spending = {
  /** Set aside for payments whose end is not known. */
  readonly heldMsat: Msat;
  /** Spent, fees included. */
  readonly spentMsat: Msat;
  /** The payment that cost more than was set aside for it. Nothing is paid until a person has looked. */
  readonly stoppedBy: PaymentHash | undefined;
  /** Why a person has stopped spending. Nothing is paid until one allows it again. */
  readonly stopNote: string | undefined;
};

/** The state of a journal without payments. */
export const nothingSpent: Spending = { heldMsat: Amount.zero, spentMsat: Amount.zero, stoppedBy: undefined, stopNote: undefined };

/** What is set aside for a payment, and what it counts to. */
export type SetAside = Pick<Payment, 'reservedMsat' | 'budgets' | 'tags'>;

/** A payment whose money has just been set aside. */
export function from(purchase: Purchase, aside: SetAside, lease: Lease, nowAt: number): Payment {
  return {
    ...purchase,
    ...lease,
    ...aside,
    state: 'reserved',
    spentMsat: Amount.zero,
    preimage: undefined,
    usable: false,
    createdAt: nowAt,
    dispatchedAt: undefined,
    updatedAt: nowAt,
    seen: false,
    boundTo: '',
    note: '',
  };
}

/** The payment as the wallet is about to be called, or undefined where it is not the owner's any more. */
export function dispatched(payment: Payment, lease: Lease, nowAt: number): Payment | undefined {
  if (payment.state !== 'reserved' || payment.owner !== lease.owner || !isLeased(payment, nowAt)) return undefined;
  return { ...payment, ...lease, state: 'dispatched', dispatchedAt: nowAt, updatedAt: nowAt };
}

/** The payment after a step, or undefined where the step does not fit what it has become. */
export function apply(payment: Payment, step: Step, nowAt: number): Payment | undefined {
  const changed = change(payment, step, nowAt);
  return changed && { ...payment, ...changed, updatedAt: nowAt };
}

/** The payment given up, where its money was set aside by a call that is gone before it came to its wallet; undefined otherwise. */
export function abandoned(payment: Payment, nowAt: number): Payment | undefined {
  return apply(payment, { kind: 'abandon' }, nowAt);
}

/** The sums after one payment has changed. `before` is undefined for a new one. */
export function account(spending: Spending, before: Payment | undefined, after: Payment): Spending {
  const heldMsat = (spending.heldMsat - (before ? heldMsatOf(before) : 0n) + heldMsatOf(after)) as Msat;
  const spentMsat = (spending.spentMsat - (before?.spentMsat ?? 0n) + after.spentMsat) as Msat;
  return { ...spending, heldMsat, spentMsat, stoppedBy: before && isOvershoot(before, after) ? after.paymentHash : spending.stoppedBy };
}

/** Whether nothing may be paid at all. */
export function isStopped({ stoppedBy, stopNote }: Spending): boolean {
  return stoppedBy !== undefined || stopNote !== undefined;
}

/** What is set aside for this payment now. */
export function heldMsatOf(payment: Payment): Msat {
  return isUnfinished(payment) ? payment.reservedMsat : Amount.zero;
}

/** What it cost on top of the invoice's amount. */
export function feeMsatOf(payment: Payment): Msat {
  return (payment.spentMsat > payment.amountMsat ? payment.spentMsat - payment.amountMsat : 0n) as Msat;
}

/** Whether somebody is at work on it. */
export function isLeased(payment: Payment, nowAt: number): boolean {
  return payment.owner !== '' && payment.leaseEndsAt > nowAt;
}

/** Whether its end is open. */
export function isUnfinished({ state }: Payment): boolean {
  return state === 'reserved' || state === 'dispatched' || state === 'unknown';
}

/**
 * Whether nothing may be paid for the same resource before the end of this payment is known. A call of the same client that is still
 * waiting for its wallet does not stand in the way of another one: both are alive, and each buys an answer of its own.
 */
export function blocks(payment: Payment, owner: string, nowAt: number): boolean {
  if (payment.state === 'unknown') return true;
  return payment.state === 'dispatched' && !(isLeased(payment, nowAt) && clientOf(payment.owner) === clientOf(owner));
}

/** The client in an owner's name. */
export function clientOf(owner: string): string {
  return owner.slice(0, owner.lastIndexOf('.'));
}

function change(payment: Payment, step: Step, nowAt: number): Partial<Payment> | undefined {
  const { state } = payment;
  switch (step.kind) {
    case 'extend':
      return payment.owner === step.owner ? { leaseEndsAt: step.leaseEndsAt } : undefined;
    case 'settle':
      return settled(payment, step, nowAt);
    case 'fail':
      if (!isUnfinished(payment) || (step.by !== undefined && !isSaidBy(payment, step.by, nowAt))) return undefined;
      return { state: 'failed', owner: '', note: step.note };
    case 'abandon':
      if (state !== 'reserved' || isLeased(payment, nowAt)) return undefined;
      return { state: 'failed', owner: '', note: 'Its call ended before the wallet was called.' };
    case 'doubt':
      if (state !== 'dispatched' && state !== 'unknown') return undefined;
      return { state: 'unknown', owner: '', note: step.note, seen: payment.seen || step.seen === true };
    case 'take':
      return payment.usable && mayClaim(payment, step.owner, nowAt) ? { owner: step.owner, leaseEndsAt: step.leaseEndsAt } : undefined;
    case 'bind':
      return payment.usable && payment.owner === step.owner ? { boundTo: step.resource } : undefined;
    case 'redeem':
      if (state !== 'settled' && state !== 'redeemed') return undefined;
      return { state: 'redeemed', usable: payment.usable && !step.last, ...freed(payment, step.owner) };
    case 'reject':
      if (state === 'settled') return { state: 'rejected', usable: false, owner: '', note: step.note };
      return state === 'redeemed' ? { usable: false, owner: '', note: step.note } : undefined;
    case 'expire':
      return payment.usable && !isLeased(payment, nowAt) ? { usable: false, owner: '', note: step.note ?? 'The credential has expired.' } : undefined;
    case 'release':
      return payment.owner === step.owner ? { owner: '' } : undefined;
  }
}

/** Even a payment that was said to have failed is written down as settled when it turns out so: the money is gone. */
function settled(payment: Payment, step: Step & { readonly kind: 'settle' }, nowAt: number): Partial<Payment> | undefined {
  const claimed = step.claim && mayClaim(payment, step.claim.owner, nowAt) ? step.claim : isLeased(payment, nowAt) ? {} : { owner: '' };
  if (payment.preimage !== undefined) return payment.usable ? claimed : {};
  if (payment.state === 'reserved' || payment.dispatchedAt === undefined) return undefined;
  const note = payment.state === 'failed' ? 'The wallet had said that it failed.' : '';
  return { state: 'settled', preimage: step.preimage, spentMsat: step.spentMsat, usable: true, note, ...claimed };
}

/** Whether that is the word of the payment's own call, or of nobody's ('') where no call is at work. */
function isSaidBy(payment: Payment, by: string, nowAt: number): boolean {
  return payment.owner === by || (by === '' && !isLeased(payment, nowAt));
}

function mayClaim(payment: Payment, owner: string, nowAt: number): boolean {
  return payment.owner === owner || !isLeased(payment, nowAt);
}

function freed(payment: Payment, owner: string): Partial<Payment> {
  return payment.owner === owner ? { owner: '' } : {};
}

function isOvershoot(before: Payment, after: Payment): boolean {
  if (before.preimage !== undefined || after.preimage === undefined) return false;
  return after.spentMsat > after.reservedMsat || before.state === 'failed';
}
