/**
 * What thieves try, on a store in a real Redis; and each of its own defences, taken out.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { testAttacks } from '../attacks.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('attacks on redis', () => {
  let server: Server;

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  testAttacks('redis', () => server.url);
});
