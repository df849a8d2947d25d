/**
 * What `bench/<name>/index.ts` exports, and what `npm run bench -- <name>` calls.
 *
 *     export const summary = 'Tokens verified, beside the npm package macaroon';
 *     export const run: Run = async ({ isQuick }) => printTable([await compare(…)]);
 */

/** How to run. */
export type RunOptions = {
  /** `--quick`: fewer requests, to see that it works; the figures say little. */
  readonly isQuick: boolean;
  /** Words after the name, such as the one part of it that is wanted. */
  readonly args: readonly string[];
};

/** Measures, prints, and leaves nothing running. */
export type Run = (options: RunOptions) => Promise<void>;

/** A folder of `bench/`. */
export type Bench = { readonly summary: string; readonly run: Run };
