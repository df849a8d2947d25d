import { expect, test } from 'vitest';
import { throwWave } from './random.ts';
import { ownerOf } from './Stage.ts';

const waves = (seed: string) => Array.from({ length: 400 }, (_, number) => throwWave(seed, number));

test('a wave is what its seed and its number say, and nothing else', () => {
  expect(waves('a')).toEqual(waves('a'));
  expect(waves('a')).not.toEqual(waves('b'));
  expect(throwWave('a', 7)).toEqual(waves('a')[7]);
});

test('the dice show every fault, and kill everybody', () => {
  const all = waves('a');
  const seen = new Set(all.flatMap(({ plans, fault }) => [...plans.flatMap(({ upstream }) => upstream), fault?.kind ?? 'none']));
  const faults = ['refuse', 'miss', 'reset', 'break', 'slow', 'late', 'hold', 'stall', 'fails', 'hangs', 'settles-late', 'no-preimage', 'overcharges'];
  expect([...seen]).toEqual(expect.arrayContaining([...faults, 'pays-expired', 'node-down']));
  const killed = all.flatMap(({ mine, kill }) => [mine ? `${ownerOf(mine.point)} by itself` : '', kill ? `${kill.program} from outside` : '']);
  expect(new Set(killed.filter((each) => each !== '')).size).toBe(6);
});

test('no wave kills one program twice: after that a claim is used up, by design', () => {
  for (const { mine, kill } of waves('a')) if (mine && kill) expect(kill.program).not.toBe(ownerOf(mine.point));
});
