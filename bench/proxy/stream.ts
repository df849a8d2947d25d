/**
 * One answer of a gigabyte through the gateway, paid with a pass, and through nginx: how fast it goes, and how much memory the gateway takes.
 */
import { randomBytes } from 'node:crypto';
import { keysOf, mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import { compare, type Side } from '../harness/Comparison.ts';
import { residentBytes, start } from '../harness/Program.ts';
import { type Measured, startGateways } from './gateways.ts';
import { startNginx } from './nginx.ts';
import type { StreamDrive } from './streamClientProgram.ts';

/** What the gateway may need, and how fast it should be beside nginx. */
const bounds = { memoryBytes: 150_000_000, pace: 0.8 };

/** Prints what it found. */
export async function compareStreams(bytes: number, rounds: number): Promise<void> {
  const closing: { readonly stop: () => Promise<void> }[] = [];
  const keep = <T extends { readonly stop: () => Promise<void> }>(one: T): T => {
    closing.push(one);
    return one;
  };
  try {
    const upstream = keep(await start<{ readonly port: number }>(new URL('./streamUpstreamProgram.ts', import.meta.url), { bytes }));
    const master = new Uint8Array(randomBytes(32));
    const nginx = keep(await startNginx({ upstreamPort: upstream.ready.port, workers: 1, kind: 'http1' }));
    const ours = keep(await startGateways({ upstreamPort: upstream.ready.port, master, workers: 1 }));
    const client = keep(await start<undefined>(new URL('./streamClientProgram.ts', import.meta.url), undefined));
    const request = requestFor(paths.pass, mintCredentials(keysOf(master), 'pass', 1)[0]);
    const memoryOf = async () => Math.max(...(await Promise.all(ours.pids.map(residentBytes))));
    const atRest = await memoryOf();
    let peak = 0;
    const watch = setInterval(async () => {
      peak = Math.max(peak, await memoryOf());
    }, 100);
    closing.push({ stop: async () => clearInterval(watch) });
    const side = (name: string, { ports }: Measured): Side => ({
      name,
      run: async () => {
        const drive: StreamDrive = { port: ports[0] as number, request, bytes };
        return { cpuNs: (await client.ask(drive)) as number, count: bytes / 1_000_000 };
      },
    });
    const { aMicroseconds, bMicroseconds, ratio, spread } = await compare({ name: 'stream', a: side('nginx', nginx), b: side('farebox', ours), rounds });
    const pace = 1 / ratio;
    const verdict = pace - spread > bounds.pace ? 'met' : pace + spread < bounds.pace ? 'missed' : 'not shown';
    const perSecond = (microseconds: number) => `${(1_000_000 / microseconds).toFixed(0)} MB/s`;
    console.log(
      `\n${(bytes / 1e9).toFixed(1)} GB in one answer, wall time, ${rounds} rounds: nginx ${perSecond(aMicroseconds)}, farebox ${perSecond(bMicroseconds)}`,
    );
    console.log(`farebox/nginx ${pace.toFixed(2)} (A/A ±${(spread * 100).toFixed(1)} %), at least ${bounds.pace}: ${verdict}`);
    const memory = `${(peak / 1e6).toFixed(0)} MB at most in the gateway's process (${(atRest / 1e6).toFixed(0)} before), ${bounds.memoryBytes / 1e6} MB allowed`;
    console.log(`${memory}: ${peak < bounds.memoryBytes ? 'met' : 'missed'}\n`);
  } finally {
    for (const { stop } of closing.reverse()) await stop();
  }
}
