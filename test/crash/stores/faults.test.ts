import { expect, test } from 'vitest';
import { type Fault, sellerCount, throwFaults } from './faults.ts';

function some(seed: string): readonly Fault[] {
  const thrown = throwFaults(seed);
  return Array.from({ length: 400 }, () => thrown.next().value as Fault);
}

test('what goes wrong is what the seed says, and nothing else', () => {
  expect(some('a')).toEqual(some('a'));
  expect(some('a')).not.toEqual(some('b'));
});

test('the dice show every fault, at every gateway, one after the other', () => {
  const all = some('a');
  expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(['cut', 'lose', 'move', 'step', 'kill', 'mine', 'kill-store']));
  expect(new Set(all.flatMap((fault) => (fault.kind === 'step' ? [fault.seller] : []))).size).toBe(sellerCount);
  expect(all.every(({ after }, i) => after > (all[i - 1]?.after ?? 0))).toBe(true);
});
