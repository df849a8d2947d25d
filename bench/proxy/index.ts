/**
 * What a paid request costs the gateway beside what the same request costs nginx and other proxies, which sell nothing: processor time, and
 * how long 99 in 100 take. And how fast one long answer goes through.
 *
 *     npm run bench -- proxy [nginx] [nginx-2] [h2] [h2-2] [grpc] [grpc-2] [stream] [package] [undici] [young] [young-grpc] [http-proxy-3] [fast-proxy] [@fastify/http-proxy]
 *     npm run bench -- proxy rounds=15 size=1500                                                   more rounds, and requests a turn
 *
 * The others are installed into a folder of their own, which is gone afterwards; what is not there is left out, and said to be.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keysOf, mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { type Bound, type Comparison, compare, minRounds, quantile, type Side } from '../harness/Comparison.ts';
import { type Driven, startLoad } from '../harness/Load.ts';
import { start } from '../harness/Program.ts';
import { printRows, printTable } from '../harness/Table.ts';
import { type Measured, startGateways, together } from './gateways.ts';
import { grpcMessage } from './grpcMessage.ts';
import type { Http2Drive } from './http2LoadProgram.ts';
import { hasNginx, startNginx } from './nginx.ts';
import type { OtherProgramOptions } from './otherProgram.ts';
import { measurePackage } from './packageMemory.ts';
import { compareStreams } from './stream.ts';

export const summary = 'A paid request through the gateway beside the same through nginx and other proxies';

/** What goes in on one side and out on the other. */
type Kind = 'http1' | 'http2' | 'grpc';

type Wanted = { readonly name: string; readonly bound: Bound; readonly kind: Kind; readonly workers: number };

/** The bound on nginx, so much of its pace, is one through that of its processor time. */
const pace = (least: number): Bound => ({ atMost: 1 / least });

const comparisons = {
  nginx: { name: 'HTTP/1.1, 1 worker', bound: pace(0.4), kind: 'http1', workers: 1 },
  'nginx-2': { name: 'HTTP/1.1, 2 workers', bound: pace(0.4), kind: 'http1', workers: 2 },
  h2: { name: 'HTTP/2 in, HTTP/1.1 out, 1 worker', bound: pace(0.5), kind: 'http2', workers: 1 },
  'h2-2': { name: 'HTTP/2 in, HTTP/1.1 out, 2 workers', bound: pace(0.5), kind: 'http2', workers: 2 },
  grpc: { name: 'gRPC unary, 1 worker', bound: pace(0.4), kind: 'grpc', workers: 1 },
  'grpc-2': { name: 'gRPC unary, 2 workers', bound: pace(0.4), kind: 'grpc', workers: 2 },
  undici: { name: 'our client beside undici in the gateway', bound: { atMost: 1 }, kind: 'http1', workers: 1 },
  young: { name: 'HTTP/1.1, young objects as we keep them', bound: { atMost: 1.03 }, kind: 'http1', workers: 1 },
  'young-grpc': { name: 'gRPC unary, young objects as we keep them', bound: { atMost: 1.03 }, kind: 'grpc', workers: 1 },
  'http-proxy-3': { name: 'HTTP/1.1 beside http-proxy-3', bound: { atMost: 1 }, kind: 'http1', workers: 1 },
  'fast-proxy': { name: 'HTTP/1.1 beside fast-proxy', bound: { atMost: 1 }, kind: 'http1', workers: 1 },
  '@fastify/http-proxy': { name: 'HTTP/1.1 beside @fastify/http-proxy', bound: { atMost: 1 }, kind: 'http1', workers: 1 },
} as const satisfies Record<string, Wanted>;

type Name = keyof typeof comparisons;

const others: readonly Name[] = ['http-proxy-3', 'fast-proxy', '@fastify/http-proxy'];

/** As many tokens, presented before, as there are requests at once. */
const concurrency = 64;
/** Turns that make a round. */
const turns = 4;
/** 99 in 100 may take so many times as long as nginx's. */
const slowest = 6;

export const run: Run = async ({ isQuick, args }) => {
  const numberOf = (name: string, usual: number) => Number(args.find((word) => word.startsWith(name))?.slice(name.length) ?? usual);
  const size = numberOf('size=', isQuick ? 500 : 4000);
  const rounds = numberOf('rounds=', minRounds);
  const wanted = args.filter((word) => !word.includes('='));
  const names = (Object.keys(comparisons) as Name[]).filter((name) => wanted.length === 0 || wanted.includes(name));
  const folder = installOthers(names.filter((name) => others.includes(name)));
  const results: Comparison[] = [];
  const waits: Waits[] = [];
  try {
    for (const name of names) {
      const result = await compareWith(name, { size, rounds, folder });
      if (result === undefined) continue;
      results.push(result.cost);
      waits.push(result.waits);
    }
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  }
  if (results.length > 0) {
    printTable(results);
    printWaits(waits);
    console.log(`${turns} times ${size} requests a round, ${concurrency} at once, a kilobyte of JSON or of a message, a pass that was seen before.`);
    console.log('Two workers are two processes with half of the requests each. HTTP/2 is in the clear, over four connections a process.\n');
  }
  const bytes = isQuick ? 100_000_000 : 1_000_000_000;
  if (wanted.length === 0 || wanted.includes('package')) await measurePackage(bytes, 3);
  if (wanted.length > 0 && !wanted.includes('stream')) return;
  if (hasNginx()) await compareStreams(bytes, rounds);
  else console.log('LEFT OUT: stream, for there is no nginx on this machine (apt-get install nginx-light).\n');
};

/** How long 99 in 100 took, the median of all runs, in milliseconds. */
type Waits = { readonly name: string; readonly a: string; readonly aMs: number; readonly bMs: number; readonly bound: number | undefined };

function printWaits(waits: readonly Waits[]): void {
  const rows = waits.map(({ name, a, aMs, bMs, bound }) => {
    const ratio = bMs / aMs;
    const verdict = bound === undefined ? '-' : `≤ ${bound}: ${ratio <= bound ? 'met' : 'missed'}`;
    return [name, `${a}: ${aMs.toFixed(2)} ms`, `farebox: ${bMs.toFixed(2)} ms`, ratio.toFixed(2), verdict];
  });
  printRows([['99 in 100 within', 'A', 'B', 'B/A', 'bound'], ...rows]);
  console.log('\nMedian of all runs; 64 at once keep a process busy all the time, so that it is the queue that is measured.');
}

type How = { readonly size: number; readonly rounds: number; readonly folder: string | undefined };

async function compareWith(name: Name, { size, rounds, folder }: How): Promise<{ readonly cost: Comparison; readonly waits: Waits } | undefined> {
  const { kind, workers }: Wanted = comparisons[name];
  const closing: { readonly stop: () => Promise<void> }[] = [];
  try {
    const program = kind === 'grpc' ? './grpcUpstreamProgram.ts' : '../gateway/upstreamProgram.ts';
    const upstream = await start<{ readonly port: number }>(new URL(program, import.meta.url), undefined);
    closing.push(upstream);
    const upstreamPort = upstream.ready.port;
    const master = new Uint8Array(randomBytes(32));
    const other = await startOther(name, { upstreamPort, master, folder });
    if (other === undefined) return undefined;
    closing.push(other);
    const ours = await startGateways({ upstreamPort, master, workers, upstreamKind: kind === 'grpc' ? 'h2c' : 'http1' });
    closing.push(ours);
    const { drive, stop } = await (kind === 'http1' ? startHttp1(master) : startHttp2(kind, master));
    closing.push({ stop });
    const took = { a: [] as number[], b: [] as number[] };
    const side = (label: string, measured: Measured, p99: number[]): Side => ({
      name: label,
      run: async () => {
        const before = await measured.cpuNs();
        const each = size / measured.ports.length;
        const driven = await Promise.all(measured.ports.map((port) => drive(port, each, concurrency / measured.ports.length)));
        p99.push(Math.max(...driven.map(({ p99Ms }) => p99Ms)));
        return { cpuNs: (await measured.cpuNs()) - before, count: size };
      },
    });
    const label = isYoung(name) ? 'as Node keeps them' : others.includes(name) || name === 'undici' ? name : 'nginx';
    const cost = await compare({ ...comparisons[name], a: side(label, other, took.a), b: side('farebox', ours, took.b), rounds, warmUps: 2, turns });
    const bound = label === 'nginx' && kind === 'http1' ? slowest : undefined;
    return { cost, waits: { name: comparisons[name].name, a: label, aMs: quantile(took.a, 0.5), bMs: quantile(took.b, 0.5), bound } };
  } finally {
    for (const { stop } of closing.reverse()) await stop();
  }
}

/** Sends so many requests to a port, so many of them at once. */
type Driver = {
  readonly drive: (port: number, count: number, atOnce: number) => Promise<Driven>;
  readonly stop: () => Promise<void>;
};

async function startHttp1(master: Uint8Array): Promise<Driver> {
  const load = await startLoad();
  const requests = mintCredentials(keysOf(master), 'pass', concurrency).map((credential) => requestFor(paths.pass, credential));
  return { drive: (port, count, connections) => load.drive({ port, requests, count, connections, expect: 200 }), stop: load.stop };
}

async function startHttp2(kind: 'http2' | 'grpc', master: Uint8Array): Promise<Driver> {
  const program = await start<undefined>(new URL('./http2LoadProgram.ts', import.meta.url), undefined);
  const terms = kind === 'grpc' ? 'call' : 'pass';
  const asked = kind === 'grpc' ? { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' } : { ':method': 'GET', accept: '*/*' };
  const requests = mintCredentials(keysOf(master), terms, concurrency).map((authorization) => ({
    ...asked,
    ':path': paths[terms],
    'user-agent': 'node',
    authorization,
  }));
  const body = kind === 'grpc' ? grpcMessage(1024) : undefined;
  return {
    drive: async (port, count, streams) => {
      const drive: Http2Drive = { port, requests, body, count, connections: 4, streams, withinMs: 120_000 };
      const driven = (await program.ask(drive)) as Driven;
      if (Object.keys(driven.statuses).join() !== '200') throw new Error(`Every answer should have been 200: ${JSON.stringify(driven.statuses)}`);
      return driven;
    },
    stop: program.stop,
  };
}

/** Beside the same gateway, given nothing for Node. */
const isYoung = (name: Name) => name === 'young' || name === 'young-grpc';

type Where = { readonly upstreamPort: number; readonly master: Uint8Array; readonly folder: string | undefined };

async function startOther(name: Name, { upstreamPort, master, folder }: Where): Promise<Measured | undefined> {
  const { kind, workers }: Wanted = comparisons[name];
  if (name === 'undici') return startGateways({ upstreamPort, master, workers, upstreamClient: 'undici' });
  if (isYoung(name)) return startGateways({ upstreamPort, master, workers, upstreamKind: kind === 'grpc' ? 'h2c' : 'http1', nodeArguments: [] });
  if (!others.includes(name)) {
    if (hasNginx()) return startNginx({ upstreamPort, workers, kind });
    console.log(`LEFT OUT: ${name}, for there is no nginx on this machine (apt-get install nginx-light).\n`);
    return undefined;
  }
  if (folder === undefined) return undefined;
  try {
    const options: OtherProgramOptions = { name, folder, upstreamPort };
    return together([await start(new URL('./otherProgram.ts', import.meta.url), options)]);
  } catch (error) {
    console.log(`LEFT OUT: ${name}, which does not start: ${(error as Error).message.split('\n')[0]}\n`);
    return undefined;
  }
}

/** Undefined where none is wanted, or npm cannot get them. */
function installOthers(packages: readonly Name[]): string | undefined {
  if (packages.length === 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'farebox-proxies-'));
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  try {
    const all = packages.includes('@fastify/http-proxy') ? [...packages, 'fastify'] : packages;
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...all], { cwd: folder, stdio: 'pipe' });
    return folder;
  } catch {
    console.log(`LEFT OUT: ${packages.join(', ')}, which npm could not install.\n`);
    rmSync(folder, { recursive: true });
    return undefined;
  }
}
