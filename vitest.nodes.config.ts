import { defineConfig } from 'vitest/config';

/** The suites that need programs which are built or installed for them: `npm run e2e:lnd`. */
export default defineConfig({
  test: {
    include: ['test/e2e/*/*.e2e.ts'],
    pool: 'forks',
    // One after the other: each has its own nodes, and there are two cores.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 15 * 60_000,
    retry: 0,
    // Nodes that do not come to rest fail every case after the first, a minute each.
    bail: 3,
  },
});
