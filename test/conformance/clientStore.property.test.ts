/**
 * Sequences that are drawn, on the client stores that need no server. The others: `npm run e2e:postgres -- client` and `npm run e2e:redis -- client`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { testClientProperties } from './clients/properties.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-client-'));
let files = 0;
afterAll(() => rmSync(folder, { recursive: true }));

describe('memory', () => testClientProperties(() => ({ kind: 'memory' }), 150));
describe('sqlite', () => testClientProperties(() => ({ kind: 'sqlite', path: join(folder, `${++files}.db`) }), 20));
