/**
 * Two ways of doing a thing, compared by the processor time that each costs: interleaved rounds of A, B and A again, the ratio B/A of each
 * round, and A against itself as the measure of what the machine's noise makes of a ratio.
 *
 *     const sides = { a: { name: 'free', run: () => loop(free, 10_000) }, b: { name: 'paid', run: () => loop(paid, 10_000) } };
 *     printTable([await compare({ name: 'a pass', ...sides, bound: { atMost: 1.05 } })]);
 *
 * A bound is met only where the median ratio clears it by more than A differed from A; otherwise it is not shown.
 */

/** What one run of one side cost. */
export type Reading = {
  /** Processor time, not time passed. */
  readonly cpuNs: number;
  /** How many requests, tokens or calls that was for. */
  readonly count: number;
};

/** One of the two. */
export type Side = {
  readonly name: string;
  /** Does the work once and says what it cost. Called two or three times a round; what it prepares for itself must not be counted. */
  readonly run: () => Reading | Promise<Reading>;
};

/** What the ratio B/A should be. */
export type Bound = { readonly atMost: number } | { readonly atLeast: number };

/** What to compare. */
export type ComparisonOptions = {
  readonly name: string;
  readonly a: Side;
  readonly b: Side;
  /** Undefined: measured and told, with nothing to meet. */
  readonly bound?: Bound;
  /** Rounds of A, B, A; 9 at least, which is the default. */
  readonly rounds?: number;
  /** Rounds before them that are not counted, while code is compiled and connections open; 1 by default. */
  readonly warmUps?: number;
  /** Turns of A, B, A that make one round, added up; 1 by default. More and shorter turns let the machine's moods fall on all three alike. */
  readonly turns?: number;
};

/** What came of it. */
export type Comparison = {
  readonly name: string;
  readonly a: string;
  readonly b: string;
  /** Medians, in microseconds of processor time for one. */
  readonly aMicroseconds: number;
  readonly bMicroseconds: number;
  /** Median over the rounds of B against the mean of the two A around it. */
  readonly ratio: number;
  /** How far from 1 the middle half of all A against A lay: 0.03 says 3 %. */
  readonly spread: number;
  readonly rounds: number;
  readonly bound: Bound | undefined;
  readonly verdict: 'met' | 'missed' | 'not shown' | 'no bound';
};

/** The readings of one round. */
export type Round = { readonly a: Reading; readonly b: Reading; readonly again: Reading };

/** The fewest rounds that say anything. */
export const minRounds = 9;

/** Runs the rounds, one side at a time. @throws RangeError – fewer rounds than say anything */
export async function compare(options: ComparisonOptions): Promise<Comparison> {
  const { a, b, rounds = minRounds, warmUps = 1, turns = 1 } = options;
  if (!(rounds >= minRounds)) throw new RangeError(`rounds is ${rounds}; ${minRounds} is the fewest that say anything`);
  const counted: Round[] = [];
  for (let round = -warmUps; round < rounds; round++) {
    let sum: Round = { a: none, b: none, again: none };
    for (let turn = 0; turn < turns; turn++) sum = { a: add(sum.a, await a.run()), b: add(sum.b, await b.run()), again: add(sum.again, await a.run()) };
    if (round >= 0) counted.push(sum);
  }
  return conclude({ ...options, a: a.name, b: b.name }, counted);
}

/** What was compared: what it is called, and each side. */
export type Concluded = Pick<ComparisonOptions, 'name' | 'bound'> & { readonly a: string; readonly b: string };

/** What rounds that were run say. */
export function conclude({ name, a, b, bound }: Concluded, rounds: readonly Round[]): Comparison {
  const each = rounds.map((round) => ({ a: costOf(round.a), b: costOf(round.b), again: costOf(round.again) }));
  const ratio = quantile(
    each.map((round) => (2 * round.b) / (round.a + round.again)),
    0.5,
  );
  const controls = each.map((round) => round.again / round.a);
  const spread = Math.max(Math.abs(quantile(controls, 0.25) - 1), Math.abs(quantile(controls, 0.75) - 1));
  return {
    name,
    a,
    b,
    aMicroseconds: quantile(
      each.flatMap((round) => [round.a, round.again]),
      0.5,
    ),
    bMicroseconds: quantile(
      each.map((round) => round.b),
      0.5,
    ),
    ratio,
    spread,
    rounds: rounds.length,
    bound,
    verdict: bound === undefined ? 'no bound' : judge(ratio, spread, bound),
  };
}

/**
 * What a part adds to a whole, where the whole is far too noisy to show it: the difference that the part makes by itself, as a share of the
 * whole beside which it stands. `spread` is what the noise of both makes of that ratio.
 * @param whole - its side A is what is added to
 * @param part - side B without side A is what is added
 */
export function added({ name, bound }: Pick<ComparisonOptions, 'name' | 'bound'>, whole: Comparison, part: Comparison): Comparison {
  const addedMicroseconds = part.bMicroseconds - part.aMicroseconds;
  const ratio = 1 + addedMicroseconds / whole.aMicroseconds;
  const spread = (whole.spread * addedMicroseconds + part.spread * part.bMicroseconds) / whole.aMicroseconds;
  const verdict = bound === undefined ? 'no bound' : judge(ratio, spread, bound);
  return { ...whole, name, b: `${part.b} alone`, bMicroseconds: whole.aMicroseconds + addedMicroseconds, ratio, spread, bound, verdict };
}

/** Clears the bound by more than the noise, fails it by more than the noise, or neither. */
function judge(ratio: number, spread: number, bound: Bound): Comparison['verdict'] {
  const room = 'atMost' in bound ? bound.atMost - ratio : ratio - bound.atLeast;
  if (room > spread) return 'met';
  return room < -spread ? 'missed' : 'not shown';
}

/** Of nothing yet. */
export const none: Reading = { cpuNs: 0, count: 0 };

/** Two readings of one side. */
export function add(one: Reading, other: Reading): Reading {
  return { cpuNs: one.cpuNs + other.cpuNs, count: one.count + other.count };
}

/** The middle half of many equal readings, added up: a moment in which the machine was elsewhere is none of what was measured. */
export function middle(readings: readonly Reading[]): Reading {
  const sorted = [...readings].sort((one, other) => costOf(one) - costOf(other));
  const quarter = Math.floor(sorted.length / 4);
  return sorted.slice(quarter, sorted.length - quarter).reduce(add, none);
}

/** Microseconds for one. */
function costOf({ cpuNs, count }: Reading): number {
  return cpuNs / count / 1000;
}

/** The value below which that share of them lies, between two neighbours in proportion. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) throw new RangeError('there are no values');
  return below + (above - below) * (place - Math.floor(place));
}
