import { expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { followFiles } from './FileFollowing.ts';

const turns = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
};

/** Files that a test changes, followed. */
async function open(files: Record<string, string>) {
  const clock = FixedClock.create();
  let count = 0;
  const names = { current: Object.keys(files) };
  const following = followFiles({
    files: () => names.current,
    clock,
    onChange: async () => {
      count += 1;
    },
    look: async (path) => files[path] ?? '',
  });
  await turns();
  const second = async () => {
    clock.advance(1000);
    await turns();
  };
  return { clock, following, names, second, count: () => count };
}

test('a change is told once it has stood still for a second, and once', async () => {
  const files: Record<string, string> = { a: '1', b: '1' };
  const { clock, following, second, count } = await open(files);
  await second();
  files.b = '2';
  await second();
  files.b = '3';
  await second();
  expect(count(), 'it is still being written').toBe(0);
  await second();
  expect(count()).toBe(1);
  await second();
  expect(count()).toBe(1);
  await following.close();
  expect(clock.timers()).toBe(0);
});

test('a file that goes, and one that comes back, are changes', async () => {
  const files: Record<string, string> = { a: '1' };
  const { following, second, count } = await open(files);
  delete files.a;
  await second();
  await second();
  expect(count()).toBe(1);
  files.a = '2';
  await second();
  await second();
  expect(count()).toBe(2);
  await following.close();
});

test('what is known already is not told, and which files they are is no change of theirs', async () => {
  const files: Record<string, string> = { a: '1', b: '1' };
  const { following, names, second, count } = await open(files);
  files.a = '2';
  await following.mark();
  await second();
  await second();
  expect(count()).toBe(0);
  names.current = ['a'];
  await following.mark();
  files.b = '2';
  await second();
  await second();
  expect(count()).toBe(0);
  await following.close();
});
