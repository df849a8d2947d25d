/**
 * What it costs a gateway to count what it does: the same requests to one with `metrics` beside one without, and beside another one without.
 *
 *     npm run bench -- metrics [free] [pass]      one of them
 *
 * Two processes of one program differ by a few hundredths, by how their code was compiled and where their memory lies, which is more than what is looked for.
 * So the three gateways, two without and one with, are in one process and take turns that are short; how far the two without are apart is the noise. Each
 * round has a process of its own.
 *
 * All that counting has a part in is measured once more by itself: a request's pass, how long its upstream took, and its outcome; and that is set beside the
 * request over sockets.
 */
import { systemClock } from '../../src/core/Clock.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { startCounting } from '../../src/gateway/metrics/counting.ts';
import type { RequestOutcome } from '../../src/gateway/Steps.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createEvents } from '../../src/server/Events.ts';
import { openStage } from '../gateway/Stage.ts';
import { mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { added, type Comparison, compare, conclude, middle, type Reading, type Round, type Side } from '../harness/Comparison.ts';
import { loop } from '../harness/Loop.ts';
import { printTable } from '../harness/Table.ts';

export const summary = 'Processor time of a gateway that counts for Prometheus beside one that does not';

const bound = { atMost: 1.03 };

const sizes = { rounds: 15, warmUps: 30, turns: 210, requests: 250 };
const quick = { rounds: 9, warmUps: 6, turns: 12, requests: 200 };

export const run: Run = async ({ isQuick, args }) => {
  const size = isQuick ? quick : sizes;
  const results: Comparison[] = [];
  for (const { word, name, path } of kinds) {
    if (args.length > 0 && !args.includes(word)) continue;
    const rounds: Round[] = [];
    for (let round = 0; round < size.rounds; round++) rounds.push(await measureRound(path, size));
    const whole = conclude({ name, a: 'without', b: 'with metrics', bound }, rounds);
    const sides = { a: partOf('not counted', path, false), b: partOf('counting', path, true) };
    const part = await compare({ name: `${name}: the counting`, ...sides, rounds: 15, warmUps: 2, turns: 8 });
    results.push(whole, part, added({ name: `${name}: its own work`, bound }, whole, part));
  }
  printTable(results);
  console.log(
    `${size.turns} turns of ${size.requests} requests a round, of which the middle half counts, 64 connections, a kilobyte of JSON; each round has three gateways in a process of its own.`,
  );
};

const kinds = [
  { word: 'free', name: 'free', path: paths.free },
  { word: 'pass', name: 'pass, token seen before', path: paths.pass },
] as const;

/** Those in which three can come. */
const orders = [
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
  [0, 2, 1],
  [2, 0, 1],
  [1, 0, 2],
];

/** Three gateways in one process, from their start to their end. */
async function measureRound(path: string, { warmUps, turns, requests: count }: typeof sizes): Promise<Round> {
  const { load, gateway, keys, stop } = await openStage({ others: [{ metrics: true }, { metrics: false }] });
  try {
    const requests = mintCredentials(keys, 'pass', 256).map((credential) => requestFor(path, credential));
    const ports = [gateway.ready.port, ...gateway.ready.others];
    const readings = ports.map((): Reading[] => []);
    for (let turn = -warmUps; turn < turns; turn++) {
      // What one leaves behind, such as garbage, falls on whoever comes next: each comes after each as often.
      for (const index of orders[Math.abs(turn) % orders.length] as readonly number[]) {
        const reading = await load.measure(gateway, { port: ports[index] as number, requests, count, expect: 200 });
        if (turn >= 0) readings[index]?.push(reading);
      }
    }
    const [a, b, again] = readings.map(middle) as [Reading, Reading, Reading];
    return { a, b, again };
  } finally {
    await stop();
  }
}

/** What the gateway does of one request where counting may have an ear, as it does it. */
function partOf(name: string, path: string, isCounting: boolean): Side {
  const events = createEvents();
  const route = `GET ${path}`;
  const offer = { service: 'bench', route };
  const config = createConfig({
    listen: '127.0.0.1:0',
    lightning: 'sandbox',
    ...(isCounting && { metrics: { listen: '127.0.0.1:0' } }),
    services: [{ name: 'bench', upstream: 'http://127.0.0.1:1', routes: [{ path, free: true }] }],
  });
  const receiver = createSandboxNetwork().receiver('bench');
  const nothing = { webSockets: () => 0, upstreams: () => ({ connections: 0, waiting: 0 }) };
  const { know, log, onPassed, onUpstream } = startCounting({ config, receiver, log: () => {} }, { clock: systemClock, events, ...nothing });
  know([{ offer: { ...offer, terms: { kind: 'pass' } } as never }]);
  const isPaid = path === paths.pass;
  const outcome = { method: 'GET', path, route, status: 200, ended: 'delivered', durationMs: 1, ...(isPaid && { token: 'abcdef12' }) } as RequestOutcome;
  return {
    name,
    run: () =>
      loop(() => {
        if (isPaid) onPassed?.(offer);
        onUpstream?.('ok', 0.001);
        log({ ...outcome });
      }, 20_000),
  };
}
