/**
 * What every store does, done by one in a real Redis: the contract, whatever sequences of calls are drawn, the books after each, trees of
 * parts, and several processes at once.
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

describe.skipIf(whyNot())('redis', () => {
  let server: Server;
  let places = 0;

  const newPlace = (): Place => {
    places += 1;
    return { kind: 'redis', url: server.url, prefix: `place ${places}:` };
  };

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  describe('contract', () => testContract((clock) => openAt(newPlace(), clock)));
  describe('properties', () => testProperties(newPlace));
  describe('books', () => testBooks(newPlace));
  describe('carvings', () => testCarvings((clock) => openAt(newPlace(), clock), 30));
  describe('parts', () => testParts((clock) => openAt(newPlace(), clock), 40));
  describe('processes', () => testProcesses(newPlace));
});
