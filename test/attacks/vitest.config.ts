/**
 * How `npm run attacks` runs a row's test, in a copy of the project: like `npm test`, less what a single file does not need.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Not in node_modules, which the copies share.
  cacheDir: '.cache',
  test: {
    include: ['test/attacks/*.test.ts'],
    pool: 'forks',
    runner: './test/attacks/backwards.ts',
    // Without its defence a test may wait for what never comes; what counts is an assertion, and those come soon.
    testTimeout: 30_000,
    hookTimeout: 20_000,
    retry: 0,
  },
});
