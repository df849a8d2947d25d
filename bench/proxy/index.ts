/**
 * What a paid request costs the gateway beside what the same request costs nginx and other proxies, which sell nothing: processor time, and
 * how long it takes.
 *
 *     npm run bench -- proxy [nginx] [nginx-2] [undici] [http-proxy-3] [fast-proxy] [@fastify/http-proxy]      some of it
 *     npm run bench -- proxy rounds=15                                                                          more of it
 *
 * The others are installed into a folder of their own, which is gone afterwards; what is not there is left out, and said to be.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayProgramOptions } from '../gateway/gatewayProgram.ts';
import { keysOf, mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { type Comparison, compare, minRounds, type Side } from '../harness/Comparison.ts';
import { type Load, startLoad } from '../harness/Load.ts';
import { type Program, start } from '../harness/Program.ts';
import { printTable } from '../harness/Table.ts';
import { hasNginx, startNginx } from './nginx.ts';
import type { OtherProgramOptions } from './otherProgram.ts';

export const summary = 'A paid request through the gateway beside the same through nginx and other proxies';

/** A proxy under measurement: one process, or several with a part of the requests each. */
export type Measured = { readonly ports: readonly number[]; readonly cpuNs: () => Promise<number>; readonly stop: () => Promise<void> };

const comparisons = {
  nginx: { name: 'the gateway beside nginx, 1 worker', bound: { atMost: 1 / 0.4 } },
  'nginx-2': { name: 'the gateway beside nginx, 2 workers', bound: { atMost: 1 / 0.4 } },
  undici: { name: 'our client beside undici in the gateway', bound: { atMost: 1 } },
  'http-proxy-3': { name: 'the gateway beside http-proxy-3', bound: { atMost: 1 } },
  'fast-proxy': { name: 'the gateway beside fast-proxy', bound: { atMost: 1 } },
  '@fastify/http-proxy': { name: 'the gateway beside @fastify/http-proxy', bound: { atMost: 1 } },
} as const;

type Name = keyof typeof comparisons;

/** As many tokens, presented before, as there are connections. */
const connections = 64;
/** Turns that make a round. */
const turns = 4;

export const run: Run = async ({ isQuick, args }) => {
  const size = isQuick ? 500 : 4000;
  const rounds = Number(args.find((word) => word.startsWith('rounds='))?.slice('rounds='.length) ?? minRounds);
  const wanted = args.filter((word) => !word.startsWith('rounds='));
  const names = (Object.keys(comparisons) as Name[]).filter((name) => wanted.length === 0 || wanted.includes(name));
  const folder = installOthers(names);
  const results: Comparison[] = [];
  try {
    for (const name of names) {
      const result = await compareWith(name, { size, rounds, folder });
      if (result) results.push(result);
    }
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  }
  printTable(results);
  console.log(`${turns} times ${size} requests a round, ${connections} connections, a kilobyte of JSON, HTTP/1.1 on both sides, a pass that was seen before.`);
  console.log('Two workers are two processes with half of the requests each. The bound on nginx, 0.40 of its pace, is 2.5 times its processor time.');
};

type How = { readonly size: number; readonly rounds: number; readonly folder: string | undefined };

async function compareWith(name: Name, { size, rounds, folder }: How): Promise<Comparison | undefined> {
  const workers = name === 'nginx-2' ? 2 : 1;
  const closing: { readonly stop: () => Promise<void> }[] = [];
  try {
    const upstream = await start<{ readonly port: number }>(new URL('../gateway/upstreamProgram.ts', import.meta.url), undefined);
    closing.push(upstream);
    const { port } = upstream.ready;
    const master = new Uint8Array(randomBytes(32));
    const other = await startOther(name, { upstreamPort: port, master, workers, folder });
    if (other === undefined) return undefined;
    closing.push(other);
    const ours = await startGateways(port, master, workers, 'farebox');
    closing.push(ours);
    const load = await startLoad();
    closing.push(load);
    const requests = mintCredentials(keysOf(master), 'pass', connections).map((credential) => requestFor(paths.pass, credential));
    const side = (label: string, measured: Measured): Side => ({ name: label, run: () => measure(load, measured, requests, size) });
    const sides = { a: side(name, other), b: side('farebox', ours) };
    return await compare({ ...comparisons[name], ...sides, rounds, warmUps: 2, turns });
  } finally {
    for (const { stop } of closing.reverse()) await stop();
  }
}

async function measure(load: Load, { ports, cpuNs }: Measured, requests: readonly string[], count: number) {
  const before = await cpuNs();
  const each = count / ports.length;
  await Promise.all(ports.map((port) => load.drive({ port, requests, count: each, connections: connections / ports.length, expect: 200 })));
  return { cpuNs: (await cpuNs()) - before, count };
}

type Where = { readonly upstreamPort: number; readonly master: Uint8Array; readonly workers: number; readonly folder: string | undefined };

async function startOther(name: Name, { upstreamPort, master, workers, folder }: Where): Promise<Measured | undefined> {
  if (name === 'undici') return startGateways(upstreamPort, master, workers, 'undici');
  if (name === 'nginx' || name === 'nginx-2') {
    if (hasNginx()) return startNginx(upstreamPort, workers);
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

async function startGateways(upstreamPort: number, master: Uint8Array, workers: number, upstreamClient: 'farebox' | 'undici'): Promise<Measured> {
  const options: GatewayProgramOptions = { upstreamPort, master, store: 'none', trustsLoad: false, sandbox: undefined, upstreamClient };
  const programs: Program<{ readonly port: number }>[] = [];
  for (let i = 0; i < workers; i++) programs.push(await start(new URL('../gateway/gatewayProgram.ts', import.meta.url), options));
  return together(programs);
}

/** Several processes as one. */
function together(programs: readonly Program<{ readonly port: number }>[]): Measured {
  return {
    ports: programs.map(({ ready }) => ready.port),
    cpuNs: async () => (await Promise.all(programs.map(({ cpuNs }) => cpuNs()))).reduce((sum, one) => sum + one, 0),
    stop: async () => {
      for (const { stop } of programs) await stop();
    },
  };
}

/** Undefined where none is wanted, or npm cannot get them. */
function installOthers(names: readonly Name[]): string | undefined {
  const packages = names.filter((name) => name !== 'nginx' && name !== 'nginx-2' && name !== 'undici');
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
