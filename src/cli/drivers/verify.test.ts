import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { LightningCase } from '../../testing/lightningContract.ts';
import { type Verdict, verify } from './verify.ts';

const one = (name: string, run: LightningCase['run'], needs: LightningCase['needs'] = []): LightningCase => ({ name, needs, run });

function start(cases: readonly LightningCase[], signal = new AbortController().signal) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const opened: string[] = [];
  const createSubject = () => {
    const receiver = sandbox.receiver('seller');
    const close = async () => {
      opened.push('closed');
      await receiver.close();
    };
    opened.push('opened');
    return { receiver: { ...receiver, close }, payer: sandbox.payer('buyer'), hooks: {} };
  };
  return { clock, opened, verdicts: all(verify({ cases, createSubject, clock, signal })) };
}

test('each case has drivers of its own, which are closed whatever comes of it', async () => {
  const cases = [one('holds', async () => {}), one('fails', async () => assert.equal(1, 2)), one('left', async () => assert.fail(), ['watch', 'advance'])];
  const { opened, verdicts } = start(cases);
  expect(await verdicts).toEqual<readonly Verdict[]>([
    { name: 'holds', kind: 'ok' },
    { name: 'fails', kind: 'failed', reason: 'Expected values to be strictly equal: 1 !== 2' },
    { name: 'left', kind: 'left-out', needs: ['advance'] },
  ]);
  expect(opened).toEqual(['opened', 'closed', 'opened', 'closed', 'opened', 'closed']);
});

test('a reason shows nothing that proves a payment', async () => {
  const secret = 'a1b2c3d4'.repeat(8);
  const [verdict] = await start([one('compares', async () => assert.deepEqual({ preimage: secret }, { preimage: '' }))]).verdicts;
  expect(verdict).toMatchObject({ kind: 'failed', reason: expect.stringContaining('a1b2c3d4…') });
  expect(JSON.stringify(verdict)).not.toContain(secret);
});

test('a case that never ends has failed after five minutes', async () => {
  const { clock, verdicts } = start([one('hangs', () => new Promise(() => {})), one('goes on', async () => {})]);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  clock.advance(300_000);
  expect(await verdicts).toEqual([
    { name: 'hangs', kind: 'failed', reason: 'it had not ended after 300 s' },
    { name: 'goes on', kind: 'ok' },
  ]);
  expect(clock.timers()).toBe(0);
});

test('called off, it begins no further case', async () => {
  const calling = new AbortController();
  const { verdicts } = start([one('runs', async () => calling.abort()), one('is never begun', async () => {})], calling.signal);
  expect((await verdicts).map(({ name }) => name)).toEqual(['runs']);
});

async function all<T>(from: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const one of from) found.push(one);
  return found;
}
