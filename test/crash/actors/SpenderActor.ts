/**
 * One of several buyers on one client store: tasks of an agent, each with a budget of its own inside the agent's inside the owner's, and a wallet that
 * misbehaves as it is told.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { BudgetOptions } from '../../../src/client/Budget.ts';
import { createFetch, type PayingFetch, paymentOf, resumePayments } from '../../../src/client/index.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import type { Payer, PaymentOutcome } from '../../../src/lightning/Lightning.ts';
import { createSandboxPayer } from '../../../src/lightning/sandbox.ts';
import { type ClientPlace, openClientAt } from '../../conformance/clients/Place.ts';
import { type Actor, idle, type Surroundings } from './Surroundings.ts';

/** What it stands on, and whose budgets bind it. */
export type SpenderPlace = {
  readonly store: ClientPlace;
  readonly sandbox: { readonly url: string; readonly token: string };
  /** Outermost first, without the task's. */
  readonly budgets: readonly BudgetOptions[];
};

/**
 * What the wallet does with the next payment of a task: nothing wrong; nothing, and says that it failed; pays, and its word is lost; loses the order and
 * says that it does not know; pays and never answers; never does either; pays after a while.
 */
export type Trouble = 'none' | 'fails' | 'word-lost' | 'order-lost' | 'hangs-paid' | 'hangs-unpaid' | 'slow';

/** What is to be bought, by which task. */
export type SpenderErrand = { readonly url: string; readonly task: BudgetOptions; readonly tags: readonly string[]; readonly trouble: Trouble };

/** What came of it: a status, or the code of an error. `paymentHash`: what it was bought with. */
export type Spent =
  | { readonly kind: 'answered'; readonly status: number; readonly paymentHash: string | undefined }
  | { readonly kind: 'failed'; readonly code: string };

/** What the runner asks of it. */
export type SpenderActor = Actor & {
  readonly buy: (errand: SpenderErrand) => Promise<Spent>;
  /** Finds out what became of what earlier processes left behind. */
  readonly resume: () => Promise<void>;
};

/** The most that one call may cost. */
export const maxPerRequest = '15 sat';

/** Opens the store. */
export async function openSpender({ store: place, sandbox, budgets }: SpenderPlace, { clock, reached, tell }: Surroundings): Promise<SpenderActor> {
  const store = await openClientAt(place, reached);
  const payer = createSandboxPayer({ ...sandbox, node: 'buyer', clock });
  const clients = new Map<string, { readonly fetch: PayingFetch; trouble: Trouble }>();
  const clientOf = ({ task, tags }: SpenderErrand) => {
    const known = clients.get(task.name);
    if (known) return known;
    const made: { fetch: PayingFetch; trouble: Trouble } = { fetch: undefined as never, trouble: 'none' };
    made.fetch = createFetch({
      payer: troubled(payer, () => {
        const now = made.trouble;
        made.trouble = 'none';
        return now;
      }),
      maxPerRequest,
      budgets: [...budgets, task],
      tags,
      store,
      clock,
      reached,
      onEvent: (event) => event.kind === 'waiting' && tell({ kind: 'waiting', ms: event.ms }),
    });
    clients.set(task.name, made);
    return made;
  };
  return {
    url: async () => '',
    idle,
    buy: async (errand) => {
      const client = clientOf(errand);
      client.trouble = errand.trouble;
      try {
        const response = await client.fetch(errand.url);
        await response.arrayBuffer();
        return { kind: 'answered', status: response.status, paymentHash: paymentOf(response)?.paymentHash };
      } catch (error) {
        return { kind: 'failed', code: FareboxError.is(error) ? error.code : `${error}` };
      }
    },
    resume: async () => void (await resumePayments({ payer, store, clock, reached })),
    close: async () => {
      await payer.close();
      await store.close();
    },
  };
}

function troubled(payer: Payer, next: () => Trouble): Payer {
  const never = new Promise<never>(() => {});
  const unknown: PaymentOutcome = { kind: 'unknown', message: 'The connection was lost.' };
  return {
    ...payer,
    pay: async (request) => {
      switch (next()) {
        case 'none':
          return payer.pay(request);
        case 'fails':
          return { kind: 'failed', reason: 'no-route', message: 'It was told to fail.' };
        case 'word-lost':
          await payer.pay(request);
          return unknown;
        case 'order-lost':
          return unknown;
        case 'hangs-paid':
          await payer.pay(request);
          return never;
        case 'hangs-unpaid':
          return never;
        case 'slow':
          await pause(50);
          return payer.pay(request);
      }
    },
  };
}
