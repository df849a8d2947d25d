/**
 * What is still to be told to one webhook: rows of the ledger, each payment's in their order, several payments at once; and beside them alerts, one
 * after the other.
 *
 *     added ─ its payment's earlier rows are told ─ tried, and tried again ─ told ─ everything before it is told ─ bookmark
 *
 * The bookmark stands behind the last row before which all have been told, so that whoever takes over tells some again and leaves none out.
 */
import { type Clock, nowAt, type Random, wait, within } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { HmacKey } from '../../core/internal/sha256.ts';
import type { LedgerRow } from '../../store/Store.ts';
import { fromRow, headersOf, type Message, typeOf } from './Message.ts';

/** One POST, never redirected. Rejects where nobody could be asked. */
export type Send = (
  request: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly retryAfterSeconds?: number | undefined }>;

/** Whoever is told. */
export type Hook = {
  readonly name: string;
  readonly secrets: readonly HmacKey[];
  readonly wants: (type: Message['type']) => boolean;
  /** An event this old is passed over once it was tried ten times. */
  readonly giveUpAfterSeconds: number;
  readonly send: Send;
};

/** Alerts that wait, the oldest first. They belong to whoever hands them in, and outlive an outbox. */
export type WaitingAlerts = {
  readonly first: () => WaitingAlert | undefined;
  /** It was told, or is given up. */
  readonly remove: (alert: WaitingAlert) => void;
};

/** One of them. `at`: Unix seconds at which it came. */
export type WaitingAlert = { readonly message: Message; readonly at: number };

/** What an outbox needs. */
export type OutboxOptions = {
  readonly hook: Hook;
  readonly alerts: WaitingAlerts;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Keeps that everything up to this row has been told. */
  readonly mark: (seq: number) => Promise<void>;
  /** Told of every attempt that failed. */
  readonly onTrouble: (error: unknown) => void;
  /** Told of what nobody will be told any more. */
  readonly onGivenUp: (error: unknown) => void;
  /** A mark could not be kept: nothing more is to be told. */
  readonly onLost: (error: unknown) => void;
};

/** See the head of this file. */
export type Outbox = {
  /** Resolves when there is room for one more, or nothing is told any more. */
  readonly room: () => Promise<void>;
  readonly add: (row: LedgerRow) => void;
  /** Tells the alerts that wait, until none does. Where that is under way already, nothing else begins. */
  readonly tellAlerts: () => void;
  /** Resolves when nothing is under way any more, after the signal. */
  readonly idle: () => Promise<void>;
};

/** What may wait: payments of which something is to be told, their rows, and rows in all, told ones among them that stand behind one that is not. */
const most = { payments: 256, untold: 10_000, rows: 100_000 };

/** Asked at once. */
const mostAtOnce = 8;

/** How long an answer may take. */
const answerMs = 15_000;

/** Between two attempts at least so long, and at most. */
const pauseMs = { first: 1000, most: 600_000 };

/** So often is anything tried. */
const fewestAttempts = 10;

/** So many in a row, and nothing taken in between, are an absence. */
const fewestFailures = 3;

/** Rows that nobody wants to hear of may pile up so far without a bookmark. */
const mostUnmarked = 100;

/** See the head of this file. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { hook, alerts, signal, mark, onLost } = options;
  const waiting: { readonly seq: number; isDone: boolean }[] = [];
  const lanes = new Map<string, (() => Promise<void>)[]>();
  const running = new Set<Promise<void>>();
  const tell = createTeller(options);
  let untold = 0;
  let isTellingAlerts = false;
  let whenRoom: (() => void)[] = [];
  let marked: number | undefined;
  let unmarked = 0;
  let isMarking = false;
  let next: number | undefined;

  const keep = async (): Promise<void> => {
    if (isMarking) return;
    isMarking = true;
    try {
      while (next !== undefined && next !== marked) {
        const seq = next;
        await mark(seq);
        marked = seq;
      }
    } catch (error) {
      onLost(error);
    } finally {
      isMarking = false;
    }
  };
  /** The first of them that is not done stays, and all behind it. */
  const advance = (isTold: boolean): void => {
    let done = 0;
    while (waiting[done]?.isDone) done++;
    const last = waiting.splice(0, done).at(-1);
    if (last === undefined) return;
    next = last.seq;
    unmarked = isTold ? 0 : unmarked + 1;
    if (isTold || unmarked >= mostUnmarked) {
      unmarked = 0;
      track(keep());
    }
  };
  const hasRoom = () => lanes.size < most.payments && untold < most.untold && waiting.length < most.rows;
  const look = (): void => {
    for (const resolve of whenRoom) resolve();
    whenRoom = [];
  };
  const track = (work: Promise<void>): void => {
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  const run = (lane: string, step: () => Promise<void>): void => {
    const before = lanes.get(lane);
    if (before !== undefined) return void before.push(step);
    const steps = [step];
    lanes.set(lane, steps);
    track(
      (async () => {
        for (let one = steps[0]; one !== undefined && !signal.aborted; one = steps[0]) {
          await one();
          steps.shift();
        }
        lanes.delete(lane);
        look();
      })(),
    );
  };
  const drainAlerts = async (): Promise<void> => {
    for (let one = alerts.first(); one !== undefined && !signal.aborted; one = alerts.first()) {
      if (await tell(one.message, one.at)) alerts.remove(one);
    }
    isTellingAlerts = false;
  };
  signal.addEventListener('abort', look);
  return {
    room: async () => {
      while (!hasRoom() && !signal.aborted) await new Promise<void>((resolve) => whenRoom.push(resolve));
    },
    add: (row) => {
      const entry = { seq: row.seq, isDone: false };
      waiting.push(entry);
      if (!hook.wants(typeOf(row))) {
        entry.isDone = true;
        return advance(false);
      }
      untold++;
      run(row.paymentHash, async () => {
        entry.isDone = await tell(fromRow(row), row.at);
        if (!entry.isDone) return;
        untold--;
        advance(true);
        look();
      });
    },
    tellAlerts: () => {
      if (isTellingAlerts) return;
      isTellingAlerts = true;
      track(drainAlerts());
    },
    idle: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** Tells a message until it is taken, or given up. The answer is false where the signal came first. */
function createTeller({ hook, clock, random, signal, onTrouble, onGivenUp }: OutboxOptions): (message: Message, at: number) => Promise<boolean> {
  const { take, give } = createPlaces(mostAtOnce);
  let awake = new AbortController();
  let failures = 0;

  const attempt = async (message: Message): Promise<Outcome> => {
    await take();
    try {
      if (signal.aborted) return { kind: 'away', error: undefined };
      const request = { headers: headersOf(message, hook.secrets, nowAt(clock)), body: message.body };
      const post = (until: AbortSignal) => unlessAborted(hook.send(request, until), until);
      const { status, retryAfterSeconds } = await within({ clock, ms: answerMs, late, signal }, post);
      if (status >= 200 && status < 300) return { kind: 'taken' };
      const error = failed(hook.name, `answered ${status}`);
      return { kind: isAway(status) ? 'away' : 'refused', error, retryAfterSeconds };
    } catch (error) {
      return { kind: 'away', error: FareboxError.is(error) ? error : failed(hook.name, 'could not be reached', error) };
    } finally {
      give();
    }
  };
  const late = () => failed(hook.name, `did not answer within ${answerMs / 1000} seconds`);

  return async (message, at) => {
    for (let attempts = 1; ; attempts++) {
      const outcome = await attempt(message);
      if (outcome.kind === 'taken') {
        // It is back: whoever waits for that need wait no longer. One event that it never takes is no absence.
        if (failures >= fewestFailures) {
          awake.abort();
          awake = new AbortController();
        }
        failures = 0;
        return true;
      }
      if (signal.aborted) return false;
      failures++;
      onTrouble(outcome.error);
      if (attempts >= fewestAttempts && nowAt(clock) - at > hook.giveUpAfterSeconds) {
        onGivenUp(failed(hook.name, `was not told of event ${message.id}: it is given up`));
        return true;
      }
      const pause = pauseOf(attempts, outcome.retryAfterSeconds, random);
      await wait(clock, pause, outcome.kind === 'away' ? AbortSignal.any([signal, awake.signal]) : signal);
      if (signal.aborted) return false;
    }
  };
}

type Outcome =
  | { readonly kind: 'taken' }
  /** `away`: nobody can be told anything at present. `refused`: this event was not taken, and others may be. */
  | { readonly kind: 'away' | 'refused'; readonly error: unknown; readonly retryAfterSeconds?: number | undefined };

function isAway(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** Twice as long each time, and up to half as long again, so that not all come back at once. */
function pauseOf(attempts: number, retryAfterSeconds: number | undefined, random: Random): number {
  const pause = Math.min(pauseMs.most, pauseMs.first * 2 ** Math.min(attempts - 1, 20));
  const spread = 1 + (random(1)[0] ?? 0) / 512;
  return Math.min(pauseMs.most, Math.max(pause * spread, (retryAfterSeconds ?? 0) * 1000));
}

/** Nobody waits for a connection that does not let go. What has ended leaves nothing at the signal. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new Error('it was given up'));
  });
  signal.addEventListener('abort', stop);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What is told of a webhook: its name, and never its address, which may be a secret. */
export function failed(name: string, what: string, cause?: unknown): FareboxError {
  return new FareboxError('WEBHOOK_FAILED', `The webhook "${name}" ${what}.`, { details: { webhook: name }, cause });
}

/** So many at once; others wait in the order in which they came. */
function createPlaces(most: number): { readonly take: () => Promise<void>; readonly give: () => void } {
  const waiting: (() => void)[] = [];
  let free = most;
  return {
    take: async () => {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    give: () => {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    },
  };
}
