/**
 * Keys and revocations under load, with four gateways on one PostgreSQL.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { testRevocation } from '../revocation.ts';
import { type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('revocation on postgres', () => {
  let server: Server;
  const folder = mkdtempSync(join(tmpdir(), 'farebox-revocation-'));
  const address = join(folder, 'store.address');

  beforeAll(async () => {
    server = await startServer();
    writeFileSync(address, `${server.url}\n`);
  });

  afterAll(async () => {
    await server?.remove();
    rmSync(folder, { recursive: true });
  });

  testRevocation(() => `store: { postgres: { url: "file:${address}", schema: revoked } }`);
});
