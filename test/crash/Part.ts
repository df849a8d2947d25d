/**
 * What the buyer hands on to a helper: what it has bought, narrowed to a few calls, with a word of its own.
 */
import { createHash } from 'node:crypto';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Sold } from './Sale.ts';
import type { Stage } from './Stage.ts';
import { surely } from './surely.ts';

/** A part as its holder has it. */
export type Handed = {
  /** The value of `Authorization`. */
  readonly authorization: string;
  readonly paymentHash: string;
  /** What the seller counts it on. */
  readonly account: string;
};

/** Calls of a part. One of them may be lost with an answer that never came. */
export const partCalls = 2n;

/** Hands on a part of what the sale was bought with. */
export async function handOn(stage: Stage, { brought }: Sold, word: string): Promise<Handed> {
  const last = brought.at(-1);
  const bought = await surely(stage, async () => (await stage.buyer.calls.journal()).payments.find(({ paymentHash }) => paymentHash === hashOf(last)));
  const macaroon = Macaroon.attenuate(Macaroon.parse(bought.token), [`part=${word}`, `n_uses=${partCalls}`]);
  return {
    authorization: `L402 ${Macaroon.format(macaroon)}:${bought.preimage}`,
    paymentHash: bought.paymentHash,
    account: createHash('sha256').update('farebox/part/1/').update(macaroon.signature).digest('hex'),
  };
}

function hashOf(got: Sold['brought'][number] | undefined): string | undefined {
  return got?.kind === 'answered' ? got.paymentHash : undefined;
}
