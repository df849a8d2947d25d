import { expect, test } from 'vitest';
import type { CrashPoint } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Asking, Reply } from './asking.ts';
import { createKeys } from './keys.ts';
import { createSteps, type Step } from './steps.ts';

const keys = createKeys('t:');

/** A server that knows cells alone, and does with them what `apply` does. */
function createServer() {
  const cells = new Map<string, string>();
  let calls = 0;
  let before = () => {};
  const run = async (_: unknown, names: readonly string[], args: readonly string[]): Promise<Reply> => {
    await new Promise((resolve) => setImmediate(resolve));
    calls += 1;
    before();
    const count = Number(args[1]);
    const wanted = names.slice(4, 4 + count);
    const found = wanted.map((key) => cells.get(key) ?? '');
    if (found.some((text, i) => text !== args[2 + 2 * i])) return ['changed', found];
    for (const [i, key] of wanted.entries()) {
      const next = args[3 + 2 * i] ?? '';
      if (next === '') cells.delete(key);
      else cells.set(key, next);
    }
    return ['done'];
  };
  return {
    cells,
    asking: { run, ask: async () => [] } as Asking,
    calls: () => calls,
    /** Done before each step that comes in. */
    each: (work: () => void) => {
      before = work;
    },
  };
}

function add(key: string, by = 1): Step<number> {
  return {
    operation: 'count',
    cells: [key],
    decide: (draft) => {
      const next = Number(draft.read(key) ?? 0) + by;
      draft.write(key, `${next}`);
      return next;
    },
  };
}

function stepsOn(server: ReturnType<typeof createServer>, points: CrashPoint[] = []) {
  return createSteps(
    server.asking,
    keys,
    () => {},
    (point) => points.push(point),
  );
}

test('a step costs one round trip where nobody was, and where this process was the last', async () => {
  const server = createServer();
  const steps = stepsOn(server);
  for (let i = 1; i <= 5; i++) expect(await steps.take(add('a'))).toBe(i);
  expect(server.calls()).toBe(5);
});

test('a step costs one more where somebody else was', async () => {
  const server = createServer();
  server.cells.set('a', '7');
  const steps = stepsOn(server);
  expect(await steps.take(add('a'))).toBe(8);
  expect(server.calls()).toBe(2);
});

test('steps on one cell that come at once are written in two goes, in their order', async () => {
  const server = createServer();
  const steps = stepsOn(server);
  expect(await Promise.all(Array.from({ length: 65 }, () => steps.take(add('a'))))).toEqual(Array.from({ length: 65 }, (_, i) => i + 1));
  expect([server.calls(), server.cells.get('a')]).toEqual([2, '65']);
});

test('steps that look at a cell that they did not name wait for those at it, and are then written together', async () => {
  const server = createServer();
  const steps = stepsOn(server);
  const through = (own: string): Step<number> => ({ ...add('shared'), cells: [own] });
  const outcomes = await Promise.all(Array.from({ length: 40 }, (_, i) => steps.take(through(`own ${i}`))));
  expect(outcomes.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect(server.calls()).toBe(2);
});

test('what a step says of what it saw is told only once that was so: also that it may not be', async () => {
  const server = createServer();
  server.cells.set('a', '7');
  const mistaken: Step<never> = {
    operation: 'count',
    cells: ['a'],
    decide: (draft) => {
      throw new RangeError(`saw ${draft.read('a')}`);
    },
  };
  await expect(stepsOn(server).take(mistaken)).rejects.toThrow(new RangeError('saw 7'));
});

test('a step that throws writes nothing, and those that go with it do', async () => {
  const server = createServer();
  const steps = stepsOn(server);
  const half: Step<never> = {
    operation: 'count',
    cells: ['a'],
    decide: (draft) => {
      draft.write('a', '999');
      throw new TypeError('half done');
    },
  };
  const outcomes = await Promise.allSettled([steps.take(add('a')), steps.take(half), steps.take(add('a'))]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(server.cells.get('a')).toBe('2');
});

test('a cell that cannot be read is the store’s trouble, not its caller’s mistake', async () => {
  const broken: Step<never> = {
    operation: 'count',
    cells: ['a'],
    decide: () => {
      throw new SyntaxError('no JSON');
    },
  };
  await expect(stepsOn(createServer()).take(broken)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

test('a step that others are always faster than is told so, and nothing of it is written', async () => {
  const server = createServer();
  let others = 0;
  server.each(() => server.cells.set('a', `${++others * 1000}`));
  await expect(stepsOn(server).take(add('a'))).rejects.toThrow(/others were faster/);
  expect(Number(server.cells.get('a')) % 1000).toBe(0);
  server.each(() => {});
  expect(await stepsOn(server).take(add('a'))).toBe(others * 1000 + 1);
});

test('what is not known to be written is the caller’s to hear, and is looked at anew by the next', async () => {
  const server = createServer();
  const steps = stepsOn(server);
  await steps.take(add('a'));
  server.each(() => {
    server.cells.set('a', '50');
    throw new FareboxError('STORE_UNAVAILABLE', 'lost');
  });
  await expect(steps.take(add('a'))).rejects.toThrow('lost');
  server.each(() => {});
  expect(await steps.take(add('a'))).toBe(51);
});

test('every step has its two points, before anything is sent and before its caller hears', async () => {
  const points: CrashPoint[] = [];
  const steps = stepsOn(createServer(), points);
  await steps.take({ ...add('a'), operation: 'claim' }).then(() => points.push('told' as CrashPoint));
  expect(points).toEqual(['store.claim.written', 'store.claim.committed', 'told']);
});
