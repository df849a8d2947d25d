/**
 * Keeps so many processes at work: starts another where one has died, with a growing pause where that goes on; replaces one after the other by
 * new ones; sees to it that one of them, and no more, follows what arrives in the wallets; and counts what has to be counted in one place.
 */
import type { Clock } from '../../core/Clock.ts';
import type { createRates } from '../../server/Rates.ts';
import { createExchanging } from './exchanging.ts';
import { createMeasuring } from './measuring.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** A process that was started. */
export type Process = { readonly pid: number | undefined; readonly send: (message: ToWorker) => void; readonly kill: () => void };

/** What a process is followed by. */
export type Hooks = { readonly onMessage: (message: FromWorker) => void; readonly onExit: (code: number | null) => void };

/** What becomes of the processes. */
export type WorkerNews = {
  readonly slot: number;
  readonly pid: number | undefined;
  /** `replaced`: it has been asked to leave, and another has its place. */
  readonly state: 'ready' | 'died' | 'replaced';
  /** Of one that died, how soon another is started. */
  readonly againMs?: number;
};

/** Rates that are counted in this process answer at once. */
export type CountedHere = ReturnType<typeof createRates>;

/** How processes are kept. */
export type SupervisorOptions = {
  readonly count: number;
  readonly clock: Clock;
  /** Starts a process in a place from 1 on, with the configuration that this text is. */
  readonly start: (slot: number, hooks: Hooks, text: string) => Process;
  /** The configuration to begin with. */
  readonly text: string;
  /** As they are by now. */
  readonly rates: () => CountedHere;
  readonly tell: (news: WorkerNews) => void;
};

/** See the head of this file. */
export type Supervisor = {
  /** Starts them, the first alone. The answer is what the first says. @throws StartFailed – one ended before it was ready */
  readonly start: () => Promise<FromWorker & { readonly kind: 'ready' }>;
  /** Replaces one after the other, with this configuration. False: one that was started ended before it was ready; those that have not been replaced go on. */
  readonly restart: (text: string) => Promise<boolean>;
  /**
   * Has every process take another configuration: all make it ready, then all take it. Whoever is started from then on has it as well.
   * @throws FareboxError – one of them cannot, or does not answer: all go on with what they have
   */
  readonly exchange: (text: string) => Promise<void>;
  /** Has all open their files anew. */
  readonly reopen: () => void;
  /** Asks all to end, and waits for them. */
  readonly stop: () => Promise<void>;
  /** Ends them at once. */
  readonly kill: () => void;
};

/** One ended before it was ready: its exit code says why, and it has said so itself. */
export class StartFailed extends Error {
  readonly code: number;
  constructor(code: number | null) {
    super('A process of the gateway ended before it was ready.');
    this.code = code ?? 1;
  }
}

/** The first pause before another is started, and the longest, in milliseconds. */
const pause = { firstMs: 100, longestMs: 30_000 };

/** One that has lived so long is no part of a row of deaths. */
const livedMs = 60_000;

type Worker = {
  readonly slot: number;
  readonly process: Process;
  readonly ready: Promise<FromWorker & { readonly kind: 'ready' }>;
  readonly ended: Promise<void>;
  state: 'starting' | 'ready' | 'leaving' | 'gone';
  readyAtMs: number;
  /** The configuration that it has. */
  text: string;
};

/** Keeps nothing yet. */
export function createSupervisor({ count, clock, start, rates, tell, ...options }: SupervisorOptions): Supervisor {
  const slots = Array.from({ length: count }, (_, i) => i + 1);
  /** Who has each place. */
  const current = new Map<number, Worker>();
  const alive = new Set<Worker>();
  const deaths = new Map<number, number>();
  const pauses = new Map<number, () => void>();
  let follower: Worker | undefined;
  let restarting: Promise<boolean> | undefined;
  let isStarted = false;
  let stopping = false;
  let text = options.text;
  const exchanging = createExchanging(clock);
  const measuring = createMeasuring(clock);

  function launch(slot: number): Worker {
    const ready = Promise.withResolvers<FromWorker & { readonly kind: 'ready' }>();
    const ended = Promise.withResolvers<void>();
    // Whoever waits for it is told; nobody may.
    ready.promise.catch(() => {});
    const hooks: Hooks = {
      onMessage: (message) => hear(worker, message, ready.resolve),
      onExit: (code) => {
        const before = worker.state;
        worker.state = 'gone';
        alive.delete(worker);
        ready.reject(new StartFailed(code));
        ended.resolve();
        if (follower === worker) follower = undefined;
        // Who never was ready at the very start is not started again and again: what is wrong is said once.
        if (current.get(slot) === worker && before !== 'leaving' && !stopping && (isStarted || before !== 'starting')) again(worker);
        exchanging.gone(worker.process);
        measuring.gone(worker.process);
        assignFollower();
      },
    };
    const worker: Worker = {
      slot,
      process: start(slot, hooks, text),
      ready: ready.promise,
      ended: ended.promise,
      state: 'starting',
      readyAtMs: Number.POSITIVE_INFINITY,
      text,
    };
    alive.add(worker);
    return worker;
  }

  function hear(worker: Worker, message: FromWorker, onReady: (message: FromWorker & { readonly kind: 'ready' }) => void): void {
    switch (message.kind) {
      case 'ready':
        if (worker.state !== 'starting') return;
        worker.state = 'ready';
        worker.readyAtMs = clock.nowMs();
        tell({ slot: worker.slot, pid: worker.process.pid, state: 'ready' });
        onReady(message);
        assignFollower();
        break;
      case 'unfollowed':
        if (follower === worker) follower = undefined;
        assignFollower();
        break;
      case 'prepared':
        exchanging.hear(worker.process, message);
        break;
      case 'measured':
        measuring.hear(worker.process, message);
        break;
      case 'measure-all':
        void measuring
          .measure([...alive].filter(({ state }) => state !== 'starting').map(({ process }) => process))
          .then((snapshot) => worker.process.send({ kind: 'measured-all', id: message.id, snapshot }));
        break;
      case 'mint':
        worker.process.send({ kind: 'rate', id: message.id, value: rates().mint(message.client) });
        break;
      case 'take':
        worker.process.send({ kind: 'rate', id: message.id, value: rates().take(message.scope, message.key, message.rate) });
        break;
      case 'give':
        worker.process.send({ kind: 'rate', id: message.id, value: rates().give(message.name, message.quota, message.client, message.trial) ?? null });
        break;
    }
  }

  /** One that leaves says when it follows no more; until then nobody else does. */
  function assignFollower(): void {
    if (stopping || follower !== undefined) return;
    follower = [...current.values()].find(({ state }) => state === 'ready');
    follower?.process.send({ kind: 'follow' });
  }

  /** Another is started in its place, later and later where they go on dying. */
  function again({ slot, process, readyAtMs }: Worker): void {
    const before = clock.nowMs() - readyAtMs >= livedMs ? 0 : (deaths.get(slot) ?? 0);
    deaths.set(slot, before + 1);
    const againMs = Math.min(pause.longestMs, pause.firstMs * 2 ** before);
    tell({ slot, pid: process.pid, state: 'died', againMs });
    const cancel = clock.after(
      againMs,
      () => {
        pauses.delete(slot);
        current.set(slot, launch(slot));
      },
      true,
    );
    pauses.set(slot, cancel);
  }

  /** A new one beside the old one, which goes when the new one is ready. */
  async function replace(slot: number): Promise<void> {
    const next = launch(slot);
    await next.ready;
    pauses.get(slot)?.();
    pauses.delete(slot);
    const before = current.get(slot);
    current.set(slot, next);
    if (before && alive.has(before)) {
      const isReady = before.state === 'ready';
      before.state = 'leaving';
      if (isReady) before.process.send({ kind: 'leave' });
      else before.process.kill();
      tell({ slot, pid: before.process.pid, state: 'replaced' });
    }
    assignFollower();
  }

  async function replaceAll(next: string): Promise<boolean> {
    const before = text;
    text = next;
    try {
      for (const slot of slots) if (!stopping) await replace(slot);
      return !stopping;
    } catch (error) {
      text = before;
      if (error instanceof StartFailed) return false;
      throw error;
    } finally {
      restarting = undefined;
    }
  }

  return {
    start: async () => {
      const [first = 1, ...others] = slots;
      const begin = (slot: number) => {
        const worker = launch(slot);
        current.set(slot, worker);
        return worker.ready;
      };
      const ready = await begin(first);
      await Promise.all(others.map(begin));
      isStarted = true;
      return ready;
    },
    restart: (next) => {
      restarting ??= replaceAll(next);
      return restarting;
    },
    exchange: async (next) => {
      const stay = () => [...alive].filter(({ state }) => state === 'starting' || state === 'ready');
      const asked = stay();
      const decide = await exchanging.ask(
        asked.map(({ process }) => process),
        next,
      );
      text = next;
      for (const worker of asked) worker.text = next;
      decide();
      // Whoever was started meanwhile, with the one before, is started again.
      for (const worker of stay()) if (worker.text !== next) worker.process.kill();
    },
    reopen: () => {
      for (const { process } of alive) process.send({ kind: 'reopen' });
    },
    stop: async () => {
      stopping = true;
      for (const cancel of pauses.values()) cancel();
      pauses.clear();
      for (const { process } of alive) process.send({ kind: 'stop' });
      await Promise.all([...alive].map(({ ended }) => ended));
    },
    kill: () => {
      stopping = true;
      for (const { process } of alive) process.kill();
    },
  };
}
