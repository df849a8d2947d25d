/**
 * Whether the books of all three agree after whatever happened: the sandbox's, the seller's and the buyer's, and what the upstream has seen.
 *
 * Nothing here asks the programs whether they were right: payments are counted in the sandbox's book, answers in the buyer's hand, and work
 * at the upstream.
 */
import type { Payment, Spending } from '../../src/client/index.ts';
import type { SandboxAudit, SandboxPayment } from '../../src/lightning/sandbox.ts';
import type { Verdict } from '../../src/store/Books.ts';
import type { AccountBalance, LedgerRow, LedgerTotals } from '../../src/store/Store.ts';
import { accountOf, type Call, callsOf, checkCounted, countedTermsOf, idempotencyKeyOf, judgeCounted } from './counted.ts';
import type { Sold } from './Sale.ts';
import type { Stage } from './Stage.ts';
import type { Served } from './Upstream.ts';

/** All that there is to compare. */
export type Books = {
  readonly audit: SandboxAudit;
  readonly ledger: readonly LedgerRow[];
  readonly totals: LedgerTotals;
  readonly verdict: Verdict;
  /** What a call would find in each account. */
  readonly accounts: ReadonlyMap<string, AccountBalance>;
  readonly payments: readonly Payment[];
  readonly spending: Spending;
  readonly served: readonly Served[];
};

/** What a sale came to. */
export type Outcome = {
  readonly name: string;
  /** Settled in the sandbox. */
  readonly payments: number;
  /** Whole answers in the buyer's hand. */
  readonly answers: number;
  /** Of the payments, those whose answer went whole to a buyer that had gone before it could say so. */
  readonly gone: number;
  /** Calls of a bucket or a credit that were spent on an answer which did not come: whoever sent it or read it was gone. */
  readonly lost: number;
  /** Answers that the ledger says were given again. */
  readonly repeated: number;
  /** How often the buyer asked. */
  readonly tries: number;
};

/** Reads all books. Everybody runs, and nothing is under way. */
export async function takeBooks({ sandbox, gateway, buyer, upstream }: Stage): Promise<Books> {
  const audit = await sandbox.calls.audit();
  const settlements = settledOf(audit).map(({ paymentHash, amountMsat, endedAt = 0 }) => ({ paymentHash, amountMsat, settledAt: endedAt }));
  return {
    audit,
    ledger: await gateway.calls.ledger(),
    totals: await gateway.calls.totals(),
    ...(await gateway.calls.verify({ name: 'sandbox', balanced: audit.balanced, settlements })),
    ...(await buyer.calls.journal()),
    served: upstream.served,
  };
}

/**
 * Everything that is wrong, as sentences.
 * @param sold - all sales of this stage
 * @param revoked - payments that the seller took back on purpose
 * @param died - whether anybody was killed on this stage: who was cannot say what he has sent or read
 */
export function check(
  books: Books,
  sold: readonly Sold[],
  revoked: ReadonlySet<string>,
  died: boolean,
): { readonly findings: readonly string[]; readonly outcomes: readonly Outcome[] } {
  const index = indexOf(books, sold);
  const judged = sold.map((sale) => judge(sale, index, revoked, died));
  return {
    findings: [
      ...checkSandbox(books),
      ...checkJournal(books),
      ...checkLedger(books, index),
      ...checkUpstream(books, index),
      ...checkCounted(books, index.calls, sold),
      ...judged.flatMap(({ findings }) => findings),
    ],
    outcomes: judged.map(({ outcome }) => outcome),
  };
}

type Index = {
  readonly settled: ReadonlyMap<string, SandboxPayment>;
  readonly byHash: ReadonlyMap<string, Payment>;
  readonly byPath: ReadonlyMap<string, readonly Payment[]>;
  readonly rows: ReadonlyMap<string, readonly LedgerRow[]>;
  /** What the upstream did for a payment. */
  readonly work: ReadonlyMap<string, readonly Served[]>;
  /** Whole answers in the buyer's hand, by payment. */
  readonly answers: ReadonlyMap<string, number>;
  /** Of what is counted. */
  readonly calls: readonly Call[];
};

function settledOf(audit: SandboxAudit): readonly SandboxPayment[] {
  return audit.payments.filter(({ state }) => state === 'settled');
}

function indexOf({ audit, payments, ledger, served }: Books, sold: readonly Sold[]): Index {
  const hashOfKey = new Map(payments.map((payment) => [idempotencyKeyOf(accountOf(payment.token)), payment.paymentHash as string]));
  const whole = sold.flatMap(({ brought }) =>
    brought.flatMap((got) => (got.kind === 'answered' && got.status === 200 && got.whole ? [got.paymentHash ?? ''] : [])),
  );
  return {
    settled: new Map(settledOf(audit).map((payment) => [payment.paymentHash, payment])),
    byHash: new Map(payments.map((payment) => [payment.paymentHash, payment])),
    byPath: Map.groupBy(payments, ({ path }) => path),
    rows: Map.groupBy(ledger, ({ paymentHash }) => paymentHash as string),
    work: Map.groupBy(served, ({ idempotencyKey }) => hashOfKey.get(idempotencyKey ?? '') ?? ''),
    answers: new Map([...Map.groupBy(whole, (hash) => hash)].map(([hash, all]) => [hash, all.length])),
    calls: callsOf({ ledger, served }),
  };
}

function checkSandbox({ audit }: Books): string[] {
  const findings = audit.balanced ? [] : ["the sandbox's own books do not balance"];
  for (const [hash, all] of Map.groupBy(settledOf(audit), ({ paymentHash }) => paymentHash)) {
    if (all.length > 1) findings.push(`payment ${hash} was made ${all.length} times`);
    if (all.some(({ payer, payee }) => payer !== 'buyer' || payee !== 'seller')) findings.push(`payment ${hash} went elsewhere`);
  }
  const open = audit.payments.filter(({ state }) => state === 'pending');
  if (open.length > 0) findings.push(`${open.length} payments are still under way`);
  return findings;
}

/** The buyer's journal against the wallet. */
function checkJournal({ audit, payments, spending }: Books): string[] {
  const findings: string[] = [];
  const settled = new Map(settledOf(audit).map((payment) => [payment.paymentHash, payment]));
  for (const payment of payments) {
    const { paymentHash, state, spentMsat } = payment;
    const made = settled.get(paymentHash);
    settled.delete(paymentHash);
    const says = state === 'settled' || state === 'redeemed' || state === 'rejected';
    if (says !== (made !== undefined)) findings.push(`payment ${paymentHash} is ${state} in the journal, and ${made ? 'was' : 'was not'} made`);
    const costMsat = made ? made.amountMsat + made.feeMsat : 0n;
    if (spentMsat !== costMsat) findings.push(`payment ${paymentHash} cost ${costMsat} msat, and the journal says ${spentMsat}`);
  }
  for (const hash of settled.keys()) findings.push(`payment ${hash} was made, and the journal does not know it`);
  const wallet = audit.nodes.find(({ name }) => name === 'buyer');
  const leftMsat = (wallet?.sentMsat ?? 0n) + (wallet?.feesPaidMsat ?? 0n);
  if (spending.spentMsat !== leftMsat) findings.push(`${leftMsat} msat left the wallet, and the journal sums up to ${spending.spentMsat}`);
  if (spending.heldMsat !== 0n) findings.push(`${spending.heldMsat} msat are still held`);
  return findings;
}

/** The seller's ledger against the sandbox and the upstream. */
function checkLedger({ audit, ledger, totals, verdict }: Books, { settled, rows, work, byHash, answers }: Index): string[] {
  const findings = verdict.discrepancies.map(({ sentence }) => sentence);
  for (const [hash, entries] of rows) {
    const count = (kind: LedgerRow['kind']) => entries.filter((entry) => entry.kind === kind).length;
    const paid = settled.get(hash);
    if (!paid) findings.push(`the ledger has payment ${hash}, which was never made`);
    if (countedTermsOf(byHash.get(hash as never)?.path ?? '')) continue;
    if (entries.some(({ amountMsat }) => amountMsat !== paid?.amountMsat)) findings.push(`the ledger has another amount for payment ${hash}`);
    if (count('received') !== 1) findings.push(`payment ${hash} was received ${count('received')} times`);
    const earned = count('earned') - count('reversed');
    if (earned !== 0 && earned !== 1) findings.push(`payment ${hash} was earned ${earned} times`);
    const isPass = byHash.get(hash as never)?.path.startsWith('/pass/');
    const successes = work.get(hash)?.filter(({ status }) => status === 200).length ?? 0;
    if (!isPass && count('earned') > successes)
      findings.push(`payment ${hash} was earned ${count('earned')} times, and the upstream succeeded ${successes} times`);
    const whole = answers.get(hash) ?? 0;
    if (whole > 0 && earned !== 1) findings.push(`payment ${hash} bought an answer, and was earned ${earned} times`);
    if (!isPass && whole > 1 + count('repeated'))
      findings.push(`payment ${hash} bought ${whole} answers, and the ledger says ${count('repeated')} were repeated`);
  }
  for (const hash of settled.keys()) if (!rows.has(hash)) findings.push(`payment ${hash} was made, and the ledger has never seen it`);
  const sum = (kind: LedgerRow['kind']) => ledger.reduce((total, row) => (row.kind === kind ? total + row.amountMsat : total), 0n);
  const received = audit.nodes.find(({ name }) => name === 'seller')?.receivedMsat ?? 0n;
  if (totals.receivedMsat !== sum('received') || totals.receivedMsat !== received)
    findings.push(`the seller was paid ${received} msat, and its ledger says ${totals.receivedMsat}`);
  if (totals.earnedMsat !== sum('earned') - sum('reversed')) findings.push(`the ledger's sums are not those of its rows`);
  return findings;
}

/** Nothing was served that was not paid for. */
function checkUpstream({ served }: Books, { work, settled }: Index): string[] {
  const findings: string[] = [];
  for (const { terms, item, idempotencyKey } of served)
    if (idempotencyKey === undefined && terms === 'item') findings.push(`${item} was served without a sale`);
  for (const hash of work.keys()) if (hash !== '' && !settled.has(hash)) findings.push(`the upstream worked for payment ${hash}, which was never made`);
  return findings;
}

/** One sale: one answer for one payment, or a reason why not. */
function judge(sale: Sold, index: Index, revoked: ReadonlySet<string>, died: boolean): { readonly outcome: Outcome; readonly findings: readonly string[] } {
  const { name, terms } = sale.plan;
  const { brought } = sale;
  const findings: string[] = [];
  const last = brought.at(-1);
  const answered = last?.kind === 'answered' ? last : undefined;
  const paid = (index.byPath.get(`/${terms}/${name}`) ?? []).filter(({ paymentHash }) => index.settled.has(paymentHash));
  for (const got of brought) {
    if (got.kind === 'answered' && got.status >= 400 && got.charge === 'charged') findings.push(`${name}: the failure ${got.status} was charged`);
    if (got.kind === 'answered' && got.status === 402) findings.push(`${name}: the buyer was handed a challenge`);
  }
  const bought = index.byHash.get((answered?.paymentHash ?? '') as never);
  if (!bought || !index.settled.has(bought.paymentHash)) findings.push(`${name}: the answer was bought with no payment`);
  const tries = brought.length;
  if (countedTermsOf(`/${terms}/`)) {
    const { lost, findings: more } = judgeCounted(sale, index.calls, died);
    return { outcome: { name, payments: paid.length, answers: 1, gone: 0, lost, repeated: 0, tries }, findings: [...findings, ...more] };
  }
  const { gone, findings: more } = terms === 'item' ? judgeItem(sale, bought, paid, index, revoked) : { gone: 0, findings: [] };
  const repeated = paid.reduce((sum, { paymentHash }) => sum + (index.rows.get(paymentHash) ?? []).filter(({ kind }) => kind === 'repeated').length, 0);
  const answers = paid.reduce((sum, { paymentHash }) => sum + (index.answers.get(paymentHash) ?? 0), 0);
  return { outcome: { name, payments: paid.length, answers, gone, lost: 0, repeated, tries }, findings: [...findings, ...more] };
}

/** What buys one answer: it is what the upstream sent, and whatever else was paid for it went whole to a buyer that had gone. */
function judgeItem({ plan: { name }, brought }: Sold, bought: Payment | undefined, paid: readonly Payment[], index: Index, revoked: ReadonlySet<string>) {
  const findings: string[] = [];
  const last = brought.at(-1);
  const body = last?.kind === 'answered' ? last.body : undefined;
  const wasKilled = brought.some(({ kind }) => kind === 'killed');
  const hungUp = brought.some((got) => got.kind === 'failed' && got.code === 'HUNG_UP');
  const work = bought && index.work.get(bought.paymentHash);
  if (!work?.some((served) => served.item === name && served.body === body)) findings.push(`${name}: the answer is not what the upstream sent`);
  let gone = 0;
  for (const { paymentHash, state } of paid) {
    if (paymentHash === bought?.paymentHash || revoked.has(paymentHash)) continue;
    const sentWhole = index.work.get(paymentHash)?.some(({ status, whole }) => status === 200 && whole) ?? false;
    // It was read to its end, or went out whole, and whoever had it is gone.
    const isGone = (wasKilled && state === 'redeemed') || ((wasKilled || hungUp) && state === 'rejected');
    if (isGone && sentWhole) gone += 1;
    else findings.push(`${name}: payment ${paymentHash} (${state}) bought nothing`);
  }
  return { gone, findings };
}
