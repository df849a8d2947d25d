/**
 * A Vitest that stays, started by `attackRuns.ts` in a copy of the project: told by messages which test to run, and which files have changed
 * since. Starting one anew for each of the many patches would take longer than the tests.
 *
 * Argument: the copy's folder. Ends with its parent.
 */
import { join } from 'node:path';
import { createVitest, type TestCase, type TestModule } from 'vitest/node';

/** What is asked. */
export type Ask = {
  /** Paths below the copy's folder. */
  readonly test: string;
  readonly changed: readonly string[];
  /** The full name of the one test of it to run, such as `gateway > is paid once`; undefined: all of them. */
  readonly name?: string | undefined;
  /** Stop at the first test that fails. */
  readonly bail: boolean;
};

/** What a test file came to. */
export type TestOutcome =
  | { readonly kind: 'green'; readonly tests: number }
  /** `asserted`: a test failed in an assertion; otherwise what failed was something else, such as a time-out. */
  | { readonly kind: 'red'; readonly asserted: boolean; readonly test: string; readonly message: string }
  /** The file did not load, or no test ran. */
  | { readonly kind: 'broken'; readonly message: string };

const [root = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());

const config = join(root, 'test', 'attacks', 'vitest.config.ts');
const vitest = await createVitest('test', { watch: false, root, config, reporters: [], maxWorkers: 1 }, { server: { watch: null } });

process.on('message', (ask: Ask) => {
  run(ask)
    .catch((error: unknown): TestOutcome => ({ kind: 'broken', message: String(error) }))
    .then((outcome) => process.send?.(outcome));
});
process.send?.('ready');

async function run({ test, changed, name, bail }: Ask): Promise<TestOutcome> {
  for (const file of changed) vitest.invalidateFile(join(root, file));
  for (const each of [vitest, ...vitest.projects]) each.config.bail = bail ? 1 : 0;
  const specification = (await vitest.globTestSpecifications([test])).find(({ moduleId }) => moduleId === join(root, test));
  if (specification === undefined) return { kind: 'broken', message: `there is no ${test}` };
  specification.testNames = name === undefined ? undefined : [name];
  const { testModules } = await vitest.runTestSpecifications([specification], false);
  const found = testModules.find(({ moduleId }) => moduleId === join(root, test));
  if (found === undefined) return { kind: 'broken', message: 'it did not run' };
  const outcome = outcomeOf(found);
  const isThere = name === undefined || [...found.children.allTests()].some(({ fullName }) => fullName === name);
  return outcome.kind === 'broken' && !isThere && found.ok() ? { kind: 'broken', message: `there is no test "${name}"` } : outcome;
}

function outcomeOf(module: TestModule): TestOutcome {
  const tests = [...module.children.allTests()];
  const failed = tests.filter((test) => test.result().state === 'failed');
  const asserted = failed.find((test) => errorsOf(test).some(isAssertion));
  const first = asserted ?? failed[0];
  const message = (first ? errorsOf(first) : module.errors()).map((error) => error.stack || error.message).join('\n');
  if (first) return { kind: 'red', asserted: asserted !== undefined, test: first.fullName, message };
  const passed = tests.filter((test) => test.result().state === 'passed').length;
  if (passed === 0 || !module.ok()) return { kind: 'broken', message: message || 'no test ran' };
  return { kind: 'green', tests: passed };
}

function errorsOf(test: TestCase) {
  return test.result().errors ?? [];
}

/** What `expect(…).resolves` and `.rejects` find is an assertion too, by another name. */
function isAssertion({ name, message }: { readonly name?: string; readonly message: string }): boolean {
  return name === 'AssertionError' || /^promise (?:resolved|rejected) /.test(message);
}
