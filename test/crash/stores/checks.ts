/**
 * Whether the books of a store agree with what buyers have in their hands, with what the upstream has done and with what the sandbox was
 * paid, after whatever happened. Every lease has ended, and nobody sells.
 */
import { nowAt } from '../../../src/core/Clock.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import * as Books from '../../../src/store/Books.ts';
import { givenBackLimit, graceSeconds } from '../../../src/store/claimLife.ts';
import type { LedgerRow, Store } from '../../../src/store/Store.ts';
import { freeCalls, purses } from '../actors/SellerActor.ts';
import { idempotencyKeyOf } from '../counted.ts';
import { type Served, withoutRepeated } from '../Upstream.ts';
import { isPurse } from './buyers.ts';
import type { Town } from './Town.ts';
import type { Story, Ware } from './Ware.ts';

/** What was looked at, and what was wrong. */
export type Check = {
  readonly findings: readonly string[];
  /** Payments that the seller has seen, and answers that were given again. */
  readonly payments: number;
  readonly repeated: number;
  /** Calls and items that were spent on an answer which was lost. */
  readonly lost: number;
  /** Those of them that were spent although they were told 503: the store did not hear in time that they failed. */
  readonly unheard: number;
};

/** How often the same request may be answered again after its commit. */
const mostRepeats = 2;

/** How often one payment's answers are given back for one reason. */
const mostReleases = 3;

/** Looks at everything, then lets the store forget what has expired, and looks at its books again. */
export async function checkAll(town: Town, story: Story, store: Store): Promise<Check> {
  const ledger = await readLedger(store);
  const rows = Map.groupBy(ledger, ({ paymentHash }) => paymentHash as string);
  const served = Map.groupBy(town.upstream.served, ({ idempotencyKey }) => idempotencyKey ?? '');
  const findings = [...story.findings, ...town.findings, ...checkUpstream(town.upstream.served), ...checkFree(story)];
  findings.push(...(await checkBooks(town, story, store)));
  let lost = 0;
  let unheard = 0;
  for (const ware of story.wares) {
    const entries = rows.get(ware.paymentHash) ?? [];
    const judged = isPurse(ware.terms) ? await judgePurse(ware, entries, served, store) : judgeSingle(ware, entries, served);
    lost += judged.lost;
    unheard += judged.unheard;
    // Whose clock was ahead forgot it as much earlier.
    const isForgotten = ware.terms === 'pass' && validUntil(ware.token) + graceSeconds - 60 <= nowAt(town.clock);
    const parts = await Promise.all(ware.parts.map((part) => checkPart(part, store, isForgotten)));
    findings.push(...[...judged.findings, ...parts.flat()].map((what) => `payment ${ware.paymentHash} for a ${ware.terms}: ${what}`));
  }
  const repeated = ledger.filter(({ kind }) => kind === 'repeated').length;
  findings.push(...(await forgetAll(town, store)));
  return { findings, payments: rows.size, repeated, lost, unheard };
}

async function readLedger(store: Store): Promise<readonly LedgerRow[]> {
  const all: LedgerRow[] = [];
  for (;;) {
    const rows = await store.ledger({ after: all.at(-1)?.seq ?? 0, limit: 10_000 });
    all.push(...rows);
    if (rows.length < 10_000) return all;
  }
}

/** `farebox store verify`, against what the sandbox says; nothing is held by anybody. */
async function checkBooks(town: Town, story: Story, store: Store): Promise<readonly string[]> {
  const audit = await town.sandbox.network.audit();
  const settlements = audit.payments
    .filter(({ state }) => state === 'settled')
    .map(({ paymentHash, amountMsat }) => ({ paymentHash, amountMsat, settledAt: 0 }));
  const verdict = await Books.verify(store.audit(), { askNode: async () => ({ name: 'sandbox', balanced: audit.balanced, settlements }) });
  const findings = verdict.discrepancies.map(({ sentence }) => sentence);
  const { received, held, refunded } = verdict.columns;
  if (held.amountMsat !== 0n) findings.push(`${held.amountMsat} msat are held after every lease has ended`);
  if (refunded.amountMsat !== 0n) findings.push(`${refunded.amountMsat} msat are refunded`);
  const boughtMsat = story.wares.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
  const totals = await store.totals();
  if (boughtMsat !== received.amountMsat || boughtMsat !== totals.receivedMsat)
    findings.push(`${boughtMsat} msat were paid, and the ledger has received ${received.amountMsat}, by its sums ${totals.receivedMsat}`);
  if (verdict.node.kind !== 'compared' || !verdict.node.agrees) findings.push('the sandbox does not agree');
  else findings.push(...verdict.node.unpresented.map(({ paymentHash }) => `payment ${paymentHash} was paid and shown, and the store has never seen it`));
  return findings;
}

/** What is bought once: one answer, however often it was shown, and those that the ledger says were given again; or a pass. */
function judgeSingle(ware: Ware, entries: readonly LedgerRow[], served: ReadonlyMap<string, readonly Served[]>) {
  const count = (kind: LedgerRow['kind']) => entries.filter((entry) => entry.kind === kind).length;
  const findings: string[] = [];
  const earned = count('earned') - count('reversed');
  const [received, repeated] = [count('received'), count('repeated')];
  if (received !== 1) findings.push(`it was received ${received} times`);
  if (ware.terms === 'pass') {
    if (earned !== 1) findings.push(`it was earned ${earned} times`);
    return { findings, lost: 0, unheard: 0 };
  }
  const work = served.get(idempotencyKeyOf(ware.account)) ?? [];
  const successes = work.filter(({ status }) => status === 200).length;
  if (earned !== 1) findings.push(`it was earned ${earned} times, and its buyer was told to be done with it`);
  // The ledger has each that was begun, those too that broke off and were given back.
  if (repeated > mostRepeats + givenBackLimit) findings.push(`it was begun to be answered again ${repeated} times`);
  if (ware.whole > 1 + mostRepeats) findings.push(`${ware.whole} whole answers came`);
  if (ware.whole > 1 + repeated) findings.push(`${ware.whole} whole answers came, and the ledger says that ${repeated} were given again`);
  const isCharged = entries.some(({ kind, note }) => kind === 'earned' && note === 'client-left');
  if (successes === 0 && !isCharged) findings.push('it was earned, and the upstream has never succeeded');
  if (ware.whole === 0 && ware.broken + ware.unknown === 0) findings.push('it is used up, brought no answer, and none broke off');
  return { findings, lost: ware.whole === 0 ? 1 : 0, unheard: 0 };
}

/** What is counted: every whole answer is a call that was spent, and every other call that was spent was lost with an answer that broke off. */
async function judgePurse(ware: Ware, entries: readonly LedgerRow[], served: ReadonlyMap<string, readonly Served[]>, store: Store) {
  const findings: string[] = [];
  const { units, takes } = purses[ware.terms as keyof typeof purses];
  const received = entries.filter(({ kind }) => kind === 'received').length;
  if (received !== 1) findings.push(`it was received ${received} times`);
  const calls = Map.groupBy(
    entries.filter(({ kind }) => kind === 'earned' || kind === 'reversed'),
    ({ nonce }) => nonce,
  );
  let settled = 0;
  let givenBack = 0;
  for (const [nonce, all] of calls) {
    const earned = all.filter(({ kind }) => kind === 'earned').length - all.filter(({ kind }) => kind === 'reversed').length;
    if (earned !== 0 && earned !== 1) findings.push(`a call of it was earned ${earned} times`);
    if (earned !== 1) givenBack += 1;
    else settled += 1;
    const work = withoutRepeated(served.get(idempotencyKeyOf(nonce)) ?? []);
    if (work.length > 1) findings.push(`a call of it went to the upstream ${work.length} times`);
    const isCharged = all.some(({ kind, note }) => kind === 'earned' && note === 'client-left');
    if (earned === 1 && !isCharged && work[0]?.status !== 200) findings.push(`a call of it was spent (${all[0]?.note}), and the upstream failed`);
  }
  const broken = entries.filter(({ kind, note }) => kind === 'reversed' && note === 'upstream-broke').length;
  const balance = await store.balance(ware.account);
  if (balance === undefined) findings.push('its account is gone');
  else {
    if (balance.reserved !== 0n) findings.push(`${balance.reserved} units of it are reserved after every lease has ended`);
    if (balance.units !== units) findings.push(`its account has ${balance.units} units`);
    if (balance.spent !== BigInt(settled) * takes) findings.push(`${balance.spent} units of it are spent, and ${settled} calls are in the ledger`);
  }
  if (ware.whole > settled) findings.push(`${ware.whole} whole answers came, and ${settled} calls were spent`);
  const lost = Math.max(0, settled - ware.whole);
  if (lost > ware.broken + ware.unknown)
    findings.push(`${settled} calls were spent, ${ware.whole} whole answers came, and ${ware.broken} broke off: ${ware.told.join('; ')}`);
  if (broken > mostReleases) findings.push(`${broken} of its answers broke off and were given back`);
  // What was spent when it was said may have been given back since.
  if (ware.isOver && givenBack === 0 && balance && balance.available >= takes)
    findings.push(`it was said to be used up, and ${balance.available} units of it are left`);
  return { findings, lost, unheard: Math.max(0, lost - ware.broken) };
}

/** Until when a token is good, Unix seconds: its last caveat that says so. */
function validUntil(token: string): number {
  const said = Macaroon.parse(token).caveats.flatMap((caveat) => /_valid_until=(\d+)$/.exec(caveat)?.[1] ?? []);
  return Number(said.at(-1));
}

/** @param isForgotten - what it was a part of has been over for so long that stores forget it */
async function checkPart({ account, uses, whole }: Ware['parts'][number], store: Store, isForgotten: boolean): Promise<readonly string[]> {
  const balance = await store.balance(account);
  const findings = whole > uses ? [`a part of ${uses} calls brought ${whole} answers`] : [];
  if (balance === undefined) return whole > 0 && !isForgotten ? [...findings, 'a part that was used has no account'] : findings;
  if (balance.reserved !== 0n) findings.push(`${balance.reserved} calls of a part are reserved after every lease has ended`);
  if (balance.spent > BigInt(uses) || balance.spent < BigInt(whole))
    findings.push(`a part of ${uses} calls has ${balance.spent} spent, and brought ${whole} answers`);
  return findings;
}

function checkUpstream(served: readonly Served[]): readonly string[] {
  const stolen = served.filter(({ terms, idempotencyKey }) => idempotencyKey === undefined && terms !== 'pass' && terms !== 'free');
  return stolen.map(({ item }) => `${item} was served without a sale`);
}

/** What is given away is counted in memory: each life of a gateway gives so much to each buyer. */
function checkFree({ free }: Story): readonly string[] {
  return [...free].filter(([, times]) => times > freeCalls).map(([who, times]) => `buyer ${who} was given ${times} calls for nothing`);
}

/** Everything expires and is forgotten; what is left still balances. */
async function forgetAll(town: Town, store: Store): Promise<readonly string[]> {
  town.clock.move(40 * 86_400_000);
  while ((await store.prune()) > 0);
  const { columns, discrepancies } = await Books.verify(store.audit());
  const findings = discrepancies.map(({ sentence }) => `when all was forgotten: ${sentence}`);
  const left = columns.unspent.amountMsat + columns.held.amountMsat;
  if (left !== 0n) findings.push(`${left} msat are unspent when all was forgotten`);
  return findings;
}
