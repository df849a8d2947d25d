/**
 * What every store does, done by one in a real PostgreSQL: the contract, whatever sequences of calls are drawn, the books after each, trees
 * of parts, and several processes at once.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { testBooks } from '../../conformance/stores/books.ts';
import { testCarvings } from '../../conformance/stores/carvings.ts';
import { testContract } from '../../conformance/stores/contract.ts';
import { openAt, type Place } from '../../conformance/stores/Place.ts';
import { testParts } from '../../conformance/stores/parts.ts';
import { testProcesses } from '../../conformance/stores/processes.ts';
import { testProperties } from '../../conformance/stores/properties.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('postgres', () => {
  let server: Server;
  let places = 0;

  const newPlace = (): Place => {
    places += 1;
    return { kind: 'postgres', url: server.url, schema: `place_${places}` };
  };

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  describe('contract', () => testContract((clock) => openAt(newPlace(), clock)));
  describe('properties', () => testProperties(newPlace, 40));
  describe('books', () => testBooks(newPlace, 40));
  describe('carvings', () => testCarvings((clock) => openAt(newPlace(), clock), 20));
  describe('parts', () => testParts((clock) => openAt(newPlace(), clock), 25));
  describe('processes', () => testProcesses(newPlace));
});
