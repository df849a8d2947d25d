/**
 * What it costs a gateway to count what it does: the same requests to one with `metrics` beside one without, and beside another one without.
 *
 *     npm run bench -- metrics [free] [pass]      one of them
 *
 * Two processes of one program differ by a few hundredths, by how their code was compiled and where their memory lies. So each round has gateways of its own,
 * several sets of three: two without, one with; how far the two without are apart is the noise.
 *
 * That noise is as large as what is looked for. So all that counting has a part in is measured once more by itself: a request's pass, how long its upstream
 * took, and its outcome; and that is set beside the request over sockets.
 */
import { systemClock } from '../../src/core/Clock.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { startCounting } from '../../src/gateway/metrics/counting.ts';
import type { RequestOutcome } from '../../src/gateway/Steps.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createEvents } from '../../src/server/Events.ts';
import { openStage, type Stage } from '../gateway/Stage.ts';
import { mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { add, added, type Comparison, compare, conclude, none, type Reading, type Round, type Side } from '../harness/Comparison.ts';
import { loop } from '../harness/Loop.ts';
import { printTable } from '../harness/Table.ts';

export const summary = 'Processor time of a gateway that counts for Prometheus beside one that does not';

const bound = { atMost: 1.03 };

const sizes = { rounds: 11, sets: 3, warmUps: 8, turns: 10, requests: 1000 };
const quick = { rounds: 9, sets: 1, warmUps: 2, turns: 2, requests: 200 };

export const run: Run = async ({ isQuick, args }) => {
  const size = isQuick ? quick : sizes;
  const results: Comparison[] = [];
  for (const { word, name, path } of kinds) {
    if (args.length > 0 && !args.includes(word)) continue;
    const rounds: Round[] = [];
    for (let round = 0; round < size.rounds; round++) {
      let sum: Round = { a: none, b: none, again: none };
      for (let set = 0; set < size.sets; set++) sum = together(sum, await measureSet(path, size));
      rounds.push(sum);
    }
    const whole = conclude({ name, a: 'without', b: 'with metrics', bound }, rounds);
    const sides = { a: partOf('not counted', path, false), b: partOf('counting', path, true) };
    const part = await compare({ name: `${name}: the counting`, ...sides, rounds: 15, warmUps: 2, turns: 8 });
    results.push(whole, part, added({ name: `${name}: its own work`, bound }, whole, part));
  }
  printTable(results);
  console.log(
    `${size.sets} times ${size.turns} turns of ${size.requests} requests a round, 64 connections, a kilobyte of JSON; each round has gateways of its own.`,
  );
};

const kinds = [
  { word: 'free', name: 'free', path: paths.free },
  { word: 'pass', name: 'pass, token seen before', path: paths.pass },
] as const;

function together(one: Round, other: Round): Round {
  return { a: add(one.a, other.a), b: add(one.b, other.b), again: add(one.again, other.again) };
}

/** Three gateways from their start to their end. */
async function measureSet(path: string, { warmUps, turns, requests: count }: typeof sizes): Promise<Round> {
  const stages: Stage[] = [];
  try {
    for (const metrics of [false, true, false]) stages.push(await openStage({ metrics }));
    const sides = stages.map(({ load, gateway, keys }) => {
      const requests = mintCredentials(keys, 'pass', 256).map((credential) => requestFor(path, credential));
      return () => load.measure(gateway, { port: gateway.ready.port, requests, count, expect: 200 });
    });
    for (let turn = 0; turn < warmUps; turn++) for (const measure of sides) await measure();
    const sums = sides.map(() => none);
    for (let turn = 0; turn < turns; turn++) {
      // Always in the same order, so that each comes after another one, whose traces in the processor's memory are in its way.
      for (const [index, measure] of sides.entries()) sums[index] = add(sums[index] as Reading, await measure());
    }
    const [a, b, again] = sums as [Reading, Reading, Reading];
    return { a, b, again };
  } finally {
    for (const stage of stages) await stage.stop();
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
