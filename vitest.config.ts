import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    // Processes, as the tests listen, open databases and end programs; no slower than threads on two cores.
    pool: 'forks',
    // Many wait for programs of their own: a file a core, the last one included.
    maxWorkers: '100%',
    // For what hangs; how long anything takes is no test's business.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A test that fails now and then is a bug.
    retry: 0,
  },
});
