import { expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { type ApproveOptions, type CallToApprove, createApprovals } from './Approvals.ts';

const dear = Amount.fromSat(2000);
const call = { tool: 'wipe', args: { disk: 1 }, canonical: '{"disk":1}', amountMsat: dear };

function open(options: Partial<ApproveOptions> = {}) {
  const clock = FixedClock.create();
  const asked: CallToApprove[] = [];
  const ask = async (question: CallToApprove) => {
    asked.push(question);
    return true;
  };
  return { clock, asked, ...createApprovals({ above: '1000 sat', ask, ...options }, clock) };
}

test('a person is asked about what costs more than the threshold, and about nothing else', async () => {
  const { take, asked } = open();
  await take({ ...call, amountMsat: Amount.fromSat(1000) });
  expect(asked).toEqual([]);
  await take(call);
  expect(asked).toEqual([{ tool: 'wipe', args: { disk: 1 }, price: '2000 sat', hash: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
});

test('a yes is good once', async () => {
  const { take, asked } = open();
  await take(call);
  await take(call);
  expect(asked).toHaveLength(2);
});

test('a yes that was put back, since the call was not paid yet, is good for the call that is', async () => {
  const { take, asked } = open();
  (await take(call))();
  await take(call);
  expect(asked).toHaveLength(1);
  await take(call);
  expect(asked).toHaveLength(2);
});

test.each([
  ['other arguments', { canonical: '{"disk":2}' }],
  ['another tool', { tool: 'wipe2' }],
  ['another price', { amountMsat: Amount.fromSat(2001) }],
  ['a letter moved from the tool into the arguments', { tool: 'wip', canonical: 'e{"disk":1}' }],
])('a yes is not good for %s', async (_, other) => {
  const { take, asked } = open();
  (await take(call))();
  await take({ ...call, ...other });
  expect(asked).toHaveLength(2);
  expect(asked[0]?.hash).not.toBe(asked[1]?.hash);
});

test('a yes is forgotten in time', async () => {
  const { take, asked, clock } = open({ goodSeconds: 60 });
  (await take(call))();
  clock.advance(60_000);
  await take(call);
  expect(asked).toHaveLength(2);
});

test.each([
  ['says no', async () => false],
  ['cannot be asked', () => Promise.reject(new Error('no terminal'))],
  ['says something else', async () => 'yes' as unknown as boolean],
])('a call is refused where the person %s', async (_, ask) => {
  await expect(open({ ask }).take(call)).rejects.toMatchObject({ code: 'APPROVAL_REFUSED' });
});

test('a call is refused where nobody answers in time, and the question is taken back', async () => {
  let isTakenBack = false;
  const ask: ApproveOptions['ask'] = (_, signal) =>
    new Promise(() => {
      signal.addEventListener('abort', () => {
        isTakenBack = true;
      });
    });
  const { take, clock } = open({ ask, waitSeconds: 10 });
  const asked = expect(take(call)).rejects.toMatchObject({ code: 'APPROVAL_REFUSED' });
  clock.advance(10_000);
  await asked;
  expect(isTakenBack).toBe(true);
});

test('strangers cannot pile up questions', async () => {
  const { take, clock } = open({ ask: () => new Promise(() => {}), maxWaiting: 2 });
  const waiting = [take(call), take(call)].map((one) => one.catch(() => {}));
  await expect(take(call)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  clock.advance(120_000);
  await Promise.all(waiting);
});
