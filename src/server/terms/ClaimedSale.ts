/**
 * A use on its way, in whatever way it is counted: keeps the lease alive while the upstream works, and ends the use as the answer turns out.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import { createHash, type Hash } from 'node:crypto';
import type { Clock } from '../../core/Clock.ts';
import type { Answer } from '../../http/RequestView.ts';
import type { StoredAnswer } from '../../store/Store.ts';
import type { SaleFacts } from '../Events.ts';
import type { Principal } from '../Offer.ts';
import { receiptHeader } from '../receipt.ts';
import type { HeadOutcome, Sale, SaleNews } from './Terms.ts';

/** One use that was set aside for a request, and how it ends where it is counted. */
export type Use = {
  /** Sent to the upstream: the same for every attempt at this use, and no part of any secret. */
  readonly idempotencyKey: string;
  readonly principal: Principal;
  /** What is sold with it. */
  readonly facts: SaleFacts;
  /** It was committed before, and its answer is given once more. */
  readonly isRepeat: boolean;
  /** Said with a success, beside the receipt. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Holds it for another lease; undefined where it is held together with others. */
  readonly hold: (() => Promise<unknown>) | undefined;
  /** Where it is counted in this process: `commit`, and the end of an answer that arrived whole, with nothing to wait for. */
  readonly atOnce?: { readonly commit: () => 'committed' | 'lost'; readonly end: () => void };
  /** Used up, durably. */
  readonly commit: (end: UseEnd & { readonly answer?: StoredAnswer }) => Promise<'committed' | 'lost'>;
  /** Given back, or used up where it was given back too often. */
  readonly release: (end: UseEnd & { readonly limit?: number }) => Promise<'released' | 'committed' | 'lost'>;
  /** The answer arrived whole. */
  readonly deliver: () => Promise<void>;
  /** It did not, and may be asked for again. */
  readonly leave: () => Promise<void>;
};

/** How a use ends: in a word, and of which request; `bodyDigest` is left out where its body has not been read. */
export type UseEnd = { readonly note: string; readonly bodyDigest?: string };

/** What a sale needs of the paywall. */
export type SaleContext = {
  readonly clock: Clock;
  /** How long a use is held without a heartbeat. */
  readonly leaseSeconds: number;
  /** Told what becomes of the sale. */
  readonly onNews: (news: SaleNews) => void;
  /** Where the store is away: gives back later what was paid for nothing. */
  readonly owe: (giveBack: () => Promise<unknown>) => void;
};

/** What an upstream's status means for the use. */
type Verdict = { readonly kind: 'commit' } | { readonly kind: 'release'; readonly reason: string; readonly limit?: number };

/** Releases that a buyer can provoke are capped at this many a token and reason. */
const provokedLimit = 3;

/** Of no bytes at all. */
const emptyDigest = createHash('sha256').digest('hex');

/** A sale of one use. */
export function createClaimedSale(context: SaleContext, use: Use): Sale {
  const sale = new ClaimedSale(context, use);
  return {
    idempotencyKey: use.idempotencyKey,
    consume: 'on-success',
    onBody: (chunk) => sale.addToBody(chunk),
    head: (status) => sale.headAtOnce(status) ?? sale.inTurn(() => sale.head(status)),
    end: (how) => (sale.endAtOnce(how) ? undefined : sale.inTurn(() => sale.end(how))),
    unanswered: (why) => sale.inTurn(() => sale.unanswered(why)),
    absent: (status, answer) => sale.inTurn(() => sale.absent(status, answer)),
  };
}

/** The steps of a sale, each to be called when the one before has ended. */
class ClaimedSale {
  readonly #context: SaleContext;
  readonly #use: Use;
  readonly #stopHeartbeat: () => void;
  #state: 'claimed' | 'headed' | 'ended' = 'claimed';
  readonly inTurn = createTurns();
  readonly #body = createBody();

  constructor(context: SaleContext, use: Use) {
    this.#context = context;
    this.#use = use;
    this.#stopHeartbeat = startHeartbeat(context, use);
  }

  addToBody(chunk: Uint8Array): void {
    this.#body.add(chunk);
  }

  async head(status: number): Promise<HeadOutcome> {
    if (this.#state !== 'claimed') return { kind: 'lost' };
    const verdict = verdictOf(status);
    const kind = await this.#carryOut(verdict, status);
    if (verdict.kind === 'commit' && kind === 'charged') this.#state = 'headed';
    else this.#finish();
    if (kind === 'lost') return { kind };
    return { kind, headers: [['L402-Payment', kind], ...(kind === 'charged' && verdict.kind === 'commit' ? this.#receipt() : [])] };
  }

  /** What `head` comes to where that is known without waiting. Nothing else is under way then: whatever else ends a claim says so before it waits. */
  headAtOnce(status: number): HeadOutcome | undefined {
    const { atOnce } = this.#use;
    if (atOnce === undefined || this.#state !== 'claimed' || verdictOf(status).kind !== 'commit') return undefined;
    if (atOnce.commit() === 'lost') {
      this.#finish();
      return { kind: 'lost' };
    }
    this.#tell('charged');
    this.#state = 'headed';
    return { kind: 'charged', headers: [['L402-Payment', 'charged'], ...this.#receipt()] };
  }

  /** Whether that was all there is to its end. */
  endAtOnce(how: 'delivered' | 'client-left' | 'upstream-broke'): boolean {
    const { atOnce } = this.#use;
    if (atOnce === undefined || this.#state !== 'headed' || how !== 'delivered') return false;
    this.#finish();
    atOnce.end();
    this.#tell('delivered');
    return true;
  }

  async end(how: 'delivered' | 'client-left' | 'upstream-broke'): Promise<void> {
    if (this.#state !== 'headed') return;
    this.#finish();
    if (how === 'upstream-broke') return void (await this.#giveBack('upstream-broke', provokedLimit));
    if (how === 'client-left') return this.#leave();
    await this.#use.deliver();
    this.#tell('delivered');
  }

  async unanswered(why: 'upstream' | 'client-left'): Promise<void> {
    if (this.#state !== 'claimed') return;
    this.#finish();
    await (why === 'upstream' ? this.#giveBack('upstream') : this.#giveBack('client-left', provokedLimit));
  }

  async absent(status: number, answer: StoredAnswer | undefined): Promise<void> {
    if (this.#state !== 'claimed') return;
    this.#finish();
    const verdict = verdictOf(status);
    if (verdict.kind === 'release') return void (await this.#giveBack(verdict.reason, verdict.limit));
    if ((await this.#commit(`${status} for a client that left`, answer)) === 'charged') await this.#leave();
  }

  async #carryOut(verdict: Verdict, status: number): Promise<'charged' | 'not-charged' | 'lost'> {
    try {
      return await (verdict.kind === 'commit' ? this.#commit(String(status)) : this.#release(verdict.reason, verdict.limit));
    } catch (error) {
      this.#finish();
      // Nothing of the answer will be sent; what was committed all the same, or can still be given back, is given back.
      await this.#giveBack('upstream').catch(() => {});
      throw error;
    }
  }

  async #commit(note: string, answer?: StoredAnswer): Promise<'charged' | 'lost'> {
    const outcome = await this.#use.commit({ note, bodyDigest: this.#body.digest(), ...(answer && { answer }) });
    if (outcome === 'lost') return 'lost';
    this.#tell(this.#use.isRepeat ? 'repeated' : 'charged');
    return 'charged';
  }

  /** Releases, now or as soon as the store can be asked. @throws STORE_UNAVAILABLE – not now */
  async #giveBack(reason: string, limit?: number): Promise<'charged' | 'not-charged' | 'lost'> {
    try {
      return await this.#release(reason, limit);
    } catch (error) {
      this.#context.owe(() => this.#release(reason, limit));
      throw error;
    }
  }

  async #release(reason: string, limit?: number): Promise<'charged' | 'not-charged' | 'lost'> {
    const outcome = await this.#use.release({ note: reason, bodyDigest: this.#body.digest(), ...(limit === undefined ? {} : { limit }) });
    if (outcome === 'lost') return 'lost';
    if (outcome === 'released') this.#context.onNews({ kind: 'released', reason, ...this.#use.facts });
    else this.#tell('charged');
    return outcome === 'released' ? 'not-charged' : 'charged';
  }

  #receipt(): Answer['headers'] {
    const { principal, headers } = this.#use;
    return [...headers, receiptHeader(principal, this.#context.clock)];
  }

  async #leave(): Promise<void> {
    await this.#use.leave();
    this.#tell('left');
  }

  #finish(): void {
    this.#state = 'ended';
    this.#stopHeartbeat();
  }

  #tell(kind: 'charged' | 'repeated' | 'delivered' | 'left'): void {
    this.#context.onNews({ kind, ...this.#use.facts });
  }
}

/** Steps of a sale, each begun when the one before has ended. */
export function createTurns(): <Result>(step: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> | undefined;
  return (step) => {
    const turn = last === undefined ? step() : last.then(step, step);
    last = turn.catch(() => {});
    return turn;
  };
}

/** A request's body as it passes by. */
export function createBody(): { readonly add: (chunk: Uint8Array) => void; readonly digest: () => string } {
  // Undefined while there is none: most requests have none, and a hash costs more than a look-up.
  let body: Hash | undefined;
  return {
    add: (chunk) => {
      body ??= createHash('sha256');
      body.update(chunk);
    },
    digest: () => (body === undefined ? emptyDigest : body.copy().digest('hex')),
  };
}

/** What the upstream's status means, line by line as wire.md has it. */
function verdictOf(status: number): Verdict {
  // 101: a WebSocket was agreed on, and what was sold begins.
  if ((status >= 200 && status < 400) || status === 101) return { kind: 'commit' };
  if (status === 408 || status === 429 || status >= 500) return { kind: 'release', reason: 'upstream' };
  if (status === 401 || status === 403 || status === 404 || status === 405) return { kind: 'release', reason: 'seller' };
  return { kind: 'release', reason: 'client-error', limit: provokedLimit };
}

const noHeartbeat = () => {};

/** Renews the lease three times in its length until stopped. A renewal that fails is left to the commit, which finds out for certain. */
export function startHeartbeat({ clock, leaseSeconds }: SaleContext, { hold }: Use): () => void {
  if (hold === undefined) return noHeartbeat;
  let cancel = () => {};
  let stopped = false;
  const beat = () => {
    cancel = clock.after((leaseSeconds * 1000) / 3, () => {
      hold().then(
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
