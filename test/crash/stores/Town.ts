/**
 * Four gateways on one store in a real server, each a process behind a line of its own, a sandbox and an upstream: and everything that goes
 * wrong with them. Whoever is killed is started again.
 */
import { systemClock } from '../../../src/core/Clock.ts';
import { type RunningSandbox, startSandbox } from '../../../src/lightning/sandbox.ts';
import type { Store } from '../../../src/store/Store.ts';
import { openAt, type Place } from '../../conformance/stores/Place.ts';
import type { SellerPlace } from '../actors/SellerActor.ts';
import type { Actor } from '../actors/Surroundings.ts';
import * as MovedClock from '../MovedClock.ts';
import { type Program, startProgram } from '../Program.ts';
import type { Spares } from '../Spares.ts';
import { type Served, startUpstream, type Upstream } from '../Upstream.ts';
import { type Fault, sellerCount, throwFaults } from './faults.ts';
import { type Line, layLine } from './Line.ts';

/** A server that a store is in. */
export type StoreServer = {
  readonly name: 'postgres' | 'redis';
  readonly url: string;
  readonly port: number;
  readonly start: () => Promise<void>;
  readonly kill: () => Promise<void>;
};

/** See the head of this file. */
export type Town = {
  readonly upstream: Upstream;
  readonly sandbox: RunningSandbox;
  /** Everybody's hour, but for whose clock was set. */
  readonly clock: MovedClock.MovedClock;
  /** Where a gateway listens now. A later life of any gateway may have the same address: of some hundred lives two do. */
  readonly urlOf: (seller: number) => string;
  /** Which life of it that is. */
  readonly lifeOf: (seller: number) => string;
  /** Notes who is asked for something, so that a fault meets it. */
  readonly asks: (item: string, seller: number) => void;
  /** Moves time on for everybody, past every lease. */
  readonly move: (ms: number) => void;
  /** Told how often time was moved on past every lease. */
  readonly epoch: () => number;
  /** Ends the faults, and resolves when everybody runs. */
  readonly calm: () => Promise<void>;
  /** Ends the gateways. */
  readonly endSellers: () => Promise<void>;
  /** The store, looked at from here. */
  readonly openStore: () => Promise<Store>;
  /** Every fault that happened, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** How often a gateway died, by itself at a point or from outside. */
  readonly deaths: () => number;
  /** What the gateways told as troublesome. */
  readonly troubles: ReadonlyMap<string, number>;
  /** What must not be: a gateway that broke. */
  readonly findings: readonly string[];
  readonly close: () => Promise<void>;
};

/** Founds one. What goes wrong there hangs on the seed. */
export async function foundTown(spares: Spares, server: StoreServer, seed: string): Promise<Town> {
  const clock = MovedClock.create();
  const faults = new Map<string, number>();
  const troubles = new Map<string, number>();
  const findings: string[] = [];
  const askedAt = new Map<string, number>();
  const urls: string[] = [];
  const lives: number[] = [];
  const lines: Line[] = [];
  const sellers: Program<Actor>[] = [];
  const skews: number[] = [];
  const closing: (() => Promise<void>)[] = [];
  let aheadMs = 0;
  let epoch = 0;
  let served = 0;
  let isCalm = false;
  let restarting: Promise<void> = Promise.resolve();
  let isRestarting = false;
  const plan = throwFaults(seed);
  let next: Fault = plan.next().value;

  const sandbox = await startSandbox({ path: ':memory:', clock });
  closing.push(sandbox.close);
  for (const node of ['buyer', 'seller']) await sandbox.network.openNode(node, { openingMsat: (10n ** 13n) as never });

  const move = (ms: number) => {
    aheadMs += ms;
    epoch += 1;
    clock.move(ms);
    for (const seller of sellers) seller.move(ms);
  };
  const restart = async () => {
    await server.kill();
    await server.start();
    isRestarting = false;
  };
  const happen = (fault: Fault, asker: number) => {
    bump(faults, fault.kind);
    switch (fault.kind) {
      case 'cut':
        return lines[asker]?.cut();
      case 'lose':
        return lines[asker]?.lose(fault.nth);
      case 'move':
        return move(fault.ms);
      case 'step':
        sellers[fault.seller]?.step(fault.ms - (skews[fault.seller] ?? 0));
        skews[fault.seller] = fault.ms;
        return;
      case 'kill':
        return sellers[asker]?.kill();
      case 'mine':
        return sellers[asker]?.lay({ point: fault.point, times: fault.times });
      case 'kill-store':
        if (isRestarting) return;
        isRestarting = true;
        restarting = restart();
        restarting.catch((error: unknown) => findings.push(`the store's server does not start again: ${error}`));
    }
  };
  const onServed = ({ item }: Served) => {
    served += 1;
    if (isCalm || served < next.after) return;
    happen(next, askedAt.get(item) ?? 0);
    next = plan.next().value;
  };
  // Time for others to come and go, while a gateway holds what it has claimed.
  const onSlow = () => new Promise<void>((resolve) => systemClock.after(150, resolve));
  const upstream = await startUpstream({ onServed, onSlow });
  closing.push(upstream.close);

  const placeVia = (port: number): Place => {
    const url = new URL(server.url);
    url.port = String(port);
    return server.name === 'postgres' ? { kind: 'postgres', url: url.href, schema: 'soak' } : { kind: 'redis', url: url.href, prefix: 'soak:' };
  };
  for (let index = 0; index < sellerCount; index++) {
    const line = await layLine(server.port);
    closing.push(line.close);
    lines.push(line);
    const place: SellerPlace = { store: placeVia(line.port), sandbox: { url: sandbox.url, token: sandbox.token }, upstream: upstream.url };
    const seller = await startProgram<Actor>({
      name: 'seller',
      spares,
      place: () => place,
      aheadMs: () => aheadMs,
      onNews: (news) => news.kind === 'trouble' && bump(troubles, news.what),
      onRestart: async (calls) => {
        skews[index] = 0;
        urls[index] = await calls.url();
        lives[index] = (lives[index] ?? 0) + 1;
      },
      onBroken: (error) => findings.push(`gateway ${index}: ${error.message}`),
    });
    closing.push(seller.close);
    sellers.push(seller);
    urls[index] = await seller.calls.url();
  }
  const up = async () => {
    await restarting;
    await Promise.all(sellers.map((seller) => seller.up()));
  };
  return {
    upstream,
    sandbox,
    clock,
    urlOf: (seller) => urls[seller] ?? '',
    lifeOf: (seller) => `gateway ${seller} in its life ${1 + (lives[seller] ?? 0)}`,
    asks: (item, seller) => askedAt.set(item, seller),
    move,
    epoch: () => epoch,
    calm: async () => {
      isCalm = true;
      for (const seller of sellers) seller.lay(undefined);
      await up();
    },
    endSellers: async () => {
      await Promise.all(sellers.map((seller) => seller.close()));
    },
    openStore: () => openAt(placeVia(server.port), clock),
    faults,
    troubles,
    findings,
    deaths: () => sellers.reduce((sum, { deaths }) => sum + deaths.length, 0),
    close: async () => {
      await restarting.catch(() => {});
      for (const close of closing.splice(0).reverse()) await close();
    },
  };
}

/** One more of that. */
export function bump(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
