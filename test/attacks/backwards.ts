/**
 * Runs the tests of a file from the last to the first. Patches name single tests, which run alone then: one that needs what another test before it
 * has left behind would be red without any patch. `npm test` runs them in their order, `npm run attacks` like this; what passes both ways needs no
 * other.
 */
import { type RunnerTestSuite, TestRunner } from 'vitest';

/** See the head of this file. */
export default class Backwards extends TestRunner {
  /** Told of the files when their tests are known, before the first runs. */
  onBeforeRunFiles(files: readonly RunnerTestSuite[]): void {
    for (const { tasks } of files) reverse(tasks);
  }
}

function reverse(tasks: RunnerTestSuite['tasks']): void {
  tasks.reverse();
  for (const task of tasks) if (task.type === 'suite') reverse(task.tasks);
}
