import { expect, test } from 'vitest';
import type { Principal } from '../Offer.ts';
import { lowAccount } from './lowAccount.ts';

const principal = (units: bigint | undefined) => ({ units, paymentHash: 'ab'.repeat(32), service: 'api' }) as Principal;
/** What is told while a balance is used, call by call. */
function told(units: bigint, takes: bigint): readonly string[] {
  const words: string[] = [];
  for (let left = units - takes; left >= 0n; left -= takes) {
    const low = lowAccount(principal(units), takes, left);
    if (low) words.push(`${left}: ${low.words}`);
  }
  return words;
}

test('80, 90 and 100 % of what was bought are told, each once', () => {
  expect(told(100n, 1n)).toEqual([
    '20: 80 % of what payment abababababababab bought of api is used.',
    '10: 90 % of what payment abababababababab bought of api is used.',
    '0: 100 % of what payment abababababababab bought of api is used.',
  ]);
  expect(
    told(1000n, 300n).map((words) => words.slice(0, 9)),
    'the highest that a call reaches',
  ).toEqual(['100: 90 %']);
  expect(told(1n, 1n)).toHaveLength(1);
});

test('what was topped up is told when it is nearly used, and what is not counted never', () => {
  expect(lowAccount(principal(100n), 1n, 150n)).toBeUndefined();
  expect(lowAccount(principal(undefined), 1n, 0n)).toBeUndefined();
  expect(lowAccount(principal(0n), 0n, 0n)).toBeUndefined();
  expect(lowAccount(principal(100n), 0n, 0n)).toBeUndefined();
  expect(lowAccount(principal(100n), 1n, 20n)).toMatchObject({ alert: 'account-low', subject: 'ab'.repeat(32), state: 'raised' });
});
