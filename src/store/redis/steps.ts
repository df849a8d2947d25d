/**
 * Steps over what a store keeps in Redis: what is looked at is guessed, the step is decided in this process by the pure rules that all stores
 * share, and what it changes is written if everything was as guessed. Where it was not, the server answers what it is, and the step is decided
 * again. So a step costs one round trip where this process was the last to touch what it is about, or nobody was, and seldom more than two.
 *
 * Calls of this process that touch the same cells wait for one another. Those that have waited together are decided together, one after the
 * other, and written in one go: many calls on one account cost as many round trips as one.
 */
import { systemClock, wait } from '../../core/Clock.ts';
import type { Operation, Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Asking } from './asking.ts';
import type { Keys } from './keys.ts';
import { createPage, type Draft, type Page } from './page.ts';
import { scripts } from './scripts.ts';

/** A step. It may be decided several times; what it throws is its caller's mistake, and then it has written nothing. */
export type Step<T> = {
  /** Names its crash points. */
  readonly operation: Operation<'store'>;
  /** The cells that it is about: it waits for others about them. It may look at more. */
  readonly cells: readonly string[];
  readonly decide: (draft: Draft) => T;
  /** What some cells hold, where somebody has just looked. */
  readonly known?: ReadonlyMap<string, string>;
  /** Not to be taken while an audit is under way. */
  readonly isUnaudited?: boolean;
};

/** Takes steps. */
export type Steps = {
  /**
   * @throws STORE_UNAVAILABLE – nothing was written, or it is not known; Audited – see `isUnaudited`; whatever the step throws
   */
  readonly take: <T>(step: Step<T>) => Promise<T>;
};

/** An audit is under way, and the step was not taken. */
export class Audited extends Error {}

/** Steps that are written in one go, at most. */
const groupLimit = 64;

/** How often steps are decided, and for how long, before their callers are told that others are always faster. */
const attemptLimit = { count: 200, ms: 10_000 };

/** How long a process that has won against others lets them go first, at most. */
const yieldMs = 50;

/** Of how many cells this process remembers what it wrote. */
const memoryLimit = 5000;

/** Steps on one store. `onEntries` is told when entries may have been written, before their callers are. */
export function createSteps(asking: Asking, keys: Keys, onEntries: () => void, reached: Reached): Steps {
  const memory = createMemory();
  const add = createLanes(send);

  async function send(group: readonly Waiting[], lane: Lane): Promise<Sent> {
    const facts = new Map(group.flatMap(({ known }) => [...(known ?? [])]));
    try {
      return await attempt(group, facts, lane);
    } catch (error) {
      memory.forget(lane.cells());
      for (const { reject } of group) reject(error);
      return { kind: 'over' };
    }
  }

  /** Decides and writes until what was looked at is what there is. */
  async function attempt(group: readonly Waiting[], facts: Map<string, string>, lane: Lane): Promise<Sent> {
    // An empty text is a cell that is not there.
    const guess = (key: string) => (facts.get(key) ?? memory.get(key)) || undefined;
    const mode = group.some(({ isUnaudited }) => isUnaudited) ? 'unaudited' : '';
    const endsMs = performance.now() + attemptLimit.ms;
    for (let attempts = 0; attempts < attemptLimit.count && performance.now() < endsMs; attempts++) {
      const page = createPage(guess);
      const settle = group.map((one) => decide(one, page));
      if (!lane.widen(page.cells())) return { kind: 'blocked', cells: page.cells() };
      for (const { operation } of group) reached(`store.${operation}.written`);
      const { keys: names, args } = page.format(keys, mode);
      const [status, found] = await asking.run(scripts.apply, names, args);
      if (status === 'audited') throw new Audited();
      if (status === 'done') {
        for (const { operation } of group) reached(`store.${operation}.committed`);
        memory.keep(page.texts());
        if (page.hasEntries()) onEntries();
        for (const [i, one] of group.entries()) settle[i]?.(one);
        return { kind: 'over', contended: attempts > 1 };
      }
      for (const [i, key] of page.cells().entries()) facts.set(key, (found as readonly string[])[i] ?? '');
    }
    throw new FareboxError('STORE_UNAVAILABLE', 'The store could not be written: others were faster again and again. Nothing was written.');
  }

  return {
    take: (step) => new Promise((resolve, reject) => add({ ...step, resolve: resolve as (value: unknown) => void, reject })),
  };
}

type Waiting = Step<unknown> & { readonly resolve: (value: unknown) => void; readonly reject: (error: unknown) => void };

/** Tells a step's caller what came of it, once it is written. */
type Settle = (waiting: Waiting) => void;

function decide({ decide }: Waiting, page: Page): Settle {
  try {
    const value = page.take(decide);
    return ({ resolve }) => resolve(value);
  } catch (cause) {
    const isCallers = FareboxError.is(cause) || cause instanceof TypeError || cause instanceof RangeError;
    const error = isCallers ? cause : new FareboxError('STORE_UNAVAILABLE', 'What the store keeps cannot be read.', { cause });
    return ({ reject }) => reject(error);
  }
}

/** How it went with a group. */
type Sent =
  /** Its callers have been told. `contended`: other processes write the same at this time. */
  | { readonly kind: 'over'; readonly contended?: boolean }
  /** It looks at a cell that others of this process are at, and has to wait for them; nothing was sent. */
  | { readonly kind: 'blocked'; readonly cells: readonly string[] };

/** The cells that a group has to itself within this process. */
type Lane = {
  readonly cells: () => readonly string[];
  /** Takes more of them. False: one of them is not free. */
  readonly widen: (cells: readonly string[]) => boolean;
};

/** Lets steps go that share no cell with any that is under way; those that waited for the same go together. */
function createLanes(send: (group: readonly Waiting[], lane: Lane) => Promise<Sent>): (one: Waiting) => void {
  const busy = new Set<string>();
  const parked = new Map<string, Waiting[]>();

  function dispatch(steps: readonly Waiting[]): void {
    const groups = new Set<Group>();
    const groupOf = new Map<string, Group>();
    for (const one of steps) {
      const touched = new Set(one.cells.flatMap((cell) => groupOf.get(cell) ?? []));
      const [group = { members: [], cells: new Set<string>() }] = touched;
      const isFull = touched.size > 1 || group.members.length >= groupLimit || isUnlike(group, one);
      const blocker = one.cells.find((cell) => (groupOf.has(cell) ? isFull : busy.has(cell)));
      if (blocker !== undefined) {
        park(blocker, one);
        continue;
      }
      group.members.push(one);
      groups.add(group);
      for (const cell of one.cells) {
        groupOf.set(cell, group);
        group.cells.add(cell);
        busy.add(cell);
      }
    }
    for (const group of groups) void run(group);
  }

  function park(cell: string, one: Waiting): void {
    const others = parked.get(cell);
    if (others) others.push(one);
    else parked.set(cell, [one]);
  }

  async function run({ members, cells }: Group): Promise<void> {
    const begunMs = performance.now();
    const widen = (wanted: readonly string[]) => {
      const more = wanted.filter((cell) => !cells.has(cell));
      if (more.some((cell) => busy.has(cell))) return false;
      for (const cell of more) {
        cells.add(cell);
        busy.add(cell);
      }
      return true;
    };
    const sent = await send(members, { cells: () => [...cells], widen });
    // Whoever has won gives way to those that have lost, or might win for ever.
    if (sent.kind === 'over' && sent.contended) await wait(systemClock, Math.min(performance.now() - begunMs, yieldMs), undefined, true);
    for (const cell of cells) busy.delete(cell);
    const free = [...cells].flatMap((cell) => parked.get(cell) ?? []);
    for (const cell of cells) parked.delete(cell);
    const again = sent.kind === 'blocked' ? members.map((one) => ({ ...one, cells: sent.cells })) : [];
    dispatch([...again, ...free]);
  }

  return (one) => dispatch([one]);
}

/** Steps that go together, and what they are about. */
type Group = { readonly members: Waiting[]; readonly cells: Set<string> };

/** What may not be taken beside an audit takes nothing else with it. */
function isUnlike({ members: [first] }: Group, { isUnaudited = false }: Waiting): boolean {
  return first !== undefined && (first.isUnaudited ?? false) !== isUnaudited;
}

/** What this process wrote last, for the next guess. The cell that was written longest ago is forgotten first. */
function createMemory() {
  const texts = new Map<string, string>();
  return {
    get: (key: string) => texts.get(key),
    keep: (written: ReadonlyMap<string, string | undefined>): void => {
      for (const [key, text] of written) {
        texts.delete(key);
        if (text !== undefined) texts.set(key, text);
      }
      for (const key of texts.keys()) {
        if (texts.size <= memoryLimit) break;
        texts.delete(key);
      }
    },
    forget: (keys: readonly string[]): void => {
      for (const key of keys) texts.delete(key);
    },
  };
}
