import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    // Processes, as the tests listen, open databases and end programs; no slower than threads on two cores.
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // A test that fails now and then is a bug.
    retry: 0,
  },
});
