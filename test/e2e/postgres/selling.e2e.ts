/**
 * What one payment buys, over sockets, counted in a real PostgreSQL: every row of the guide, as its configuration stands.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { testBulk } from '../../conformance/selling/bulk.ts';
import type { OpenStore } from '../../conformance/selling/Example.ts';
import { testRows } from '../../conformance/selling/rows.ts';
import { openAt } from '../../conformance/stores/Place.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('selling on postgres', () => {
  let server: Server;
  let places = 0;
  const open: OpenStore = (clock) => openAt({ kind: 'postgres', url: server.url, schema: `selling_${++places}` }, clock);

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  describe('bulk', () => testBulk(open));
  describe('the rows of the guide', () => testRows(open));
});
