/**
 * `npm run crash:budgets`: 32 tasks in 4 processes spend as much as their budgets let them, on SQLite, PostgreSQL and Redis in turn, while everything goes
 * wrong; an observer reads the store's books all the while, and at the end journal, wallet and ledger are compared.
 *
 *     npm run crash:budgets -- [--errands <number, of each task>] [--stores sqlite,postgres,redis] [--seed <text>]
 *
 * What is bought and what goes wrong hangs on the seed alone; what meets what is the machine's business.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toHex } from '../../../src/core/internal/bytes.ts';
import type { ClientPlace } from '../../conformance/clients/Place.ts';
import * as Postgres from '../../e2e/postgres/Server.ts';
import * as Redis from '../../e2e/redis/Server.ts';
import { createSpares } from '../Spares.ts';
import { agree } from './agree.ts';
import { openHouse } from './House.ts';
import { recover, spend } from './spend.ts';

const { values } = parseArgs({
  options: {
    errands: { type: 'string', default: '12' },
    stores: { type: 'string', default: 'sqlite,postgres,redis' },
    seed: { type: 'string' },
  },
});

const kinds = ['sqlite', 'postgres', 'redis'] as const;
const names = values.stores.split(',') as (typeof kinds)[number][];
if (names.some((name) => !kinds.includes(name))) {
  say('--stores takes sqlite, postgres and redis, with commas between them');
  process.exit(2);
}
/** What the last line counts. */
const sum = { passed: 0, failed: 0, skipped: 0 };
const seed = values.seed ?? toHex(crypto.getRandomValues(new Uint8Array(4)));
const folder = mkdtempSync(join(tmpdir(), 'farebox-budgets-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const removing = new Set<() => Promise<void>>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void Promise.allSettled([...removing].map((remove) => remove())).then(() => process.exit(1)));
}

for (const name of names) await runOn(name);
say(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 ? 0 : 1;

async function runOn(name: (typeof kinds)[number]): Promise<void> {
  const own = join(folder, name);
  mkdirSync(own);
  if (name === 'sqlite') return spree(name, { kind: 'sqlite', path: join(own, 'client.db') }, own);
  const servers = { postgres: Postgres, redis: Redis };
  const why = servers[name].missing();
  if (why !== undefined) {
    say(`SKIPPED, NOT RUN: ${why}.`);
    sum.skipped += 1;
    return;
  }
  const { url, remove } = await servers[name].startServer();
  removing.add(remove);
  try {
    await spree(name, name === 'postgres' ? { kind: 'postgres', url, schema: 'house' } : { kind: 'redis', url, prefix: '{house}:' }, own);
  } finally {
    await remove();
    removing.delete(remove);
  }
}

async function spree(name: string, place: ClientPlace, own: string): Promise<void> {
  const startedMs = Date.now();
  const elapsed = () => `${((Date.now() - startedMs) / 1000).toFixed(0)} s`;
  say(`\n32 tasks of ${values.errands} errands each on ${name}, seed ${seed}`);
  const spares = createSpares(own, 1);
  let findings: readonly string[];
  try {
    const house = await openHouse(spares, place, own);
    try {
      const told = setInterval(
        () => say(`  ${house.agents.reduce((total, { deaths }) => total + deaths.length, 0)} processes killed, ${house.looks().all} looks. ${elapsed()}`),
        15_000,
      );
      const { ends, deaths } = await spend(house, seed, Number(values.errands)).finally(() => clearInterval(told));
      say(`calls: ${[...ends].map(([end, times]) => `${times} × ${end}`).join(', ')}; ${deaths.length} processes killed`);
      await recover(house, seed);
      const agreed = await agree(house);
      findings = [...house.findings, ...agreed.findings];
      const { all, held } = house.looks();
      say(`${agreed.payments} payments; the books were looked at ${all} times, ${held} of them while something was held.`);
    } finally {
      await house.close();
    }
  } catch (error) {
    // What cannot go on is a finding too.
    findings = [error instanceof Error ? `${error.stack}` : `${error}`];
  } finally {
    await spares.close();
  }
  for (const finding of findings.slice(0, 20)) say(`FOUND ${finding}`);
  sum[findings.length === 0 ? 'passed' : 'failed'] += 1;
  if (findings.length === 0) say(`No limit was exceeded at any moment, and journal, wallet and ledger agree. ${elapsed()}`);
  else say(`${findings.length} FINDINGS. Again: npm run crash:budgets -- --stores ${name} --errands ${values.errands} --seed ${seed}. ${elapsed()}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
