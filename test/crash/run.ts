/**
 * `npm run crash` and `npm run soak`: kills at every crash point, then sales by the dice with faults and kills; the books of all three are
 * looked at after every kill.
 *
 *     npm run crash -- [--points <beginning of a name>] [--kills <at each point>] [--sales <number>] [--seed <text>] [--wave <number>]
 *
 * `--wave` with `--seed` plays one wave of that seed again, and nothing else. `--points none` leaves the points out.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crashPoints } from '../../src/core/CrashPoint.ts';
import { toHex } from '../../src/core/internal/bytes.ts';
import { killAtEveryPoint, type PointRow } from './points.ts';
import { sellAtRandom, type Totals } from './random.ts';
import { createSpares, type Spares } from './Spares.ts';

const { values } = parseArgs({
  options: {
    soak: { type: 'boolean', default: false },
    points: { type: 'string', default: '' },
    kills: { type: 'string' },
    sales: { type: 'string' },
    seed: { type: 'string' },
    wave: { type: 'string' },
  },
});

/** What the last line counts. */
const sum = { passed: 0, failed: 0 };
const startedMs = Date.now();
// A killed process leaves what it wrote to the system, on whatever disk: memory will do, and is quick. What a power cut leaves is another question.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'farebox-crash-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
const spares = createSpares(folder);
try {
  if (values.points !== 'none' && values.wave === undefined) await runPoints(spares);
  const sales = Number(values.sales ?? (values.soak ? 100_000 : 2000));
  if (sales > 0) await runSales(spares, sales);
} finally {
  await spares.close();
}
say(`\n${sum.passed} passed, ${sum.failed} failed, 0 skipped`);
process.exitCode = sum.failed === 0 ? 0 : 1;

async function runPoints(of: Spares): Promise<void> {
  const { rows, findings } = await killAtEveryPoint({ spares: of, only: values.points, most: Number(values.kills ?? (values.soak ? 8 : 3)), say });
  const kills = rows.reduce((total, { killed }) => total + killed, 0);
  const failed = rows.filter(({ findings }) => findings.length > 0);
  sum.passed += rows.length - failed.length;
  sum.failed += failed.length + findings.length;
  const width = Math.max(...rows.map(({ point }) => point.length));
  say(`\n${'point'.padEnd(width)}  reached  killed  found`);
  for (const row of rows) say(`${row.point.padEnd(width)}  ${pad(row.reached, 7)}  ${pad(row.killed, 6)}  ${describe(row)}`);
  say(
    `\n${rows.length} of ${crashPoints().size} points, ${kills} kills; the books balanced after ${failed.length + findings.length === 0 ? 'each' : 'most, not all'}. ${elapsed()}`,
  );
}

async function runSales(of: Spares, sales: number): Promise<void> {
  const seed = values.seed ?? toHex(crypto.getRandomValues(new Uint8Array(4)));
  const only = values.wave === undefined ? undefined : Number(values.wave);
  say(`\n${only === undefined ? `${sales} sales` : `wave ${only}`} by the dice, seed ${seed}`);
  let next = step(sales);
  const totals = await sellAtRandom({
    spares: of,
    seed,
    sales,
    only,
    say,
    onWave: (so) => {
      if (so.sales < next) return;
      next = so.sales - (so.sales % step(sales)) + step(sales);
      say(`  ${pad(so.sales, 6)} sales, ${pad(so.kills, 5)} kills, ${so.findings.length} findings. ${elapsed()}`);
    },
  });
  sum.passed += Math.max(0, totals.sales - totals.findings.length);
  sum.failed += totals.findings.length;
  tellTotals(totals, seed);
}

function tellTotals(totals: Totals, seed: string): void {
  const { sales, waves, payments, gone, lost, repeated, tries, kills, deaths, faults, byHand, findings } = totals;
  say(
    `\n${sales} sales in ${waves} waves, ${tries} calls of the buyer, ${payments} payments; ${kills} kills at ${deaths.size} points; seed ${seed}. ${elapsed()}`,
  );
  say(`${repeated} answers given again after a kill or a buyer that left; ${gone} gone with a buyer that was killed, or had hung up, and bought anew.`);
  say(
    `${totals.counted} of the sales off buckets and credits, ${totals.parts} of them by parts that were handed on; ${lost} calls spent on an answer that was lost.`,
  );
  say(`faults: ${list(faults)}`);
  say(`by hand: ${list(byHand)}`);
  say(findings.length === 0 ? 'The books balanced after every wave.' : `${findings.length} FINDINGS. Again: npm run crash -- --seed ${seed} --wave <number>`);
}

/** What became of the sales in which somebody was killed. */
function describe({ outcomes, findings }: PointRow): string {
  if (findings.length > 0) return `FOUND: ${findings[0]}`;
  const gone = outcomes.filter((outcome) => outcome.gone > 0).length;
  const repeated = outcomes.filter((outcome) => outcome.gone === 0 && outcome.repeated > 0).length;
  const lost = outcomes.filter((outcome) => outcome.lost > 0).length;
  const rest = outcomes.length - gone - repeated - lost;
  const parts = [
    rest > 0 ? `${rest} paid once, answered once` : '',
    repeated > 0 ? `${repeated} paid once, answered again` : '',
    gone > 0 ? `${gone} answered to a buyer that was gone, bought anew` : '',
    lost > 0 ? `${lost} answered by another call of what was paid for` : '',
  ];
  return parts.filter((part) => part !== '').join('; ') || 'nothing lost, nothing done twice';
}

/** How many sales there are between two lines. */
function step(sales: number): number {
  return Math.max(100, Math.round(sales / 10 / 100) * 100);
}

function list(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a).map(([what, times]) => `${times} × ${what}`);
  return sorted.join(', ') || 'none';
}

function pad(value: number, width: number): string {
  return String(value).padStart(width);
}

function elapsed(): string {
  return `${((Date.now() - startedMs) / 1000).toFixed(0)} s`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
