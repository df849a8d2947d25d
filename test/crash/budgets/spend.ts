/**
 * 32 tasks in 4 processes that spend as much as they may, while wallets fail, lose their word and hang, processes are killed at any point, and time moves
 * from one window to the next. What each task wants and what goes wrong hangs on the seed alone; what meets what is the machine's business.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type CrashPoint, crashPoints } from '../../../src/core/CrashPoint.ts';
import type { SpenderActor, Spent, Trouble } from '../actors/SpenderActor.ts';
import { createDice, type Dice } from '../dice.ts';
import type { Program } from '../Program.ts';
import { Killed } from '../Spares.ts';
import { agentCount, type House, taskCount, taskOf } from './House.ts';

/** How it went. */
export type Spree = {
  /** Calls that came to an end, by what it was. */
  readonly ends: Map<string, number>;
  /** Where somebody was killed; '' from outside. */
  readonly deaths: readonly (CrashPoint | '')[];
};

/** Points that a spender reaches while it spends. */
const points = [...crashPoints().keys()].filter((point) =>
  /^(?:client\.(?!lookup)|journal\.(?:reserve|dispatch|settle|fail|doubt|take|bind|redeem)\.)/.test(point),
);

const troubles: readonly Trouble[] = [
  ...Array<Trouble>(14).fill('none'),
  'fails',
  'word-lost',
  'word-lost',
  'order-lost',
  'hangs-paid',
  'hangs-unpaid',
  'slow',
];

/** How far time moves between two windows: within a minute, to the next one, the next hour, the next day, the next week. */
const leapsMs = [5000, 20_000, 61_000, 61_000, 3_601_000, 3_601_000, 86_401_000, 7 * 86_401_000];

/** Lets every task run so many errands. */
export async function spend(house: House, seed: string, errands: number): Promise<Spree> {
  const ends = new Map<string, number>();
  const chance = createDice(`${seed}/chance`);
  let done = 0;
  let refused = 0;
  const note = async (end: string) => {
    ends.set(end, (ends.get(end) ?? 0) + 1);
    done += 1;
    refused += end === 'BUDGET_EXCEEDED' ? 1 : 0;
    await happen(house, chance, done);
    // Where nobody may spend any more, another hour, day or week begins.
    if (refused < 8) return;
    refused = 0;
    house.leap(chance.pick(leapsMs));
  };
  let last = 0;
  let still = 0;
  let isOver = false;
  // Whoever waits for a wallet that hangs waits for the hour. A machine that is busy is no wallet that hangs.
  const stirring = (async () => {
    while (!isOver) {
      await pause(300);
      still = done === last ? still + 1 : 0;
      last = done;
      if (still < 6) continue;
      await release(house, chance);
      house.move(33_000);
    }
  })();
  try {
    await Promise.all(Array.from({ length: taskCount }, (_, index) => runTask(house, seed, index, errands, note)));
  } finally {
    isOver = true;
    await stirring;
  }
  return { ends, deaths: house.agents.flatMap(({ deaths }) => deaths) };
}

async function runTask(house: House, seed: string, index: number, errands: number, note: (end: string) => Promise<void>): Promise<void> {
  const dice = createDice(`${seed}/task ${index}`);
  const agent = house.agents[index % agentCount] as Program<SpenderActor>;
  const tags = index % 2 === 1 ? ['odd'] : [];
  for (let errand = 0; errand < errands; errand++) {
    let trouble = dice.pick(troubles);
    const tries = 1 + dice.below(3);
    for (let attempt = 0; attempt < tries && house.findings.length === 0; attempt++) {
      await agent.up();
      const url = `${house.url}/item/t${index}-${errand}`;
      const got = await agent.calls.buy({ url, task: taskOf(index), tags, trouble }).catch((error: unknown) => {
        if (error instanceof Killed) return 'killed' as const;
        throw error;
      });
      trouble = 'none';
      await note(endOf(got));
      if (got !== 'killed' && got.kind === 'answered') break;
    }
  }
}

/** What goes wrong, or goes on, after so many calls. */
async function happen(house: House, dice: Dice, done: number): Promise<void> {
  if (done % 16 === 0) house.leap(dice.pick(leapsMs));
  if (done % 12 === 0) {
    const agent = dice.pick(house.agents);
    if (dice.chance(35)) agent.kill();
    else agent.lay({ point: dice.pick(points), times: 1 + dice.below(4) });
  }
  if (done % 14 === 0) {
    await release(house, dice);
    await house.sandbox.network.setFault({ node: 'buyer', kind: dice.pick(['fails', 'hangs', 'settles-late', 'node-down'] as const), payments: 1 });
  }
}

/** Payments that stay under way come to an end, one way or the other. */
async function release({ sandbox }: House, dice: Dice): Promise<void> {
  const { payments } = await sandbox.network.audit();
  for (const { state, paymentHash } of payments) if (state === 'pending') await sandbox.network.releasePayment(paymentHash, dice.pick(['settled', 'failed']));
}

/** Ends what is open, and shows what was paid for and not shown yet: nobody misbehaves any more. */
export async function recover(house: House, seed: string): Promise<void> {
  const dice = createDice(`${seed}/recover`);
  for (const agent of house.agents) agent.lay(undefined);
  await Promise.all(house.agents.map((agent) => agent.up()));
  await house.sandbox.network.clearFaults();
  for (let round = 0; round < 20; round++) {
    await release(house, dice);
    // Past every lease; later past every invoice that could still be paid.
    house.move(round === 0 ? 70_000 : 2 * 3_600_000);
    for (const agent of house.agents) await agent.calls.resume();
    const { payments } = await house.audit();
    const isOpen = payments.some(({ state }) => state === 'reserved' || state === 'dispatched' || state === 'unknown');
    const unshown = payments.filter(({ state, usable }) => state === 'settled' && usable);
    if (!isOpen && unshown.length === 0) return;
    for (const { path } of unshown) {
      const index = Number(/\/t(\d+)-/.exec(path)?.[1]);
      const agent = house.agents[index % agentCount] as Program<SpenderActor>;
      await agent.calls.buy({ url: `${house.url}${path}`, task: taskOf(index), tags: [], trouble: 'none' });
    }
  }
  throw new Error('after twenty rounds something is still open');
}

function endOf(got: Spent | 'killed'): string {
  if (got === 'killed') return 'killed';
  return got.kind === 'answered' ? `${got.status}` : got.code;
}
