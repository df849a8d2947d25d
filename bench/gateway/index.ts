/**
 * What a paid request costs the gateway beside the same request to the same gateway where it is free, and what a 402 costs beside a 404.
 *
 *     npm run bench -- gateway [seen] [unseen] [once-memory] [once-sqlite] [challenge] [challenge-sandbox]      some of it
 *     npm run bench -- gateway profile seen [free]      where the time goes; beside another kind of request, where more of it goes
 */
import type { Run } from '../harness/Bench.ts';
import { type Comparison, compare, type Side } from '../harness/Comparison.ts';
import { printRows, printTable } from '../harness/Table.ts';
import type { GatewayProgramOptions } from './gatewayProgram.ts';
import type { Hit } from './Profile.ts';
import { openStage, type Stage } from './Stage.ts';
import { mintCredentials, paths, requestFor } from './Tokens.ts';

export const summary = 'Processor time of the gateway for a paid request beside a free one, and for a 402 beside a 404';

/** One kind of request, ready for a run: `count` of them. */
type Kind = {
  readonly store: GatewayProgramOptions['store'];
  readonly onSandbox?: boolean;
  readonly expect: number;
  readonly requests: (stage: Stage, count: number) => readonly string[];
};

/** Tokens that have been presented before, as many as have clients at once. */
const seenTokens = 256;
const seenCredentials = keptOf('pass');
const bucketCredentials = keptOf('bucket');
const leasedCredentials = keptOf('leased');

/** The same tokens for all runs on one stage. */
function keptOf(terms: 'pass' | 'bucket' | 'leased'): (stage: Stage) => readonly string[] {
  const kept = new WeakMap<Stage, readonly string[]>();
  return (stage) => {
    const credentials = kept.get(stage) ?? mintCredentials(stage.keys, terms, seenTokens);
    kept.set(stage, credentials);
    return credentials;
  };
}

const kinds = {
  free: { store: 'memory', expect: 200, requests: (stage) => seenCredentials(stage).map((credential) => requestFor(paths.free, credential)) },
  'free-unseen': {
    store: 'memory',
    expect: 200,
    requests: (stage, count) => mintCredentials(stage.keys, 'pass', count).map((one) => requestFor(paths.free, one)),
  },
  seen: { store: 'memory', expect: 200, requests: (stage) => seenCredentials(stage).map((credential) => requestFor(paths.pass, credential)) },
  unseen: { store: 'memory', expect: 200, requests: (stage, count) => mintCredentials(stage.keys, 'pass', count).map((one) => requestFor(paths.pass, one)) },
  'unseen-hashed': {
    store: 'none',
    expect: 200,
    requests: (stage, count) => mintCredentials(stage.keys, 'pass', count).map((one) => requestFor(paths.pass, one)),
  },
  'once-memory': {
    store: 'memory',
    expect: 200,
    requests: (stage, count) => mintCredentials(stage.keys, 'once', count).map((one) => requestFor(paths.once, one)),
  },
  'once-sqlite': {
    store: 'sqlite',
    expect: 200,
    requests: (stage, count) => mintCredentials(stage.keys, 'once', count).map((one) => requestFor(paths.once, one)),
  },
  bucket: { store: 'memory', expect: 200, requests: (stage) => bucketCredentials(stage).map((one) => requestFor(paths.bucket, one)) },
  'bucket-sqlite': { store: 'sqlite', expect: 200, requests: (stage) => bucketCredentials(stage).map((one) => requestFor(paths.bucket, one)) },
  leased: { store: 'memory', expect: 200, requests: (stage) => leasedCredentials(stage).map((one) => requestFor(paths.leased, one)) },
  'leased-sqlite': { store: 'sqlite', expect: 200, requests: (stage) => leasedCredentials(stage).map((one) => requestFor(paths.leased, one)) },
  unknown: { store: 'memory', expect: 404, requests: () => [requestFor(paths.unknown)] },
  challenge: { store: 'memory', expect: 402, requests: () => [requestFor(paths.pass)] },
  'challenge-sandbox': { store: 'memory', onSandbox: true, expect: 402, requests: () => [requestFor(paths.pass)] },
} satisfies { readonly [name: string]: Kind };

type KindName = keyof typeof kinds;

/** What is compared with what. */
const comparisons = {
  seen: { name: 'pass, token seen before', a: 'free', b: 'seen', bound: { atMost: 1.05 } },
  unseen: { name: 'pass, token never seen', a: 'free-unseen', b: 'unseen', bound: { atMost: 1.2 } },
  'unseen-hashed': { name: 'the same, nothing written down', a: 'free-unseen', b: 'unseen-hashed', bound: { atMost: 1.2 } },
  'once-memory': { name: 'single use, memory', a: 'free', b: 'once-memory', bound: undefined },
  'once-sqlite': { name: 'single use, SQLite', a: 'free', b: 'once-sqlite', bound: undefined },
  bucket: { name: 'bucket, memory', a: 'seen', b: 'bucket', bound: undefined },
  'bucket-sqlite': { name: 'bucket, SQLite', a: 'seen', b: 'bucket-sqlite', bound: { atMost: 1 / 0.8 } },
  leased: { name: 'bucket, counted ahead, memory', a: 'seen', b: 'leased', bound: undefined },
  'leased-sqlite': { name: 'bucket, counted ahead, SQLite', a: 'seen', b: 'leased-sqlite', bound: { atMost: 1 / 0.95 } },
  challenge: { name: '402 beside 404, invoices ready', a: 'unknown', b: 'challenge', bound: { atMost: 2 } },
  'challenge-sandbox': { name: '402 beside 404, on the sandbox', a: 'unknown', b: 'challenge-sandbox', bound: { atMost: 2 } },
} as const;

type ComparisonName = keyof typeof comparisons;

/** Turns that make a round. */
const turns = 40;

export const run: Run = async ({ isQuick, args }) => {
  const size = isQuick ? 50 : 250;
  const [first, ...rest] = args;
  if (first === 'profile') return profile(rest, size);
  const wanted = Object.keys(comparisons).filter((name) => args.length === 0 || args.includes(name)) as ComparisonName[];
  const results: Comparison[] = [];
  for (const name of wanted) results.push(await compareKinds(name, size));
  printTable(results);
  console.log(`${turns} times ${size} requests a round, 64 connections, a kilobyte of JSON; upstream and load in processes of their own.`);
};

async function compareKinds(name: ComparisonName, size: number): Promise<Comparison> {
  const { a, b, bound, ...rest } = comparisons[name];
  const { store, onSandbox = false }: Kind = kinds[b];
  const stage = await openStage({ store, onSandbox });
  try {
    const sides = { a: sideOf(stage, a, size), b: sideOf(stage, b, size) };
    return await compare({ ...rest, ...sides, rounds: 15, warmUps: 2, turns, ...(bound && { bound }) });
  } finally {
    await stage.stop();
  }
}

function sideOf(stage: Stage, name: KindName, count: number): Side {
  return { name, run: () => stage.load.measure(stage.gateway, driveOf(stage, name, count)) };
}

function driveOf(stage: Stage, name: KindName, count: number) {
  const { expect, requests }: Kind = kinds[name];
  return { port: stage.gateway.ready.port, requests: requests(stage, count), count, expect };
}

/**
 * Prints where the gateway's time goes under one kind of request; under two, by how much that is more than under the other one. V8 samples
 * how the time is shared out; the operating system says how much there was.
 */
async function profile([first = 'seen', second]: readonly string[], size: number): Promise<void> {
  const one = await profileOf(first as KindName, size);
  const other = second === undefined ? new Map<string, Hit>() : await profileOf(second as KindName, size);
  const rows = [...new Set([...one.keys(), ...other.keys()])].map((where) => {
    const [hit, beside] = [one.get(where) ?? nothing, other.get(where) ?? nothing];
    return { where, self: hit.self - beside.self, total: hit.total - beside.total };
  });
  const micro = (value: number) => `${value.toFixed(2)} µs`;
  console.log(`${first}${second === undefined ? '' : ` without ${second}`}, a request\n`);
  const shown = rows.sort((a, b) => Math.abs(b.self) - Math.abs(a.self)).slice(0, 60);
  printRows([['own', 'with calls', 'function'], ...shown.map(({ where, self, total }) => [micro(self), micro(total), where])]);
}

const nothing = { self: 0, total: 0 };

/** What each function takes for one request. */
async function profileOf(name: KindName, size: number): Promise<ReadonlyMap<string, Hit>> {
  const { store, onSandbox = false }: Kind = kinds[name];
  const stage = await openStage({ store, onSandbox });
  try {
    for (let i = 0; i < 10; i++) await stage.load.drive(driveOf(stage, name, 2 * size));
    const drive = driveOf(stage, name, 20 * size);
    await stage.ask('profile');
    const { cpuNs } = await stage.load.measure(stage.gateway, drive);
    const hits = await stage.ask('profiled');
    const scale = cpuNs / 1000 / drive.count / hits.reduce((sum, { self }) => sum + self, 0);
    return new Map(hits.map(({ where, self, total }) => [where, { where, self: self * scale, total: total * scale }]));
  } finally {
    await stage.stop();
  }
}
