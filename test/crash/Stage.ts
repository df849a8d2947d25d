/**
 * Where sales happen: a sandbox, a gateway and a buyer, each a process of its own on files of its own, and an upstream in the runner. Whoever
 * is killed is started again on the same file and port, and time moves on by as much as leases last.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as Preimage from '../../src/core/Preimage.ts';
import type { BuyerActor, BuyerPlace } from './actors/BuyerActor.ts';
import type { GatewayActor, GatewayPlace } from './actors/GatewayActor.ts';
import { drawsOf, type SandboxActor, type SandboxPlace } from './actors/SandboxActor.ts';
import type { Actor, News } from './actors/Surroundings.ts';
import { type Program, startProgram } from './Program.ts';
import type { Spares } from './Spares.ts';
import { startUpstream, type Upstream } from './Upstream.ts';
import type { Mine, ProgramName } from './worker.ts';

/** See the head of this file. */
export type Stage = {
  readonly sandbox: Program<SandboxActor>;
  readonly gateway: Program<GatewayActor>;
  readonly buyer: Program<BuyerActor>;
  readonly upstream: Upstream;
  /** All three. */
  readonly programs: readonly Program<Actor>[];
  /** Resolves when all three run. Rejects when one of them is broken. */
  readonly up: () => Promise<void>;
  /** Resolves when all three run and have done whatever followed from the last answer. */
  readonly calm: () => Promise<void>;
  /** Moves the hour, for everybody. */
  readonly move: (ms: number) => Promise<void>;
  /** Told from now on, until told otherwise: by which program's death a mine goes off. */
  readonly lay: (mine: Mine | undefined) => void;
  /** The secret of an invoice, from the sandbox's own notes. */
  readonly preimageOf: (paymentHash: string) => string;
  /** Called with every request to the upstream from now on, before it is answered. */
  readonly onServed: (then: () => void) => void;
  /** What was told as troublesome since this was last asked. */
  readonly troubles: () => readonly string[];
  readonly close: () => Promise<void>;
};

/** Longer than any lease: the gateway's claims last 30 s, the buyer's calls 15 s. */
const pastLeasesMs = 31_000;

/** Longer than the buyer waits for its wallet. */
const pastPaymentMs = 66_000;

/** Where each part's points are reached. */
const owners = { paywall: 'gateway', gateway: 'gateway', store: 'gateway', client: 'buyer', journal: 'buyer', sandbox: 'sandbox' } as const;

/** Whose process reaches this point. */
export function ownerOf(point: string): ProgramName {
  return owners[point.slice(0, point.indexOf('.')) as keyof typeof owners];
}

/** Sets the stage in a folder of its own. `mine` lies there while it is set. */
export async function setStage(spares: Spares, mine?: Mine): Promise<Stage> {
  const folder = mkdtempSync(join(spares.folder, 'stage-'));
  const token = 'crash-token-for-the-sandbox';
  let aheadMs = 0;
  let troubles: string[] = [];
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  const programs: Program<Actor>[] = [];

  const move = async (ms: number): Promise<void> => {
    aheadMs += ms;
    for (const program of programs) program.move(ms);
    await Promise.all(programs.map((program) => program.calls.idle().catch(() => undefined)));
  };
  const onNews = (news: News) => {
    // Nobody waits here: the hour comes to whoever waits for it.
    if (news.kind === 'waiting') void move(news.ms);
    else if (news.kind === 'under-way') void move(pastPaymentMs);
    else troubles.push(news.what);
  };
  const mined = (name: string) => (mine && ownerOf(mine.point) === name ? mine : undefined);
  const start = async <Calls extends Actor>(name: ProgramName, place: () => unknown, onRestart: (calls: Calls) => Promise<void>): Promise<Program<Calls>> => {
    const options = { name, place, aheadMs: () => aheadMs, onNews, onRestart, onBroken: broken.reject, spares };
    const program = await startProgram<Calls>(options, mined(name));
    programs.push(program);
    return program;
  };

  let served = () => {};
  const upstream = await startUpstream({
    onServed: () => served(),
    onSlow: (behaviour) => move(behaviour === 'slow' ? 12_000 : 61_000),
  });
  const sandboxPath = join(folder, 'sandbox.db');
  let ports = { sandbox: 0, gateway: 0 };
  const sandbox = await start<SandboxActor>(
    'sandbox',
    (): SandboxPlace => ({ path: sandboxPath, port: ports.sandbox, token }),
    () => move(pastLeasesMs),
  );
  const sandboxUrl = await sandbox.calls.url();
  ports = { ...ports, sandbox: portOf(sandboxUrl) };
  const wallet = { url: sandboxUrl, token };
  const gateway = await start<GatewayActor>(
    'gateway',
    (): GatewayPlace => ({ path: join(folder, 'gateway.db'), port: ports.gateway, sandbox: wallet, upstream: upstream.url }),
    () => move(pastLeasesMs),
  );
  ports = { ...ports, gateway: portOf(await gateway.calls.url()) };
  const buyer = await start<BuyerActor>(
    'buyer',
    (): BuyerPlace => ({ path: join(folder, 'buyer.db'), sandbox: wallet }),
    async (calls) => {
      await move(pastLeasesMs);
      await calls.resume();
    },
  );

  return {
    sandbox,
    gateway,
    buyer,
    upstream,
    programs,
    up: async () => void (await Promise.race([broken.promise, upTogether(programs)])),
    calm: async () => void (await Promise.race([broken.promise, calmTogether(programs)])),
    move,
    lay: (next) => {
      for (const program of programs) program.lay(next && ownerOf(next.point) === program.name ? next : undefined);
    },
    onServed: (then) => {
      served = then;
    },
    preimageOf: (paymentHash) => {
      const drawn = readFileSync(drawsOf(sandboxPath), 'utf8').split('\n');
      const found = drawn.find((line) => line !== '' && Preimage.hash(line as Preimage.Preimage) === paymentHash);
      if (found === undefined) throw new Error(`nobody has drawn the secret of ${paymentHash}`);
      return found;
    },
    troubles: () => {
      const told = troubles;
      troubles = [];
      return told;
    },
    close: async () => {
      for (const program of [...programs].reverse()) await program.close();
      await upstream.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** All run at one moment. */
async function upTogether(programs: readonly Program<Actor>[]): Promise<void> {
  for (let deaths = -1; deaths !== deathsOf(programs); ) {
    deaths = deathsOf(programs);
    await Promise.all(programs.map((program) => program.up()));
  }
}

/** All run, and nobody has died of what they still had to do. */
async function calmTogether(programs: readonly Program<Actor>[]): Promise<void> {
  for (let deaths = -1; deaths !== deathsOf(programs); ) {
    await upTogether(programs);
    deaths = deathsOf(programs);
    const isUp = await Promise.all(
      programs.map((program) =>
        program.calls.idle().then(
          () => true,
          () => false,
        ),
      ),
    );
    if (isUp.includes(false)) deaths = -1;
  }
}

function deathsOf(programs: readonly Program<Actor>[]): number {
  return programs.reduce((sum, { deaths }) => sum + deaths.length, 0);
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
