/**
 * A real Redis that is away, and what a gateway then does not do.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { createRedisStore } from '../../../src/store/redis.ts';
import { testAway } from '../stores/away.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('a redis that is away', () => {
  let server: Server;
  let places = 0;

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  testAway(
    () => server,
    (clock) => createRedisStore({ url: server.url, prefix: `away ${++places}:`, clock, timeoutMs: 1500 }),
  );
});
