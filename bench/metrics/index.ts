/**
 * What it costs a gateway to count what it does: the same requests to one with `metrics` beside one without.
 *
 *     npm run bench -- metrics
 */
import { openStage, type Stage } from '../gateway/Stage.ts';
import { mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { type Comparison, compare, type Side } from '../harness/Comparison.ts';
import { printTable } from '../harness/Table.ts';

export const summary = 'Processor time of a gateway that counts for Prometheus beside one that does not';

/** Turns that make a round. */
const turns = 8;

export const run: Run = async ({ isQuick }) => {
  const size = isQuick ? 200 : 1000;
  const results: Comparison[] = [];
  for (const { name, path, expect } of kinds) {
    const stages = [await openStage(), await openStage({ metrics: true })] as const;
    try {
      const [a, b] = [sideOf(stages[0], 'without', path, expect, size), sideOf(stages[1], 'with metrics', path, expect, size)];
      results.push(await compare({ name, a, b, rounds: 15, warmUps: 2, turns, bound: { atMost: 1.03 } }));
    } finally {
      for (const stage of stages) await stage.stop();
    }
  }
  printTable(results);
  console.log(`${turns} times ${size} requests a round, 64 connections, a kilobyte of JSON; two gateways, each a process of its own, in turns.`);
};

const kinds = [
  { name: 'free', path: paths.free, expect: 200 },
  { name: 'pass, token seen before', path: paths.pass, expect: 200 },
] as const;

function sideOf(stage: Stage, name: string, path: string, expect: number, count: number): Side {
  const requests = mintCredentials(stage.keys, 'pass', 256).map((credential) => requestFor(path, credential));
  return { name, run: () => stage.load.measure(stage.gateway, { port: stage.gateway.ready.port, requests, count, expect }) };
}
