/**
 * Fuzzes one target: changes inputs that were worth keeping, keeps those that reach code that none reached before or are refused as none was
 * before, and tells what is not as it must be.
 *
 * Coverage is read once for a batch of inputs; a batch with something new in it is run again by halves, down to the inputs that brought it.
 */
import { type Coverage, createSeen } from './Coverage.ts';
import { mutate, type Source, stretch } from './mutate.ts';
import { createRandom } from './Random.ts';
import { type Fault, type Outcome, runOnce, type Target, withoutValues } from './Target.ts';
import { judgedLength, longestMsOf, type Suspect, verdictOn } from './time.ts';

/** Something that must not be. */
export type Find = {
  readonly target: string;
  readonly kind: Fault;
  readonly what: string;
  /** As short as it could be made. */
  readonly input: string;
  /** How many inputs it took. */
  readonly after: number;
};

/** A target's line in the table. */
export type Row = {
  readonly target: string;
  readonly inputs: number;
  readonly corpus: number;
  readonly blocks: number;
  readonly finds: number;
  /** How long it was its turn. */
  readonly seconds: number;
};

/** A target that is being fuzzed. */
export type Fuzzer = {
  /** One batch. */
  readonly turn: () => Promise<void>;
  readonly row: () => Row;
};

/** What a fuzzer works with. */
export type Surroundings = {
  readonly coverage: Coverage;
  /** Equal seeds draw equal inputs. */
  readonly seed: number;
  readonly onFind: (find: Find) => void;
  /** Told of an input that took long, or of three lengths of one. Where nobody asks for it nothing is timed, and equal seeds give equal answers. */
  readonly onSuspect: ((suspect: Suspect) => void) | undefined;
  /** Told before every run, for whoever must know what hangs. */
  readonly onInput: (input: string) => void;
};

/** After how many turns a target may be suspected again: the suspicion is looked into elsewhere, and costs time there. */
const turnsBetweenSuspects = 8;

/** Inputs that are read, and kept for a while without having reached anything new. */
const mostWalkers = 64;

/** A fuzzer that has done nothing yet. */
export function createFuzzer(target: Target, surroundings: Surroundings): Fuzzer {
  const { coverage, seed, onFind, onSuspect, onInput } = surroundings;
  const random = createRandom(seed, target.name);
  const seen = createSeen();
  const reasons = new Set<string>();
  const corpus: string[] = [];
  const known = new Set<string>();
  // Inputs that were read, whatever they reach, one step further every time: two changes that bring nothing alone meet in them.
  const walkers: string[] = [];
  const finds = new Set<string>();
  let inputs = 0;
  let turns = 0;
  let seconds = 0;
  let suspectedAt = 0;

  const other = () => {
    if (corpus.length === 0) return '';
    if (walkers.length > 0 && random.oneIn(3)) return random.pick(walkers);
    // What came last is near what has not been seen.
    return random.oneIn(2) ? random.pick(corpus) : (corpus.at(-1 - random.below(Math.ceil(corpus.length / 4))) as string);
  };
  const source: Source = { random, form: target.form, words: target.words ?? [], longest: target.longest ?? 2048, other };

  const keep = (input: string) => {
    if (known.has(input)) return;
    known.add(input);
    corpus.push(input);
  };
  const run = async (input: string): Promise<Outcome> => {
    onInput(input);
    return runOnce(target, input);
  };
  const tell = async (input: string, outcome: Outcome & { readonly kind: Fault }) => {
    const key = keyOf(outcome);
    if (finds.has(key)) return;
    finds.add(key);
    const isSame = async (shorter: string) => keyOf(await run(shorter)) === key;
    onFind({ target: target.name, kind: outcome.kind, what: outcome.what, input: await shortened(input, isSame), after: inputs });
  };
  const suspect = (lengths: readonly string[]) => {
    if (turns < suspectedAt + turnsBetweenSuspects) return;
    suspectedAt = turns;
    onSuspect?.({ target: target.name, lengths, after: inputs });
  };
  const fuzz = async (input: string) => {
    inputs++;
    const outcome = await run(input);
    if (outcome.kind !== 'fine') return tell(input, outcome);
    if (outcome.ms > longestMsOf(target)) suspect([input]);
    if (outcome.reason === '' && input.length <= source.longest && random.oneIn(8)) walkers[random.below(Math.min(walkers.length + 1, mostWalkers))] = input;
    if (reasons.size < 400 && !reasons.has(outcome.reason)) {
      reasons.add(outcome.reason);
      keep(input);
    }
  };
  /** Finds the inputs that bring something new, and keeps them. */
  const locate = async (suspects: readonly string[]): Promise<void> => {
    if (suspects.length === 0) return;
    coverage.take();
    for (const input of suspects) await run(input);
    const reading = coverage.take();
    if (!seen.isNew(reading)) return;
    if (suspects.length === 1) {
      seen.add(reading);
      return keep(suspects[0] as string);
    }
    const middle = suspects.length >> 1;
    await locate(suspects.slice(0, middle));
    await locate(suspects.slice(middle));
  };
  const turn = async () => {
    const startedAt = performance.now();
    const batch = turns === 0 ? target.seeds : Array.from({ length: target.batch ?? 200 }, () => draw(source));
    coverage.take();
    for (const input of batch) await fuzz(input);
    const reading = coverage.take();
    if (turns === 0) for (const input of batch) keep(input);
    else if (seen.isNew(reading)) await locate(batch);
    // What does not come again, such as a table that is made once, is seen all the same.
    seen.add(reading);
    if (onSuspect && turns % 4 === 3) await checkGrowth();
    turns++;
    seconds += (performance.now() - startedAt) / 1000;
  };
  const checkGrowth = async () => {
    const { make, piece } = stretch(other(), source);
    const lengths = [judgedLength / 4, judgedLength / 2, judgedLength].map((length) => make(Math.ceil(length / piece)));
    if ((await verdictOn(target, lengths, 2)) !== undefined) suspect(lengths);
  };
  return { turn, row: () => ({ target: target.name, inputs, corpus: corpus.length, blocks: seen.blocks(), finds: finds.size, seconds }) };
}

function draw(source: Source): string {
  const { random, longest, other } = source;
  if (!random.oneIn(32)) return mutate(other(), source);
  const { make, piece } = stretch(other(), source);
  return make(Math.ceil(random.length(4 * longest) / piece));
}

/** Two finds with one key are one. */
function keyOf(outcome: Outcome): string {
  return outcome.kind === 'fine' ? '' : `${outcome.kind} ${withoutValues(outcome.what)}`;
}

/** Leaves out what is not needed, in ever smaller pieces. */
async function shortened(input: string, isSame: (input: string) => Promise<boolean>): Promise<string> {
  let best = input;
  let left = 1000;
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= best.length && left > 0; left--) {
      const shorter = best.slice(0, at) + best.slice(at + size);
      if (await isSame(shorter)) best = shorter;
      else at += size;
    }
  }
  return best;
}
