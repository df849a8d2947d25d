/**
 * A real PostgreSQL that is away, and what a gateway then does not do.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { createPostgresStore } from '../../../src/store/postgres.ts';
import { testAway } from '../stores/away.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('a postgres that is away', () => {
  let server: Server;
  let places = 0;

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  testAway(
    () => server,
    (clock) => createPostgresStore({ url: server.url, schema: `away_${++places}`, clock, timeoutMs: 1500 }),
  );
});
