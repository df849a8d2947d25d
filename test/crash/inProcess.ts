/**
 * The same stage with everybody in this process: nobody can be killed, and everything can be watched.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CrashPoint } from '../../src/core/CrashPoint.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { type BuyerActor, openBuyer } from './actors/BuyerActor.ts';
import { type GatewayActor, openGateway } from './actors/GatewayActor.ts';
import { drawsOf, openSandbox, type SandboxActor } from './actors/SandboxActor.ts';
import type { Actor, Around, News, Surroundings } from './actors/Surroundings.ts';
import * as MovedClock from './MovedClock.ts';
import type { Program } from './Program.ts';
import type { Stage } from './Stage.ts';
import { startUpstream } from './Upstream.ts';
import type { ProgramName } from './worker.ts';

/** What one program did, in order. */
export type Step =
  | { readonly kind: 'point'; readonly name: CrashPoint }
  /** Seen by a witness. `where`: the file, or the connection. */
  | { readonly kind: 'commit' | 'send'; readonly where: string }
  /** A call of a driver begins or ends. */
  | { readonly kind: 'begin' | 'end' | 'throw'; readonly call: string };

/** The stage, and what is seen on it. */
export type WatchedStage = {
  readonly stage: Stage;
  readonly ports: { readonly sandbox: number; readonly gateway: number; readonly upstream: number };
};

/** Sets the stage. `see` is told of every point and every call of a driver. */
export async function setStageInProcess(see: (name: ProgramName, step: Step) => void): Promise<WatchedStage> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-points-'));
  const files = { sandbox: join(folder, 'sandbox.db'), gateway: join(folder, 'gateway.db'), buyer: join(folder, 'buyer.db') };
  const token = 'crash-token-for-the-sandbox';
  const clock = MovedClock.create();
  const programs: Program<Actor>[] = [];
  const move = async (ms: number) => {
    clock.move(ms);
    await Promise.all(programs.map(({ calls }) => calls.idle()));
  };
  const tell = (news: News) => {
    if (news.kind === 'waiting') void move(news.ms);
    else if (news.kind === 'under-way') void move(62_000);
  };
  const around =
    (name: ProgramName): Around =>
    async (call, work) => {
      see(name, { kind: 'begin', call });
      try {
        const result = await work();
        see(name, { kind: 'end', call });
        return result;
      } catch (error) {
        see(name, { kind: 'throw', call });
        throw error;
      }
    };
  const surroundings = (name: ProgramName): Surroundings => ({
    clock,
    tell,
    around: around(name),
    reached: (point) => see(name, { kind: 'point', name: point }),
  });
  const start = <Calls extends Actor>(name: ProgramName, calls: Calls): Program<Calls> => {
    const program: Program<Calls> = {
      name,
      calls,
      up: async () => {},
      lay: () => {},
      step: () => undefined,
      move: () => {},
      kill: () => {},
      deaths: [],
      reached: new Map(),
      close: () => calls.close(),
    };
    programs.push(program);
    return program;
  };

  let served = () => {};
  const upstream = await startUpstream({ onServed: () => served(), onSlow: (behaviour) => move(behaviour === 'slow' ? 12_000 : 61_000) });
  const sandbox = start<SandboxActor>('sandbox', await openSandbox({ path: files.sandbox, port: 0, token }, surroundings('sandbox')));
  const wallet = { url: await sandbox.calls.url(), token };
  const place = { path: files.gateway, port: 0, sandbox: wallet, upstream: upstream.url };
  const gateway = start<GatewayActor>('gateway', await openGateway(place, surroundings('gateway')));
  const buyer = start<BuyerActor>('buyer', await openBuyer({ path: files.buyer, sandbox: wallet }, surroundings('buyer')));
  const gatewayUrl = await gateway.calls.url();
  const portOf = (url: string) => Number(new URL(url).port);
  return {
    ports: { sandbox: portOf(wallet.url), gateway: portOf(gatewayUrl), upstream: portOf(upstream.url) },
    stage: {
      sandbox,
      gateway,
      buyer,
      upstream,
      programs,
      up: async () => {},
      calm: async () => void (await Promise.all(programs.map(({ calls }) => calls.idle()))),
      move,
      lay: () => {},
      onServed: (then) => {
        served = then;
      },
      preimageOf: (paymentHash) => {
        const drawn = readFileSync(drawsOf(files.sandbox), 'utf8').split('\n');
        return drawn.find((line) => line !== '' && Preimage.hash(line as Preimage.Preimage) === paymentHash) ?? '';
      },
      troubles: () => [],
      close: async () => {
        for (const program of [...programs].reverse()) await program.close();
        await upstream.close();
        rmSync(folder, { recursive: true, force: true });
      },
    },
  };
}
