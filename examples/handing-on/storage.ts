/**
 * Whoever pays for a storage lets somebody else read one directory of it, and nothing more. README.md beside it says what it needs.
 *
 * In a project of your own, `../../src/…` reads `farebox`, `farebox/client` and `farebox/lightning/sandbox`.
 */
import { createFetch, createMemoryClientStore } from '../../src/client/index.ts';
import { Macaroon } from '../../src/index.ts';
import { createSandboxPayer } from '../../src/lightning/sandbox.ts';
import { sandboxSetting } from '../program.ts';

const url = process.argv[2] ?? 'http://127.0.0.1:8402';
const payer = createSandboxPayer({ ...sandboxSetting(), node: 'owner' });
const store = createMemoryClientStore();
const paying = createFetch({ payer, store, maxPerRequest: '1000 sat', maxTotal: '1000 sat' });

try {
  for (const path of ['/files/reports/may.txt', '/files/letters/to-anna.txt'])
    console.log(`owner: PUT ${path} ${(await paying(url + path, { method: 'PUT', body: 'written by the owner' })).status}`);
  const [bought] = await store.list();
  if (bought?.preimage === undefined) throw new TypeError('nothing was bought');

  // Nobody is asked, and nobody who has the part alone can take its limits off again.
  const reading = Macaroon.attenuate(Macaroon.parse(bought.token), ['method=GET', 'path_prefix=/files/reports/']);
  const headers = { authorization: `L402 ${Macaroon.format(reading)}:${bought.preimage}` };
  for (const [method, path] of [
    ['GET', '/files/reports/may.txt'],
    ['PUT', '/files/reports/may.txt'],
    ['DELETE', '/files/reports/may.txt'],
    ['GET', '/files/letters/to-anna.txt'],
    ['GET', '/files/reports/%2e%2e/letters/to-anna.txt'],
  ] as const) {
    const response = await fetch(url + path, { method, headers });
    await response.body?.cancel();
    console.log(`reader: ${method} ${path} ${response.status}`);
  }
} finally {
  await payer.close();
}
