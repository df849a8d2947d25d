import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { dearPath, startWeakSeller, type Weakness, type WeakSeller } from '../../../test/cli/weakSeller.ts';
import * as Amount from '../../core/Amount.ts';
import { systemRandom } from '../../core/Clock.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createScriptedPayer, type ScriptedPayer } from '../../testing/ScriptedPayer.ts';
import { probes } from './probes.ts';
import { type Audit, type AuditOptions, type Done, exitCodeFor, findingsOf, runAudit } from './run.ts';
import { createVisit, type Visit } from './Visit.ts';
import { maxRequests } from './Wire.ts';

const sellers: WeakSeller[] = [];
afterEach(async () => {
  for (const seller of sellers.splice(0)) await seller.close();
});

type Audited = { readonly audit: Audit; readonly done: readonly Done[]; readonly seller: WeakSeller; readonly payer: ScriptedPayer };

const standard = (clock: FixedClock.FixedClock): Omit<AuditOptions, 'url' | 'payer'> => ({
  method: 'GET',
  headers: [],
  maxMsat: Amount.parse('200 sat'),
  isSingleUse: false,
  dearer: dearPath,
  clock,
  random: systemRandom,
  signal: new AbortController().signal,
});

async function auditOf(
  weakness: Weakness | undefined,
  options: Partial<AuditOptions> & { readonly pay?: boolean } = {},
  prepare: (payer: ScriptedPayer) => void = () => {},
): Promise<Audited> {
  const { pay = true, ...rest } = options;
  const clock = FixedClock.create();
  const seller = await startWeakSeller(clock, weakness);
  sellers.push(seller);
  const payer = createScriptedPayer({ preimageOf: seller.preimageOf });
  prepare(payer);
  const audit = await runAudit({ ...standard(clock), url: new URL(seller.url), payer: pay ? payer : undefined, ...rest });
  expect(clock.timers()).toBe(0);
  return { audit, done: audit.kind === 'done' ? audit.done : [], seller, payer };
}

const named = (done: readonly Done[], kind: Done['outcome']['kind']) => done.filter(({ outcome }) => outcome.kind === kind).map(({ probe }) => probe.name);
const outcomeOf = (done: readonly Done[], name: string) => done.find(({ probe }) => probe.name === name)?.outcome;

describe('an honest seller', () => {
  test.each([true, false])('has no findings, and everything can be told; with payment: %s', async (pay) => {
    const { audit, done, payer } = await auditOf(undefined, { pay });
    expect(named(done, 'finding')).toEqual([]);
    expect(done.filter(({ outcome }) => outcome.kind === 'unknown' || outcome.kind === 'skipped')).toEqual([]);
    expect(exitCodeFor(audit)).toBe(0);
    expect(payer.paid.length).toBe(pay ? 2 : 0);
  });

  test('is asked no more than the limit says, and what was asked and paid is told', async () => {
    const { audit, seller } = await auditOf(undefined);
    if (audit.kind !== 'done') throw new Error(audit.why);
    expect([audit.payments, audit.spentMsat]).toEqual([2, 100_000n]);
    // A head of a megabyte is refused before the seller hears of it.
    expect(audit.requests - seller.requests()).toBe(1);
    expect(audit.requests).toBeLessThanOrEqual(maxRequests - 8);
  });

  test('that sells passes is paid once, and has none either', async () => {
    const { done, payer } = await auditOf('sells passes');
    expect([named(done, 'finding'), named(done, 'unknown'), named(done, 'skipped'), payer.paid.length]).toEqual([[], [], ['single-use', 'same-instant'], 1]);
  });

  test('that redirects to the spelling that it sells has none either', async () => {
    const { done } = await auditOf('redirects two slashes');
    expect([named(done, 'finding'), named(done, 'unknown')]).toEqual([[], []]);
  });

  test('that shows one page for every path it does not know has none either', async () => {
    const { done } = await auditOf('shows a page for every path', { pay: false });
    expect([named(done, 'finding'), named(done, 'unknown')]).toEqual([[], []]);
  });
});

/** What each weakness is found by, the worst first: those probes and no others. And what cannot be told then. */
const weaknesses: readonly { readonly weakness: Weakness; readonly findings: readonly string[]; readonly untold?: readonly string[] }[] = [
  { weakness: 'shares invoices', findings: ['fresh-invoice'], untold: ['same-instant'] },
  { weakness: 'shares invoices of one instant', findings: ['asks-at-once'] },
  { weakness: 'joins its lines', findings: ['challenge-lines'] },
  { weakness: 'leaves out commas', findings: ['challenge-grammar', 'challenge-order'] },
  { weakness: 'puts the invoice first', findings: ['challenge-order'] },
  { weakness: 'sells two things in one answer', findings: ['one-offer'] },
  { weakness: 'names no amount', findings: ['invoice-amount'], untold: ['body-price', 'all paid'] },
  { weakness: 'binds another payment', findings: ['payment-hash'], untold: ['body-price', 'all paid'] },
  { weakness: 'says another price', findings: ['body-price'], untold: ['all paid'] },
  { weakness: 'sells expired invoices', findings: ['invoice-expiry'], untold: ['body-price', 'all paid'] },
  {
    weakness: 'mints text',
    findings: ['token-readable'],
    untold: ['identifier', 'payment-hash', 'own-payment-hash', 'forged-token', 'other-headers', 'fresh-use', 'tampered', 'narrowed', 'unknown-caveats'],
  },
  {
    weakness: 'forges invoices',
    findings: ['invoice-readable'],
    untold: ['invoice-amount', 'payment-hash', 'invoice-expiry', 'network', 'body-price', 'all paid', 'asks-at-once'],
  },
  { weakness: 'mints short identifiers', findings: ['identifier'] },
  { weakness: 'takes long credentials', findings: ['huge-token'] },
  { weakness: 'takes many tokens', findings: ['many-tokens'] },
  { weakness: 'takes the second of two credentials', findings: ['two-credentials'] },
  { weakness: 'lets caches keep it', findings: ['not-cacheable'] },
  { weakness: 'gives HEAD away', findings: ['head'] },
  { weakness: 'gives OPTIONS away', findings: ['options'] },
  { weakness: 'takes any preimage', findings: ['wrong-preimage'] },
  { weakness: 'takes any credential', findings: ['garbage'] },
  { weakness: 'takes tokens unpaid', findings: ['no-preimage'] },
  { weakness: 'takes the payment hash for its preimage', findings: ['wrong-preimage'] },
  { weakness: 'believes a payment hash of the holder', findings: ['own-payment-hash'] },
  { weakness: 'never verifies signatures', findings: ['forged-token', 'tampered'] },
  { weakness: 'breaks on garbage', findings: ['clean-refusals'] },
  { weakness: 'guards one header of two', findings: ['fresh-use', 'other-headers'] },
  { weakness: 'ignores caveats', findings: ['dearer', 'narrowed'], untold: ['other-method', 'same-instant'] },
  { weakness: 'replays', findings: ['single-use'] },
  { weakness: 'counts the text of tokens', findings: ['fresh-use'] },
  { weakness: 'is slow to count', findings: ['same-instant'] },
  { weakness: 'honours nothing', findings: ['paid-works'] },
  { weakness: 'forgets the method', findings: ['other-method', 'narrowed'], untold: ['same-instant'] },
  { weakness: 'forgets the path', findings: ['dearer'] },
  { weakness: 'lets caches keep what it sold', findings: ['paid-cacheable'] },
  { weakness: 'loses last caveats', findings: ['tampered'] },
  { weakness: 'serves on two slashes', findings: ['path-spellings'] },
  { weakness: 'guards GET alone', findings: ['other-methods'] },
  { weakness: 'believes X-Original-URL', findings: ['rewrite-headers'] },
  { weakness: 'believes X-Forwarded-For', findings: ['trusted-headers'] },
  { weakness: 'writes the path into a header', findings: ['header-injection'] },
  { weakness: 'repeats the credential', findings: ['echo'] },
  { weakness: 'hands the credential on', findings: ['echo'] },
];

test.each(weaknesses)('a seller that $weakness has exactly the findings $findings', async ({ weakness, findings, untold = [] }) => {
  const { audit, done } = await auditOf(weakness);
  expect(findingsOf(done).map(({ probe }) => probe.name)).toEqual(findings);
  const paid = probes.filter(({ pays }) => pays).map(({ name }) => name);
  // Payment hashes are told by their first digits; no token, preimage or invoice is.
  expect(JSON.stringify(done.map(({ outcome }) => outcome))).not.toMatch(/[0-9a-f]{17}|lnbc|[A-Za-z0-9+/]{60}/);
  expect(named(done, 'unknown')).toEqual(untold.flatMap((name) => (name === 'all paid' ? paid : [name])));
  expect(exitCodeFor(audit)).toBe(1);
});

test.each<readonly [Weakness, readonly string[]]>([
  ['offers LSAT alone', ['both-schemes']],
  ['says nothing of caches', ['no-store']],
  ['knows no preflight', ['preflight']],
  ['skips what it does not know', ['unknown-caveats']],
])('a seller that %s is given advice, %j, and nothing is wrong', async (weakness, findings) => {
  const { audit, done } = await auditOf(weakness);
  expect([findingsOf(done).map(({ probe }) => probe.name), named(done, 'unknown'), exitCodeFor(audit)]).toEqual([findings, [], 0]);
});

describe('what cannot be told', () => {
  test('a second use where nothing says what is sold: until its owner says so', async () => {
    const open = await auditOf('says nothing of what it sells');
    expect([named(open.done, 'unknown'), named(open.done, 'finding'), exitCodeFor(open.audit)]).toEqual([['single-use'], [], 0]);
    expect(outcomeOf(open.done, 'single-use')).toMatchObject({ why: expect.stringContaining('--single-use') });
    const said = await auditOf('says nothing of what it sells', { isSingleUse: true });
    expect([named(said.done, 'unknown'), named(said.done, 'finding'), exitCodeFor(said.audit)]).toEqual([[], ['single-use'], 1]);
  });

  test('a spelling that leads to another host, which is not asked', async () => {
    const { audit, done } = await auditOf('redirects two slashes elsewhere', { pay: false });
    expect([named(done, 'finding'), named(done, 'unknown'), exitCodeFor(audit)]).toEqual([[], ['path-spellings'], 0]);
    expect(outcomeOf(done, 'path-spellings')).toMatchObject({ why: expect.stringContaining('301 to http://localhost:') });
  });

  test('a second token, where the limit has no room for it: exit code 3, and no more is paid', async () => {
    const { audit, done, payer } = await auditOf(undefined, { maxMsat: Amount.parse('99 sat') });
    expect(named(done, 'unknown')).toEqual(['tampered', 'dearer', 'narrowed', 'unknown-caveats', 'other-method', 'same-instant']);
    expect([named(done, 'finding'), exitCodeFor(audit), payer.paid.length, payer.spentMsat()]).toEqual([[], 3, 1, 50_000n]);
  });

  test('anything paid, where the wallet cannot say how a payment ended: exit code 5, and it is ordered once', async () => {
    const { audit, done, payer } = await auditOf(undefined, {}, (wallet) => wallet.script({ kind: 'unknown', became: 'pending' }));
    expect(named(done, 'unknown')).toEqual(probes.filter(({ pays }) => pays).map(({ name }) => name));
    expect([named(done, 'finding'), exitCodeFor(audit), payer.paid.length]).toEqual([[], 5, 1]);
  });

  test('refusals, where the connection is closed instead: not ok, and after a while no more is asked', async () => {
    const { audit, done, seller } = await auditOf('hangs up on credentials', { pay: false });
    expect(named(done, 'finding')).toEqual([]);
    expect(outcomeOf(done, 'garbage')).toMatchObject({ kind: 'unknown', why: expect.stringContaining('closed the connection') });
    expect(outcomeOf(done, 'path-spellings')).toMatchObject({ kind: 'unknown', why: expect.stringContaining('has not answered the last 5 requests') });
    expect(exitCodeFor(audit)).toBe(7);
    expect(seller.requests()).toBeLessThan(20);
  });

  test('refusals, where the server is out of order: 503 says nothing about a credential', async () => {
    const { audit, done } = await auditOf('is out of order for credentials', { pay: false, only: ['wrong-preimage', 'path-spellings'] });
    expect([named(done, 'unknown'), named(done, 'ok'), exitCodeFor(audit)]).toEqual([['wrong-preimage'], ['path-spellings'], 7]);
  });

  test('refusals, where asks are limited: 429 says nothing about a credential', async () => {
    const { audit, done } = await auditOf('limits asks', { pay: false });
    expect(named(done, 'finding')).toEqual([]);
    expect(outcomeOf(done, 'trusted-headers')).toMatchObject({ kind: 'unknown', why: expect.stringContaining('429') });
    expect(exitCodeFor(audit)).toBe(7);
  });
});

test.each<readonly [Weakness, string, number, number]>([
  ['hangs up', 'No answer: the server closed the connection', 7, 1],
  ['is free', 'answered 200: it asks for no payment', 2, 1],
  ['moves away', 'answered 302 to https://elsewhere.invalid/\\u{9b}31m: audit that', 2, 1],
])('a seller that %s is not audited: %s', async (weakness, why, exitCode, requests) => {
  const { audit, seller } = await auditOf(weakness);
  expect(audit).toEqual({ kind: 'impossible', why: expect.stringContaining(why), exitCode });
  expect(seller.requests()).toBe(requests);
});

test('nobody there: exit code 7', async () => {
  const seller = await startWeakSeller(FixedClock.create());
  await seller.close();
  const { audit } = await auditOf(undefined, { url: new URL(seller.url) });
  expect(audit).toEqual({ kind: 'impossible', why: 'No answer: nothing listens there', exitCode: 7 });
});

test('a server that never answers is waited for ten seconds', async () => {
  const clock = FixedClock.create();
  const silent = createServer();
  const connected = once(silent, 'connection');
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const auditing = auditOf(undefined, { url: new URL(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`), clock });
  await connected;
  clock.advance(9_999);
  clock.advance(1);
  expect((await auditing).audit).toEqual({ kind: 'impossible', why: 'No answer: it took longer than 10 s', exitCode: 7 });
  await new Promise((resolve) => silent.close(resolve));
});

test('probes run alone, each with what it needs', async () => {
  for (const { name, pays } of probes) {
    const { done } = await auditOf(undefined, { only: [name], pay: pays === true });
    expect(done.map(({ probe, outcome }) => [probe.name, outcome.kind])).toEqual([[name, 'ok']]);
  }
}, 60_000);

test('a single one finds what it found among the others', async () => {
  for (const name of ['clean-refusals', 'echo'] as const) {
    const { done } = await auditOf(name === 'echo' ? 'repeats the credential' : 'breaks on garbage', { only: [name], pay: false });
    expect(named(done, 'finding')).toEqual([name]);
  }
});

test('a plain address and play money are found where others can reach the server', async () => {
  const clock = FixedClock.create();
  const seller = await startWeakSeller(clock);
  sellers.push(seller);
  const visit = createVisit({ ...standard(clock), url: new URL(seller.url), payer: undefined });
  const remote: Visit = { ...visit, isSafe: false, url: new URL('http://api.example.com/') };
  const of = async (name: string) => probes.find((probe) => probe.name === name)?.run(remote);
  expect([await of('https'), await of('network')]).toEqual([
    { kind: 'finding', saw: ['plain http to api.example.com'] },
    { kind: 'finding', saw: ['invoices are for regtest'] },
  ]);
});

test('every probe has a seller above that fails it', () => {
  const failed = new Set([...weaknesses.flatMap(({ findings }) => findings), 'both-schemes', 'no-store', 'preflight', 'unknown-caveats', 'https', 'network']);
  expect(probes.map(({ name }) => name).filter((name) => !failed.has(name))).toEqual([]);
});
