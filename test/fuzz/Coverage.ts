/**
 * Which parts of the source have run, asked of V8 by the inspector in this process.
 *
 * Started before the source is imported: a module that was compiled earlier has no counters. Every reading sets them back, so that it tells
 * what ran since the one before.
 *
 * @see Chrome DevTools Protocol, Profiler.startPreciseCoverage and takePreciseCoverage
 */
import { type Profiler, Session } from 'node:inspector';

/** What ran between two readings. */
export type Reading = readonly Profiler.ScriptCoverage[];

/** A running measurement. */
export type Coverage = { readonly take: () => Reading };

/** What has run so far, of everything that one target was given. */
export type Seen = {
  /** Adds a reading; whether anything in it is new. */
  readonly add: (reading: Reading) => boolean;
  /** Whether a reading holds anything new, without adding it. */
  readonly isNew: (reading: Reading) => boolean;
  /** Stretches of code, as V8 divides it, that have run. */
  readonly blocks: () => number;
};

/**
 * Starts counting.
 * @param isCounted - by the URL of a script
 */
export function startCoverage(isCounted: (url: string) => boolean): Coverage {
  const session = new Session();
  session.connect();
  post(session, 'Profiler.enable');
  post(session, 'Profiler.startPreciseCoverage', { callCount: true, detailed: true, allowTriggeredUpdates: false });
  return {
    take: () => {
      const { result } = post(session, 'Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
      return result.filter(({ url }) => isCounted(url));
    },
  };
}

/** Nothing has run yet. */
export function createSeen(): Seen {
  const scripts = new Map<string, Script>();
  const look = (reading: Reading, isAdded: boolean) => {
    let isNew = false;
    for (const { url, functions } of reading) {
      const script = scripts.get(url) ?? { ran: new Uint8Array(0), starts: new Set() };
      scripts.set(url, script);
      if (lookAt(script, functions, isAdded)) isNew = true;
      if (isNew && !isAdded) return true;
    }
    return isNew;
  };
  return {
    add: (reading) => look(reading, true),
    isNew: (reading) => look(reading, false),
    blocks: () => {
      let count = 0;
      for (const { ran, starts } of scripts.values()) for (const start of starts) count += ran[start] ?? 0;
      return count;
    },
  };
}

type Script = {
  /** For each character: 1 where it has run. V8 leaves a block out that has its surroundings' count, so that blocks have no name of their own. */
  ran: Uint8Array;
  /** Where a block was ever said to begin. */
  readonly starts: Set<number>;
};

function lookAt(script: Script, functions: readonly Profiler.FunctionCoverage[], isAdded: boolean): boolean {
  const end = endOf(functions);
  if (script.ran.length < end) script.ran = copyOf(script.ran, end);
  const { ran, starts } = script;
  const ranges = functions.flatMap((one) => one.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const now = new Uint8Array(end);
  // Inner ranges come behind the outer ones, and say it more exactly.
  for (const { startOffset, endOffset, count } of ranges) {
    if (isAdded) starts.add(startOffset);
    now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  }
  let isNew = false;
  for (let at = now.indexOf(1); at >= 0; at = now.indexOf(1, at)) {
    const stop = now.indexOf(0, at);
    const from = at;
    at = stop < 0 ? end : stop;
    const unseen = ran.indexOf(0, from);
    if (unseen < 0 || unseen >= at) continue;
    isNew = true;
    if (!isAdded) return true;
    ran.fill(1, from, at);
  }
  return isNew;
}

function copyOf(bytes: Uint8Array, length: number): Uint8Array {
  const copy = new Uint8Array(length);
  copy.set(bytes);
  return copy;
}

function endOf(functions: readonly Profiler.FunctionCoverage[]): number {
  return functions.reduce((end, { ranges }) => ranges.reduce((most, { endOffset }) => Math.max(most, endOffset), end), 0);
}

function post(session: Session, method: string, parameters?: object): unknown {
  let answer: unknown;
  let failure: Error | null = null;
  // In one process the answer is there when the call returns.
  session.post(method, parameters, (error, result) => {
    failure = error;
    answer = result;
  });
  if (failure) throw failure;
  return answer;
}
