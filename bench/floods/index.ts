/**
 * What clients that mean no good cost the gateway's memory, and how long everybody else waits meanwhile.
 *
 *     npm run bench -- floods [idle] [idle-bare] [slow-heads] [slow-bodies] [not-reading] [not-reading-long] [idle-h2] [rapid-reset] [continuation] [not-reading-h2]
 *
 * `idle-bare` is what `node:http` takes by itself. The others are sixteen clients with a pass, before the flood and in the midst of it, in turn;
 * their p99 may be twice as long. Everything is on this machine's loopback, bounded in number and time.
 */
import { openStage } from '../gateway/Stage.ts';
import { mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { quantile } from '../harness/Comparison.ts';
import { type Load, startLoad } from '../harness/Load.ts';
import { commandArguments, type Program, residentBytes, start } from '../harness/Program.ts';
import { printRows } from '../harness/Table.ts';
import type { FloodAnswer, FloodKind, FloodQuestion } from './floodProgram.ts';

export const summary = 'Memory, and how long others wait, while 10,000 connections idle, dawdle or flood';

/** Of the gateway, but for one. */
type Name = FloodKind | 'idle-bare';

/**
 * How many connections, and how much each may keep in memory, in bytes; undefined: as much as `inAllBytes` says. `standsAfterMs`: who does not read
 * takes what fits between him and the gateway first, as anybody would who reads; the others are asked once that is over.
 */
const floods: { readonly [Kind in Name]: { readonly connections: number; readonly eachBytes?: number; readonly standsAfterMs?: number } } = {
  idle: { connections: 10_000, eachBytes: 20_480 },
  'idle-bare': { connections: 10_000, eachBytes: 20_480 },
  'slow-heads': { connections: 2000 },
  'slow-bodies': { connections: 2000 },
  'not-reading': { connections: 200, standsAfterMs: 5000 },
  'not-reading-long': { connections: 200, standsAfterMs: 5000 },
  'idle-h2': { connections: 10_000, eachBytes: 20_480 },
  'rapid-reset': { connections: 20 },
  continuation: { connections: 20 },
  'not-reading-h2': { connections: 200, standsAfterMs: 5000 },
};

/** What a flood may add to the gateway's memory. */
const inAllBytes = 200_000_000;
/** How much longer the others' slowest hundredth may take. */
const slower = 2;

const names = Object.keys(floods) as Name[];

export const run: Run = async ({ isQuick, args }) => {
  const wanted = names.filter((name) => args.length === 0 || args.includes(name));
  const rows = [];
  for (const kind of wanted) rows.push(await measure(kind, isQuick ? 3 : 9, isQuick ? 10 : 1));
  printRows([['flood', 'connections', 'ended by us', 'memory', 'bound', 'p99 without', 'p99 with', 'ratio', '±', `≤ ${slower}`], ...rows]);
  console.log('\nMemory: resident, of the gateway once it has collected, over what it had before; where a bound is for each connection, divided by them.');
  console.log('p99: medians of the rounds, each without and with the flood in turn, of 16 clients with a pass. ±: how far rounds without lay apart.\n');
};

async function measure(name: Name, rounds: number, share: number): Promise<readonly string[]> {
  const kind = name === 'idle-bare' ? 'idle' : name;
  const { eachBytes, standsAfterMs = 0 } = floods[name];
  const connections = floods[name].connections / share;
  const stage = await (name === 'idle-bare' ? openBare() : openOurs());
  const flood: Program<undefined> = await start(new URL('./floodProgram.ts', import.meta.url), undefined);
  const { port, requests } = stage;
  const ask = (question: FloodQuestion) => flood.ask(question) as Promise<FloodAnswer>;
  try {
    const wait = async () => (await stage.load.drive({ port, requests, count: 8000, connections: 16, expect: 200 })).p99Ms;
    for (let i = 0; i < 3; i++) await wait();
    const [before, atRest]: [number[], number] = [[], await restingBytes(stage)];
    const amidst: number[] = [];
    let mostBytes = 0;
    let ended = 0;
    for (let round = 0; round < rounds; round++) {
      before.push(await wait());
      await ask({ kind, port, connections, path: paths.free });
      await new Promise((resolve) => setTimeout(resolve, standsAfterMs));
      amidst.push(await wait());
      mostBytes = Math.max(mostBytes, (await restingBytes(stage)) - atRest);
      ended += (await ask('end')).ended;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const [without, amid] = [quantile(before, 0.5), quantile(amidst, 0.5)];
    const spread = (quantile(before, 0.75) - quantile(before, 0.25)) / without;
    const memory = eachBytes === undefined ? megabytes(mostBytes) : `${(mostBytes / connections / 1024).toFixed(1)} KiB each`;
    const isSmall = eachBytes === undefined ? mostBytes <= inAllBytes : mostBytes / connections <= eachBytes;
    const bound = eachBytes === undefined ? megabytes(inAllBytes) : `${eachBytes / 1024} KiB`;
    const ratio = amid / without;
    const met = (isMet: boolean) => (isMet ? 'met' : 'missed');
    return [
      name,
      String(connections),
      String(ended),
      memory,
      `${bound}: ${met(isSmall)}`,
      `${without.toFixed(2)} ms`,
      `${amid.toFixed(2)} ms`,
      ratio.toFixed(2),
      `${(spread * 100).toFixed(0)} %`,
      met(ratio <= slower),
    ];
  } finally {
    await flood.stop();
    await stage.stop();
  }
}

/** A server under measurement. */
type Flooded = {
  readonly pid: number;
  readonly port: number;
  /** What the others ask for. */
  readonly requests: readonly string[];
  readonly load: Load;
  readonly collect: () => Promise<unknown>;
  readonly stop: () => Promise<void>;
};

async function openOurs(): Promise<Flooded> {
  const { gateway, keys, load, ask, stop } = await openStage({ store: 'memory' });
  const requests = mintCredentials(keys, 'pass', 16).map((credential) => requestFor(paths.pass, credential));
  return { pid: gateway.pid, port: gateway.ready.port, requests, load, collect: () => ask('heap'), stop };
}

async function openBare(): Promise<Flooded> {
  const nodeArguments = ['--expose-gc', ...commandArguments()];
  const server = await start<{ readonly port: number }>(new URL('./bareProgram.ts', import.meta.url), undefined, { nodeArguments });
  const load = await startLoad();
  const stop = async () => {
    await load.stop();
    await server.stop();
  };
  return { pid: server.pid, port: server.ready.port, requests: [requestFor(paths.free, undefined)], load, collect: () => server.ask('heap'), stop };
}

/** What it has once nothing is left to collect, and V8 has given back the pages that collecting took: it keeps them for eight seconds. */
async function restingBytes({ pid, collect }: Flooded): Promise<number> {
  await collect();
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  return residentBytes(pid);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
