/**
 * A claimed use on its way: keeps the lease alive while the upstream works, and ends the claim as the answer turns out.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import { createHash, type Hash } from 'node:crypto';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { ClaimRef, LedgerEntry, StoredAnswer } from '../../store/Store.ts';
import type { SaleFacts } from '../Events.ts';
import { entryOf } from '../Ledger.ts';
import type { Principal } from '../Offer.ts';
import { receiptHeader } from '../receipt.ts';
import type { ClaimContext } from './PerRequest.ts';
import type { HeadOutcome, Sale } from './Terms.ts';

/** What an upstream's status means for the claim. */
type Verdict = { readonly kind: 'commit' } | { readonly kind: 'release'; readonly reason: string; readonly limit?: number };

/** Releases that a buyer can provoke are capped at this many a token and reason. */
const provokedLimit = 3;

/** Of no bytes at all. */
const emptyDigest = createHash('sha256').digest('hex');

/**
 * A sale of one claimed use.
 * @param isRepeat - the use was committed before, and its answer is given once more
 */
export function createClaimedSale(context: ClaimContext, claim: ClaimRef, principal: Principal, route: string, isRepeat: boolean): Sale {
  const sale = new ClaimedSale(context, claim, principal, route, isRepeat);
  return {
    idempotencyKey: idempotencyKeyOf(claim),
    onBody: (chunk) => sale.addToBody(chunk),
    head: (status) => sale.inTurn(() => sale.head(status)),
    end: (how) => sale.inTurn(() => sale.end(how)),
    unanswered: (why) => sale.inTurn(() => sale.unanswered(why)),
    absent: (status, answer) => sale.inTurn(() => sale.absent(status, answer)),
  };
}

/** The steps of a sale, each to be called when the one before has ended. */
class ClaimedSale {
  readonly #context: ClaimContext;
  readonly #claim: ClaimRef;
  readonly #principal: Principal;
  readonly #route: string;
  readonly #isRepeat: boolean;
  readonly #stopHeartbeat: () => void;
  #state: 'claimed' | 'headed' | 'ended' = 'claimed';
  #last: Promise<unknown> | undefined;
  /** Undefined while there is no body: most requests have none, and a hash costs more than a look-up. */
  #body: Hash | undefined;

  constructor(context: ClaimContext, claim: ClaimRef, principal: Principal, route: string, isRepeat: boolean) {
    this.#context = context;
    this.#claim = claim;
    this.#principal = principal;
    this.#route = route;
    this.#isRepeat = isRepeat;
    this.#stopHeartbeat = startHeartbeat(context, claim);
  }

  inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const turn = this.#last === undefined ? step() : this.#last.then(step, step);
    this.#last = turn.catch(() => {});
    return turn;
  }

  addToBody(chunk: Uint8Array): void {
    this.#body ??= createHash('sha256');
    this.#body.update(chunk);
  }

  async head(status: number): Promise<HeadOutcome> {
    if (this.#state !== 'claimed') return { kind: 'lost' };
    const verdict = verdictOf(status);
    const kind = await this.#carryOut(verdict, status);
    if (verdict.kind === 'commit' && kind === 'charged') this.#state = 'headed';
    else this.#finish();
    if (kind === 'lost') return { kind };
    const receipt = kind === 'charged' && verdict.kind === 'commit' ? [receiptHeader(this.#principal, this.#context.clock)] : [];
    return { kind, headers: [['L402-Payment', kind], ...receipt] };
  }

  async end(how: 'delivered' | 'client-left' | 'upstream-broke'): Promise<void> {
    if (this.#state !== 'headed') return;
    this.#finish();
    if (how === 'upstream-broke') return void (await this.#release('upstream-broke', provokedLimit));
    if (how === 'client-left') return this.#leave();
    await this.#context.store.deliver(this.#claim);
    this.#tell('delivered');
  }

  async unanswered(why: 'upstream' | 'client-left'): Promise<void> {
    if (this.#state !== 'claimed') return;
    this.#finish();
    await (why === 'upstream' ? this.#release('upstream') : this.#release('client-left', provokedLimit));
  }

  async absent(status: number, answer: StoredAnswer | undefined): Promise<void> {
    if (this.#state !== 'claimed') return;
    this.#finish();
    const verdict = verdictOf(status);
    if (verdict.kind === 'release') return void (await this.#release(verdict.reason, verdict.limit));
    if ((await this.#commit(`${status} for a client that left`, answer)) === 'charged') await this.#leave();
  }

  async #carryOut(verdict: Verdict, status: number): Promise<'charged' | 'not-charged' | 'lost'> {
    try {
      return await (verdict.kind === 'commit' ? this.#commit(String(status)) : this.#release(verdict.reason, verdict.limit));
    } catch (error) {
      this.#finish();
      // Nothing of the answer will be sent; what was committed all the same, or can still be given back, is given back.
      await this.#release('upstream').catch(() => {});
      throw error;
    }
  }

  async #commit(note: string, answer?: StoredAnswer): Promise<'charged' | 'lost'> {
    const outcome = await this.#context.store.commit({ ...this.#claim, entry: this.#earned(note), bodyDigest: this.#bodyDigest(), ...(answer && { answer }) });
    if (outcome === 'lost') return 'lost';
    this.#tell(this.#isRepeat ? 'repeated' : 'charged');
    return 'charged';
  }

  async #release(reason: string, limit?: number): Promise<'charged' | 'not-charged' | 'lost'> {
    const outcome = await this.#context.store.release({
      ...this.#claim,
      reason,
      bodyDigest: this.#bodyDigest(),
      ...(limit === undefined ? {} : { limit }),
      ...(this.#isRepeat ? {} : { entryIfCommitted: this.#earned(reason), entryIfReleased: this.#entry('reversed', reason) }),
    });
    if (outcome === 'lost') return 'lost';
    if (outcome === 'released') this.#context.onNews({ kind: 'released', reason, ...this.#facts() });
    else this.#tell('charged');
    return outcome === 'released' ? 'not-charged' : 'charged';
  }

  async #leave(): Promise<void> {
    await this.#context.store.undelivered(this.#claim);
    this.#tell('left');
  }

  #finish(): void {
    this.#state = 'ended';
    this.#stopHeartbeat();
  }

  #tell(kind: 'charged' | 'repeated' | 'delivered' | 'left'): void {
    this.#context.onNews({ kind, ...this.#facts() });
  }

  #facts(): SaleFacts {
    const { paymentHash, service, amountMsat } = this.#principal;
    return { paymentHash, service, route: this.#route, amountMsat };
  }

  #earned(note: string): LedgerEntry {
    return this.#entry(this.#isRepeat ? 'repeated' : 'earned', note);
  }

  #entry(kind: LedgerEntry['kind'], note: string): LedgerEntry {
    return entryOf(kind, this.#principal, this.#route, this.#context.clock, String(this.#claim.fence), note);
  }

  #bodyDigest(): string {
    return this.#body === undefined ? emptyDigest : this.#body.copy().digest('hex');
  }
}

/** What the upstream's status means, line by line as wire.md has it. */
function verdictOf(status: number): Verdict {
  if (status >= 200 && status < 400) return { kind: 'commit' };
  if (status === 408 || status === 429 || status >= 500) return { kind: 'release', reason: 'upstream' };
  if (status === 401 || status === 403 || status === 404 || status === 405) return { kind: 'release', reason: 'seller' };
  return { kind: 'release', reason: 'client-error', limit: provokedLimit };
}

/** Renews the lease three times in its length until stopped. A renewal that fails is left to the commit, which finds out for certain. */
function startHeartbeat(context: ClaimContext, claim: ClaimRef): () => void {
  const { store, clock, leaseSeconds } = context;
  let cancel = () => {};
  let stopped = false;
  const beat = () => {
    cancel = clock.after((leaseSeconds * 1000) / 3, () => {
      store.heartbeat({ ...claim, leaseSeconds }).then(
        () => stopped || beat(),
        () => stopped || beat(),
      );
    });
  };
  beat();
  return () => {
    stopped = true;
    cancel();
  };
}

/** The same for every attempt with one token, and no part of any secret. */
function idempotencyKeyOf({ key }: ClaimRef): string {
  return toHex(sha256(fromUtf8(`farebox/idempotency/1/${key}`)).subarray(0, 16));
}
