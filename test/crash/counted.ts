/**
 * Whether the books of what is counted agree: every call that was settled is one that the upstream has answered, every answer in a buyer's hand
 * is a call that was settled, and the accounts say the same to the unit.
 */
import { createHash } from 'node:crypto';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { AccountBalance, LedgerRow } from '../../src/store/Store.ts';
import { counted } from './actors/GatewayActor.ts';
import type { Books } from './checks.ts';
import { partCalls } from './Part.ts';
import type { Sold } from './Sale.ts';
import { type Served, withoutRepeated } from './Upstream.ts';

/** Words under which something is counted. */
export type CountedTerms = keyof typeof counted;

/** One call, as the ledger has it. */
export type Call = {
  readonly paymentHash: string;
  /** Settled, and not given back. */
  readonly isSettled: boolean;
  /** What became of it, in the gateway's words. */
  readonly note: string;
  /** What the upstream did for it. */
  readonly work: readonly Served[];
};

/** Under what a path is counted; undefined: it is not. */
export function countedTermsOf(path: string): CountedTerms | undefined {
  return (Object.keys(counted) as CountedTerms[]).find((terms) => path.startsWith(`/${terms}/`));
}

/** What an account is named by: a digest of its token's identifier. */
export function accountOf(token: string): string {
  return digest('farebox/use/1/', Macaroon.parse(token).identifier);
}

/** As docs/wire.md and the gateway derive it, computed here by other means. @param what - an account, or a reservation */
export function idempotencyKeyOf(what: string): string {
  return digest(`farebox/idempotency/1/${what}`).slice(0, 32);
}

/** Every call that has ever earned something. */
export function callsOf({ ledger, served }: Pick<Books, 'ledger' | 'served'>): readonly Call[] {
  const work = Map.groupBy(withoutRepeated(served), ({ idempotencyKey }) => idempotencyKey ?? '');
  const spent = ledger.filter(({ kind, route }) => (kind === 'earned' || kind === 'reversed') && countedTermsOf(route) !== undefined);
  return [...Map.groupBy(spent, ({ nonce }) => nonce)].map(([reservation, entries]) => ({
    paymentHash: entries[0]?.paymentHash ?? '',
    isSettled: entries.filter(({ kind }) => kind === 'earned').length > entries.filter(({ kind }) => kind === 'reversed').length,
    note: entries.find(({ kind }) => kind === 'earned')?.note ?? '',
    work: work.get(idempotencyKeyOf(reservation)) ?? [],
  }));
}

/** The seller's side: calls, accounts and payments of what is counted. */
export function checkCounted({ ledger, payments, accounts, served }: Books, calls: readonly Call[], sold: readonly Sold[]): readonly string[] {
  const byPayment = Map.groupBy(calls, ({ paymentHash }) => paymentHash);
  const rows = Map.groupBy(ledger, ({ paymentHash }) => paymentHash as string);
  const findings = calls.flatMap(checkCall);
  for (const payment of payments) {
    const terms = countedTermsOf(payment.path);
    const entries = rows.get(payment.paymentHash) ?? [];
    if (terms === undefined || entries.length === 0) continue;
    const settled = BigInt((byPayment.get(payment.paymentHash) ?? []).filter(({ isSettled }) => isSettled).length);
    const wrong = [...checkEntries(entries, terms), ...checkAccount(accounts.get(accountOf(payment.token)), settled, terms, payment.state === 'rejected')];
    findings.push(...wrong.map((what) => `payment ${payment.paymentHash} for a ${terms}: ${what}`));
  }
  for (const { account, paymentHash } of sold.flatMap(({ handed }) => handed)) {
    const balance = accounts.get(account);
    if (balance && (balance.units !== partCalls || balance.spent > partCalls || balance.reserved !== 0n))
      findings.push(`a part of payment ${paymentHash} has ${balance.spent} calls spent and ${balance.reserved} reserved of ${balance.units}`);
  }
  const keys = withoutRepeated(served).flatMap(({ terms, idempotencyKey }) => (countedTermsOf(`/${terms}/`) ? [idempotencyKey] : []));
  if (keys.includes(undefined)) findings.push('something that is counted was served without a sale');
  if (new Set(keys).size < keys.length) findings.push('two calls went to the upstream as one');
  return findings;
}

/**
 * The buyer's side of one sale: its answer is a call that was settled, and every other call that was settled for it was lost with an answer of
 * which nobody knew whether it would come: the buyer had hung up, or somebody was killed.
 */
export function judgeCounted({ plan, brought }: Sold, calls: readonly Call[], died: boolean): { readonly lost: number; readonly findings: readonly string[] } {
  const { name } = plan;
  const last = brought.at(-1);
  const answered = last?.kind === 'answered' ? last : undefined;
  const settled = calls.filter(({ isSettled, work }) => isSettled && work.some(({ item }) => item === name));
  const isOurs = ({ paymentHash, work }: Call) => paymentHash === answered?.paymentHash && work.some(({ body }) => body === answered?.body);
  const findings = settled.some(isOurs) ? [] : [`${name}: the answer is no call that was settled with its payment`];
  const isWithout = (got: Sold['brought'][number]) => (got.kind === 'answered' ? got.status === 200 && !got.whole : true);
  // The head may have come before he hung up.
  const hungUp = (got: Sold['brought'][number]) => (got.kind === 'failed' ? got.code === 'HUNG_UP' : plan.hangsUp && isWithout(got));
  const without = brought.filter(died ? isWithout : hungUp).length;
  // An answer that breaks off is given back three times.
  const isFourth = ({ paymentHash }: Call) => calls.filter((call) => call.paymentHash === paymentHash && !call.isSettled).length >= 3;
  const lost = Math.max(0, settled.length - 1);
  if (lost > without + settled.filter(isFourth).length)
    findings.push(`${name}: ${settled.length} calls were spent for one answer, and ${without} attempts ended without one`);
  return { lost, findings };
}

function checkCall({ paymentHash, isSettled, note, work }: Call): readonly string[] {
  const successes = work.filter(({ status }) => status === 200).length;
  if (work.length !== 1) return [`a call of payment ${paymentHash} went to the upstream ${work.length} times`];
  // Given back too often before its head, it was paid for without one.
  if (isSettled && successes !== 1 && note !== 'client-left') return [`a call of payment ${paymentHash} was spent (${note}), and the upstream failed`];
  return [];
}

function checkEntries(entries: readonly LedgerRow[], terms: CountedTerms): readonly string[] {
  const received = entries.filter(({ kind }) => kind === 'received');
  const sum = (kind: LedgerRow['kind']) => entries.reduce((total, entry) => (entry.kind === kind ? total + entry.amountMsat : total), 0n);
  const earnedMsat = sum('earned') - sum('reversed');
  return [
    ...(received.length === 1 && received[0]?.amountMsat === counted[terms].priceMsat ? [] : [`it was received ${received.length} times`]),
    ...(earnedMsat >= 0n && earnedMsat <= counted[terms].priceMsat ? [] : [`it earned ${earnedMsat} msat`]),
  ];
}

/** Where the account has been forgotten, the books have looked at what stays of it. */
function checkAccount(balance: AccountBalance | undefined, settled: bigint, terms: CountedTerms, isRejected: boolean): readonly string[] {
  if (balance === undefined) return [];
  const { units, spent, reserved, available } = balance;
  const { takes, units: sold } = counted[terms];
  return [
    ...(units === sold ? [] : [`${sold} units were sold, and its account has ${units}`]),
    ...(spent === settled * takes ? [] : [`${settled} calls of ${takes} units were settled, and ${spent} units are spent`]),
    ...(reserved === 0n ? [] : [`${reserved} units are still reserved`]),
    ...(isRejected && available >= takes ? [`the buyer has given it up with ${available} units in it`] : []),
  ];
}

function digest(...parts: readonly (string | Uint8Array)[]): string {
  return parts.reduce((sum, part) => sum.update(part), createHash('sha256')).digest('hex');
}
