/**
 * The contract of Lightning drivers, run case by case on wallets that are there, each case with drivers of its own.
 *
 * A case that does not hold ends nothing; what a real wallet cannot be made to do, and what a driver cannot do, is left out by name.
 */
import { type Clock, wait } from '../../core/Clock.ts';
import { saidIn } from '../../lightning/Api.ts';
import { isApplicable, type LightningCase, type LightningNeed, type LightningSubject } from '../../testing/lightningContract.ts';

/** What came of a case. */
export type Verdict =
  | { readonly name: string; readonly kind: 'ok' }
  | { readonly name: string; readonly kind: 'failed'; readonly reason: string }
  | { readonly name: string; readonly kind: 'left-out'; readonly needs: readonly LightningNeed[] };

/** How cases are run. */
export type VerifyOptions = {
  readonly cases: readonly LightningCase[];
  /** Fresh drivers of the same wallets. */
  readonly createSubject: () => LightningSubject;
  readonly clock: Clock;
  /** Aborted: no further case is begun, and the one that runs is not waited for. */
  readonly signal: AbortSignal;
};

/** Runs the cases in order, and tells of each when it is done. */
export async function* verify({ cases, createSubject, clock, signal }: VerifyOptions): AsyncGenerator<Verdict, void> {
  for (const one of cases) {
    if (signal.aborted) return;
    const subject = createSubject();
    try {
      const needs = one.needs.filter((need) => !isApplicable({ ...one, needs: [need] }, subject));
      yield needs.length > 0 ? { name: one.name, kind: 'left-out', needs } : await run(one, subject, clock, signal);
    } finally {
      await Promise.allSettled([subject.receiver.close(), subject.payer.close()]);
    }
  }
}

/** How long a case may take, in milliseconds: some wait for a wallet several times, and none for minutes. */
const patienceMs = 300_000;

async function run(one: LightningCase, subject: LightningSubject, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  const { name } = one;
  const over = new AbortController();
  const ended = one.run(subject).then(
    (): Verdict => ({ name, kind: 'ok' }),
    (error: unknown): Verdict => ({ name, kind: 'failed', reason: reasonOf(error) }),
  );
  const late = wait(clock, patienceMs, AbortSignal.any([signal, over.signal]), true).then(
    (): Verdict => ({ name, kind: 'failed', reason: signal.aborted ? 'it was called off' : `it had not ended after ${patienceMs / 1000} s` }),
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    over.abort();
  }
}

/** What was expected, in a line: without what proves a payment or lets one into a wallet, which a comparison may hold. */
function reasonOf(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim();
  return saidIn({ message }) ?? message.slice(0, 200);
}
