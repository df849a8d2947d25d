/**
 * What every client store does, done by one in a real PostgreSQL: the contract, and whatever sequences of calls are drawn.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { testClientContract } from '../../conformance/clients/contract.ts';
import type { ClientPlace } from '../../conformance/clients/Place.ts';
import { testClientProcesses } from '../../conformance/clients/processes.ts';
import { testClientPromises } from '../../conformance/clients/promises.ts';
import { testClientProperties } from '../../conformance/clients/properties.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('client store in postgres', () => {
  let server: Server;
  let places = 0;

  const newPlace = (): ClientPlace => {
    places += 1;
    return { kind: 'postgres', url: server.url, schema: `client_${places}` };
  };

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  describe('contract', () => testClientContract(newPlace));
  describe('properties', () => testClientProperties(newPlace, 15));
  describe('processes', () => testClientProcesses(newPlace));
  describe('promises', () => testClientPromises(newPlace, () => server));
});
