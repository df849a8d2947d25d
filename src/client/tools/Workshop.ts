/**
 * What every tool works with.
 */
import type { Clock, Random } from '../../core/Clock.ts';
import type { PayingClient } from '../createClient.ts';

/** See the head of this file. */
export type Workshop = {
  /** Pays within the operator's limits, and reaches what the operator lets it reach. */
  readonly client: PayingClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Most characters of an answer that are shown. */
  readonly maxAnswerChars: number;
  /** What names of tools begin with. */
  readonly prefix: string;
};
