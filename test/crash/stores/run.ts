/**
 * `npm run crash:stores` and `npm run soak:stores`: everything that can be sold, sold by four gateways on one PostgreSQL and then on one Redis
 * to 64 buyers, while upstreams fail, buyers hang up, gateways and the server are killed, connections are cut and clocks are set. Then all
 * books are looked at.
 *
 *     npm run crash:stores -- [--calls <number, of both stores together>] [--stores postgres,redis] [--seed <text>] [--buyers <number>]
 *
 * What is bought and what goes wrong hangs on the seed alone; what meets what is the machine's business.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toHex } from '../../../src/core/internal/bytes.ts';
import * as Postgres from '../../e2e/postgres/Server.ts';
import * as Redis from '../../e2e/redis/Server.ts';
import { createSpares } from '../Spares.ts';
import { shop } from './buyers.ts';
import { checkAll } from './checks.ts';
import { foundTown, type StoreServer, type Town } from './Town.ts';
import { createStory, type Story } from './Ware.ts';

const { values } = parseArgs({
  options: {
    soak: { type: 'boolean', default: false },
    calls: { type: 'string' },
    stores: { type: 'string', default: 'postgres,redis' },
    seed: { type: 'string' },
    buyers: { type: 'string', default: '64' },
  },
});

const servers = { postgres: Postgres, redis: Redis };
const names = values.stores.split(',') as (keyof typeof servers)[];
if (names.some((name) => !Object.hasOwn(servers, name))) {
  say('--stores takes postgres, redis or postgres,redis');
  process.exit(2);
}
/** So much is wrong that more of it would say no more. */
const mostTold = 20;

/** What the last line counts. */
const sum = { passed: 0, failed: 0, skipped: 0 };
const seed = values.seed ?? toHex(crypto.getRandomValues(new Uint8Array(4)));
const calls = Math.ceil(Number(values.calls ?? (values.soak ? 200_000 : 20_000)) / names.length);
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'farebox-soak-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const removing = new Set<() => Promise<void>>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void Promise.allSettled([...removing].map((remove) => remove())).then(() => process.exit(1)));
}

for (const name of names) await runOn(name);
say(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed === 0 ? 0 : 1;

async function runOn(name: keyof typeof servers): Promise<void> {
  const why = servers[name].missing();
  if (why !== undefined) {
    say(`SKIPPED, NOT RUN: ${why}.`);
    sum.skipped += 1;
    return;
  }
  const startedMs = Date.now();
  const elapsed = () => `${((Date.now() - startedMs) / 1000).toFixed(0)} s`;
  say(`\n${calls} calls on ${name}, seed ${seed}`);
  const { start, kill, remove, url, port } = await servers[name].startServer();
  removing.add(remove);
  const spares = createSpares(folder);
  const story = createStory();
  const server: StoreServer = { name, url, port, start, kill };
  let town: Town | undefined;
  try {
    const founded = await foundTown(spares, server, `${seed}/${name}`);
    town = founded;
    const telling = setInterval(() => say(`  ${story.calls} calls, ${founded.deaths()} gateways killed. ${elapsed()}`), 30_000);
    try {
      await shop({ town: founded, story, seed: `${seed}/${name}`, buyers: Number(values.buyers), calls });
    } finally {
      clearInterval(telling);
    }
    await founded.endSellers();
    const store = await founded.openStore();
    try {
      const check = await checkAll(founded, story, store);
      tell(name, founded, story, check, elapsed());
    } finally {
      await store.close();
    }
  } catch (error) {
    // What cannot go on is a finding too.
    sum.failed += 1;
    for (const finding of [...story.findings, ...(town?.findings ?? [])].slice(0, mostTold)) say(`FOUND ${finding}`);
    say(`FOUND ${error instanceof Error ? error.stack : error}`);
  } finally {
    await town?.close();
    await spares.close();
    await remove();
    removing.delete(remove);
  }
}

function tell(
  name: string,
  town: Town,
  story: Story,
  { findings, payments, repeated, lost, unheard }: Awaited<ReturnType<typeof checkAll>>,
  elapsed: string,
): void {
  sum.passed += Math.max(0, story.calls - findings.length);
  sum.failed += findings.length;
  const kinds = Map.groupBy(story.wares, ({ terms }) => terms);
  const free = [...story.free.values()].reduce((all, times) => all + times, 0);
  const parts = story.wares.reduce((all, ware) => all + ware.parts.length, 0);
  say(`${story.calls} calls, ${story.turnedAway} turned away, ${payments} payments; ${town.deaths()} gateways killed. ${elapsed}`);
  say(`bought: ${list(new Map([...kinds].map(([terms, all]) => [terms, all.length])))}; ${parts} parts, ${free} calls for nothing`);
  say(`answers given again: ${repeated}; calls spent on an answer that was lost: ${lost}, ${unheard} of them told 503`);
  say(`faults: ${list(town.faults)}; buyers: ${list(story.done)}; upstream: ${list(behaviours(town))}`);
  say(`gateways told of: ${list(town.troubles)}`);
  for (const finding of findings.slice(0, mostTold)) say(`FOUND ${finding}`);
  if (findings.length === 0) say(`The books on ${name} balance, before and after all was forgotten.`);
  else say(`${findings.length} FINDINGS. Again: npm run crash:stores -- --stores ${name} --calls ${calls} --seed ${seed}`);
}

function behaviours({ upstream }: Town): ReadonlyMap<string, number> {
  return new Map([...Map.groupBy(upstream.served, ({ behaviour }) => behaviour)].map(([behaviour, all]) => [behaviour, all.length]));
}

function list(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a).map(([what, times]) => `${times} × ${what}`);
  return sorted.join(', ') || 'none';
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
