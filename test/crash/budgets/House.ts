/**
 * A house that spends: a sandbox and a seller in the runner, four processes of an agent each on one client store, and somebody who looks at the store's
 * books all the while. Whoever is killed is started again, and time moves on past every lease.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { BudgetOptions } from '../../../src/client/Budget.ts';
import { readBudget } from '../../../src/client/budget/Limit.ts';
import { type RunningSandbox, startSandbox } from '../../../src/lightning/sandbox.ts';
import { recountedIn } from '../../../src/testing/recounted.ts';
import { exceededIn } from '../../conformance/clients/exceeded.ts';
import { type ClientPlace, openClientAt } from '../../conformance/clients/Place.ts';
import { type GatewayActor, openGateway } from '../actors/GatewayActor.ts';
import { maxPerRequest, type SpenderActor, type SpenderPlace } from '../actors/SpenderActor.ts';
import * as MovedClock from '../MovedClock.ts';
import { type Program, startProgram } from '../Program.ts';
import type { Spares } from '../Spares.ts';
import { startUpstream } from '../Upstream.ts';

/** How many processes there are, and tasks in all of them. */
export const [agentCount, taskCount] = [4, 32] as const;

/** What all may spend together. */
export const owner: BudgetOptions = {
  name: 'owner',
  limits: [
    { per: 'minute', max: '160 sat' },
    { per: 'day', max: '1100 sat' },
    { per: 'total', max: '4500 sat' },
    { per: 'hour', max: '500 sat', host: '127.0.0.1' },
  ],
};

/** What one process may. */
export function agentOf(index: number): BudgetOptions {
  return {
    name: `agent-${index}`,
    limits: [
      { per: 'minute', max: '61 sat' },
      { per: 'week', max: '1500 sat' },
      { per: 'hour', max: '80 sat', tag: 'odd' },
    ],
  };
}

/** What one task may. */
export function taskOf(index: number): BudgetOptions {
  return {
    name: `task-${index}`,
    limits: [
      { per: 'request', max: '14 sat' },
      { per: 'hour', max: '37 sat' },
      { per: 'total', max: '140 sat' },
    ],
  };
}

/** What stands in the store and binds them all. */
const standing: BudgetOptions = {
  name: '',
  limits: [
    { per: 'minute', max: '150 sat' },
    { per: 'month', max: '4400 sat' },
  ],
};

/** See the head of this file. */
export type House = {
  readonly agents: readonly Program<SpenderActor>[];
  readonly sandbox: RunningSandbox;
  readonly gateway: GatewayActor;
  /** Where it sells. */
  readonly url: string;
  /** Moves time on, and whatever agents wait for comes. */
  readonly move: (ms: number) => void;
  /** Makes it another hour, as if everybody had stood still meanwhile. */
  readonly leap: (ms: number) => void;
  /** How often the observer has looked, and how often something was held then. */
  readonly looks: () => { readonly all: number; readonly held: number };
  readonly findings: string[];
  /** The journal and its counters, looked at from here. */
  readonly audit: () => ReturnType<Awaited<ReturnType<typeof openClientAt>>['audit']>;
  readonly close: () => Promise<void>;
};

/** Opens it, in a folder that is the spares'. */
export async function openHouse(spares: Spares, place: ClientPlace, folder: string): Promise<House> {
  const clock = MovedClock.create();
  const findings: string[] = [];
  const agents: Program<SpenderActor>[] = [];
  const closing: (() => Promise<unknown>)[] = [];
  let aheadMs = 0;
  // The seller and the network are nobody's subject here: for them it is another hour, and what they wait for goes on.
  const pass = (how: 'move' | 'step') => (ms: number) => {
    aheadMs += ms;
    clock.step(ms);
    for (const agent of agents) agent[how](ms);
  };
  const [move, leap] = [pass('move'), pass('step')];
  const sandbox = await startSandbox({ path: ':memory:', clock });
  closing.push(sandbox.close);
  for (const node of ['buyer', 'seller']) await sandbox.network.openNode(node, { openingMsat: (10n ** 11n) as never });
  const upstream = await startUpstream({ onServed: () => {}, onSlow: async () => {} });
  closing.push(upstream.close);
  const wallet = { url: sandbox.url, token: sandbox.token };
  const surroundings = { clock, reached: () => {}, tell: () => {} };
  const gateway = await openGateway({ path: `${folder}/gateway.db`, port: 0, sandbox: wallet, upstream: upstream.url, follows: true }, surroundings);
  closing.push(gateway.close);
  const store = await openClientAt(place);
  await store.budgets.put(standing);
  const watch = watchBooks(store.audit, findings);
  closing.push(async () => {
    await watch.stop();
    await store.close();
  });
  for (let index = 0; index < agentCount; index++) {
    const spenderPlace: SpenderPlace = { store: place, sandbox: wallet, budgets: [owner, agentOf(index)] };
    const agent = await startProgram<SpenderActor>({
      name: 'spender',
      spares,
      place: () => spenderPlace,
      aheadMs: () => aheadMs,
      // Whoever waits is stirred when nothing else goes on.
      onNews: () => {},
      onRestart: async (calls) => {
        move(pastLeaseMs);
        await calls.resume();
      },
      onBroken: (error) => findings.push(`agent ${index} broke: ${error.message}`),
    });
    agents.push(agent);
    closing.push(agent.close);
  }
  return {
    agents,
    sandbox,
    gateway,
    url: await gateway.url(),
    move,
    leap,
    looks: watch.looks,
    findings,
    audit: store.audit,
    close: async () => {
      for (const close of closing.splice(0).reverse()) await close();
    },
  };
}

/** Longer than the lease of a call. */
const pastLeaseMs = 16_000;

/** Looks at everything that is kept at one moment, over and over: what is counted, and what the rows say without any counter. */
function watchBooks(audit: House['audit'], findings: string[]) {
  const own: BudgetOptions = { name: 'own', limits: [{ per: 'request', max: maxPerRequest }] };
  const budgets = [
    owner,
    ...Array.from({ length: agentCount }, (_, index) => agentOf(index)),
    ...Array.from({ length: taskCount }, (_, index) => taskOf(index)),
  ];
  const all = [...budgets.map(readBudget), { ...readBudget(own), name: '' }];
  let looks = { all: 0, held: 0 };
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const books = await audit();
      looks = { all: looks.all + 1, held: looks.held + (books.spending.heldMsat > 0n ? 1 : 0) };
      findings.push(...exceededIn(books, all), ...recountedIn(books));
      if (findings.length > 0) return;
      // Others need the machine too.
      await pause(10);
    }
  })();
  watching.catch((error: unknown) => findings.push(`nobody could look at the books: ${error}`));
  return {
    looks: () => looks,
    stop: async () => {
      isOver = true;
      await watching.catch(() => undefined);
    },
  };
}
