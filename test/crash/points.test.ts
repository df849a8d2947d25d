/**
 * Every step of a sale has a crash point before it and one after it. What a step is, witnesses say that know nothing of crash points: commits
 * of SQLite, writes to sockets, calls of drivers. Whoever makes something durable or sends something in a new place turns this red.
 */
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CrashPoint, crashPoints } from '../../src/core/CrashPoint.ts';
import { check, takeBooks } from './checks.ts';
import { type Step, setStageInProcess, type WatchedStage } from './inProcess.ts';
import type { Sold } from './Sale.ts';
import { scenarios } from './scenarios.ts';
import { watchDatabases, watchSockets } from './witnesses.ts';
import type { ProgramName } from './worker.ts';

const traces: { readonly [name in ProgramName]: Step[] } = { sandbox: [], gateway: [], buyer: [] };
const findings: string[] = [];
const undo: (() => unknown)[] = [];
let unknownSends = 0;

beforeAll(async () => {
  const see = (name: ProgramName, step: Step) => void traces[name].push(step);
  undo.push(
    watchDatabases((file, isAlone) => {
      const name = basename(file, '.db');
      if (name in traces) see(name as ProgramName, { kind: 'commit', where: isAlone ? 'outside any transaction' : file });
    }),
  );
  const { stage, ports } = await setStageInProcess(see);
  undo.push(
    () => stage.close(),
    watchSockets((socket, text) => {
      const name = senderOf(socket, text, ports);
      const where = `${socket.localPort} → ${socket.remotePort}`;
      if (name === 'unknown') unknownSends += 1;
      else if (name) see(name, { kind: 'send', where });
    }),
  );
  await playAll(stage);
}, 60_000);

afterAll(async () => {
  for (const each of undo.reverse()) await each();
});

test('every sale ends well, and the books balance', () => {
  expect(findings).toEqual([]);
});

test('every crash point of the table is reached, and nobody names another one', () => {
  const named = new Set(Object.values(traces).flatMap((trace) => trace.flatMap((step) => (step.kind === 'point' ? [step.name] : []))));
  const table = [...crashPoints().keys()];
  expect(table.filter((point) => !named.has(point))).toEqual([]);
  expect([...named].filter((point) => !table.includes(point))).toEqual([]);
});

test.each(['sandbox', 'gateway', 'buyer'] as const)('the %s reaches a point between any two things that it commits or sends', (name) => {
  expect(traces[name].filter(({ kind }) => kind === 'commit' || kind === 'send').length).toBeGreaterThan(50);
  expect(unknownSends).toBe(0);
  expect(unguarded(traces[name])).toEqual([]);
});

test.each(['sandbox', 'gateway', 'buyer'] as const)('whatever the %s commits stands between the two points of its operation', (name) => {
  const trace = traces[name].filter(({ kind }) => kind === 'commit' || kind === 'point').map(nameOf);
  const wrong = trace.flatMap((step, index) => {
    if (step !== 'commit') return [];
    // What is asked for at the same moment is committed together.
    const before = trace.slice(0, index).reverse();
    const written = before.slice(0, lengthOf(before, '.written')).reverse();
    const after = trace.slice(index + 1);
    const committed = after.slice(0, lengthOf(after, '.committed'));
    const isFit = written.length > 0 && written.join() === committed.join().replaceAll('.committed', '.written');
    return isFit ? [] : [`${written.join(', ')} | commit | ${committed.join(', ')}`];
  });
  expect(wrong).toEqual([]);
});

test('whatever is told as about to be sent is told as sent', () => {
  const names = Object.values(traces).flatMap((trace) => trace.flatMap((step) => (step.kind === 'point' ? [step.name] : [])));
  const count = (wanted: CrashPoint) => names.filter((name) => name === wanted).length;
  expect(count('gateway.answer.sent')).toBe(count('gateway.answer.sending'));
  expect(count('gateway.first-byte.sent')).toBe(count('gateway.first-byte.sending'));
  expect(count('gateway.upstream.sent')).toBe(count('gateway.upstream.sending'));
  expect(count('sandbox.reply.sent')).toBe(count('sandbox.reply.sending'));
});

test('every call of a driver stands between its points', () => {
  const expected: { readonly [call: string]: readonly [before: RegExp, after: RegExp] } = {
    'receiver.createInvoice': [/^paywall\.invoice\.asking$/, /^paywall\.invoice\.answered$/],
    'payer.pay': [/^client\.wallet\.calling$/, /^client\.(wallet\.answered|lookup\.asking)$/],
    'payer.trackPayment': [/^client\.lookup\.asking$/, /^client\.lookup\.answered$/],
    'fetch.send': [/^client\.(request|credential)\.sending$/, /^client\.(request|credential)\.answered$/],
  };
  const seen = new Set<string>();
  const wrong = Object.values(traces).flatMap((trace) =>
    trace.flatMap((step, index) => {
      const rule = step.kind === 'begin' || step.kind === 'end' ? expected[step.call] : undefined;
      if (!rule || (step.kind !== 'begin' && step.kind !== 'end')) return [];
      seen.add(`${step.call} ${step.kind}`);
      const point =
        step.kind === 'begin' ? trace.slice(0, index).findLast(({ kind }) => kind === 'point') : trace.slice(index).find(({ kind }) => kind === 'point');
      return rule[step.kind === 'begin' ? 0 : 1].test(nameOf(point)) ? [] : [`${step.kind} of ${step.call}: ${nameOf(point)}`];
    }),
  );
  expect(wrong).toEqual([]);
  expect(seen.size).toBe(2 * Object.keys(expected).length);
});

test('every call of a store that writes reaches the two points of its operation', () => {
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const trace of [traces.gateway, traces.buyer]) {
    for (const [index, step] of trace.entries()) {
      if (step.kind !== 'begin' || !/^(store|journal)\./.test(step.call)) continue;
      seen.add(step.call);
      const end = trace.findIndex((other, at) => at > index && other.kind === 'end' && other.call === step.call);
      const points = trace.slice(index, end).flatMap((other) => (other.kind === 'point' ? [other.name] : []));
      const operation = operationOf[step.call] ?? step.call;
      const has = (how: string) => points.some((point) => point.endsWith(`.${how}`) && (operation === 'journal.*' || point === `${operation}.${how}`));
      if (!has('written') || !has('committed')) wrong.push(`${step.call}: ${points.join(', ')}`);
    }
  }
  expect(wrong).toEqual([]);
  expect([...seen].sort()).toEqual(
    expect.arrayContaining([
      'journal.dispatch',
      'journal.reserve',
      'journal.step',
      'store.claim',
      'store.commit',
      'store.release',
      'store.reserve',
      'store.settle',
    ]),
  );
});

/** What a call of the buyer's store is called in the table. */
const operationOf: { readonly [call: string]: string } = {
  'journal.step': 'journal.*',
  'journal.allowSpending': 'journal.allow',
  'journal.stopSpending': 'journal.stop',
};

/** Every scenario, one after the other: what happens at the same time has no order to look at. */
async function playAll(stage: WatchedStage['stage']): Promise<void> {
  const sold: Sold[] = [];
  const revoked = new Set<string>();
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (name === 'three sales at once') continue;
    const played = await scenario(stage, `p${sold.length}`);
    await stage.calm();
    await stage.sandbox.calls.clearFaults();
    sold.push(...played.sold);
    for (const paymentHash of played.revoked) revoked.add(paymentHash);
    findings.push(...played.findings);
  }
  findings.push(...check(await takeBooks(stage), sold, revoked, false).findings);
}

/** Whose bytes these are; undefined for the upstream's, and for everybody who has nothing to do with it. */
function senderOf({ localPort = 0, remotePort = 0 }: Socket, text: () => string, ports: WatchedStage['ports']): ProgramName | 'unknown' | undefined {
  if (localPort === ports.sandbox) return 'sandbox';
  if (localPort === ports.gateway || remotePort === ports.upstream) return 'gateway';
  if (remotePort === ports.gateway) return 'buyer';
  if (remotePort !== ports.sandbox) return undefined;
  const node = /"name":"(seller|buyer)"/.exec(text())?.[1];
  return node === undefined ? 'unknown' : node === 'seller' ? 'gateway' : 'buyer';
}

/** Steps that follow each other without a point in between. Bytes of one message are one step, however many writes they are. */
function unguarded(trace: readonly Step[]): readonly string[] {
  const wrong: string[] = [];
  let last: Step | undefined;
  let point: CrashPoint | undefined;
  for (const step of trace) {
    if (step.kind === 'point') point = step.name;
    if (step.kind !== 'commit' && step.kind !== 'send') continue;
    const goesOn = last?.kind === 'send' && step.kind === 'send' && last.where === step.where;
    if (point === undefined && !goesOn)
      wrong.push(`${last ? `${last.kind} ${'where' in last ? last.where : ''}` : 'the start'}, then ${step.kind} ${step.where}`);
    last = step;
    point = undefined;
  }
  if (last && point === undefined) wrong.push(`${last.kind}, then nothing`);
  return wrong;
}

/** How many steps at the beginning end so. */
function lengthOf(names: readonly string[], end: string): number {
  const other = names.findIndex((name) => !name.endsWith(end));
  return other < 0 ? names.length : other;
}

function nameOf(step: Step | undefined): string {
  return step?.kind === 'point' ? step.name : `${step?.kind}`;
}
