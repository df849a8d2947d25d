/**
 * `farebox audit` against what this package sells: nothing may be found, and everything that can be told is told.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { type Done, exitCodeFor, findingsOf, runAudit } from '../../src/cli/audit/run.ts';
import * as Amount from '../../src/core/Amount.ts';
import { systemRandom } from '../../src/core/Clock.ts';
import { openShop, type Shop, type StandName, stands } from '../conformance/shop/shop.ts';
import { startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import { type Desk, openDesk } from './processes.ts';

const open: { readonly close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function auditOf(shop: Shop, target: string, method = 'GET') {
  const audit = await runAudit({
    url: new URL(shop.url + target),
    method,
    headers: [],
    payer: shop.sandbox.payer('auditor'),
    maxMsat: Amount.parse('2000 sat'),
    isSingleUse: false,
    dearer: '/vault',
    clock: shop.clock,
    random: systemRandom,
    signal: new AbortController().signal,
  });
  if (audit.kind !== 'done') throw new Error(audit.why);
  const of = (kind: Done['outcome']['kind']) => audit.done.filter(({ outcome }) => outcome.kind === kind).map(({ probe, outcome }) => [probe.name, outcome]);
  return { audit, findings: findingsOf(audit.done).map(({ probe }) => probe.name), unknown: of('unknown'), skipped: of('skipped').map(([name]) => name) };
}

describe.each(Object.keys(stands) as StandName[])('%s', (name) => {
  test.each([
    ['one answer', '/api/v1/translate?text=hello&target=es', 'GET', []],
    ['one answer to a POST', '/api/v1/translate', 'POST', ['head', 'dearer']],
    ['a price that hangs on the query', '/priced?model=mini', 'GET', ['other-method']],
    ['a pass', '/library/a', 'GET', ['single-use', 'other-method', 'same-instant']],
  ] as const)('%s: nothing is wrong, and nothing could not be told', async (_, target, method, skipped) => {
    const shop = await openShop(name);
    open.push(shop);
    const result = await auditOf(shop, target, method);
    // Express and Hono hand a route's methods alone to its handler: a preflight is for whoever writes the app to answer.
    const advice = name === 'gateway' ? [] : ['preflight'];
    expect(result).toMatchObject({ findings: advice, unknown: [], skipped });
    expect(exitCodeFor(result.audit)).toBe(0);
    expect(await shop.ledger()).toEqual(expect.arrayContaining(['received']));
  });
});

test('from the command line, as its owner runs it', async () => {
  const desk: Desk = openDesk();
  const upstream: Upstream = await startUpstream();
  open.push(upstream, desk);
  const serve = desk.start('serve', upstream.url, '--price', '10 sat', '--listen', '127.0.0.1:0');
  const { url } = await serve.says(({ kind }) => kind === 'listening');

  const unpaid = await desk.run('audit', `${url}/a`);
  expect([unpaid.code, unpaid.stderr]).toEqual([0, '']);
  const { code, stdout } = await desk.run('audit', `${url}/a`, '--pay', '--max', '30 sat', '--json');
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly kind: string; readonly outcome?: string });
  expect([code, lines.filter(({ outcome }) => outcome === 'finding' || outcome === 'unknown')]).toEqual([0, []]);
  expect(lines.at(-1)).toMatchObject({ kind: 'audit', exitCode: 0, payments: 2, spentMsat: '22000', findings: [] });
  expect(stdout).not.toMatch(/[0-9a-f]{64}|lnbcrt\d|[A-Za-z0-9+/]{60}/);

  const { port } = new URL(upstream.url);
  const free = await desk.run('audit', `http://127.0.0.1:${port}/`);
  expect([free.code, free.stderr]).toEqual([2, expect.stringContaining('it asks for no payment')]);
  expect((await serve.stop()).code).toBe(0);
}, 60_000);
