/**
 * A block of units that this process has reserved on an account: calls are taken off it, and it is settled for what was used of it.
 *
 * @see Leases.ts
 */
import { type Clock, nowAt, type Random, wait } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { Spending, Store } from '../../store/Store.ts';

/** What counting ahead needs. */
export type LeasesOptions = {
  readonly store: Pick<Store, 'reserve' | 'extend' | 'settle' | 'cancel' | 'balance'>;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a block outlives a process that was killed. */
  readonly leaseSeconds: number;
  /** Told of what was served and could not be written down. */
  readonly onTrouble: (error: unknown) => void;
};

/** What came of asking. `left`: on the account and in the block, as far as this process knows. `isUnderWay`: what others have set aside would be enough, and may come back. */
export type LeaseOutcome =
  | { readonly kind: 'taken'; readonly units: LeasedUnits; readonly left: bigint }
  | { readonly kind: 'insufficient'; readonly isUnderWay: boolean };

/** The units of one call. `giveBack` and `end` are the last that is done with them; what is done after that does nothing. */
export type LeasedUnits = {
  /** Names the call, in 32 hex digits; no other one has it, and it is no part of any secret. */
  readonly name: string;
  /** Spent, in this process. `lost`: the block is not held any more. */
  readonly commit: () => 'committed' | 'lost';
  /**
   * Given back, before or after the commit. With `limit`, at most so often for this reason; once more commits instead.
   * @throws STORE_UNAVAILABLE – how often is not known; nothing was given back
   */
  readonly giveBack: (reason: string, limit?: number) => Promise<'released' | 'committed'>;
  readonly end: () => void;
};

/** How long calls are taken off a block, and how long it waits for those that go on. */
const openMs = 2000;
const graceMs = 2000;

/** How long after the store was away it is asked again, and for how long in all: then it may have forgotten what was reserved. */
const retryMs = 1000;
const retriedMs = 3_600_000;
/** How often it is asked again by a process that is to end. */
const lastRetries = 3;

/** What a block tells of itself, and what it has to know. */
export type BlockContext = LeasesOptions & {
  readonly isClosing: () => boolean;
  readonly onRetired: (block: Block) => void;
  readonly onMoved: (tail: Block) => void;
  readonly onOver: (block: Block) => void;
};

/** What a block is of. */
export type BlockFacts = {
  readonly account: string;
  readonly reservation: string;
  readonly units: bigint;
  /** What the account had beside it. */
  readonly beside: bigint;
  readonly service: string;
  readonly route: string;
  readonly heldFromMs: number;
};

/** A call whose units are a block's. */
type LeasedCall = { block: Block; readonly name: string; readonly units: bigint; state: 'taken' | 'committed' | 'over' };

/** So many units of an account, reserved under one name. */
export class Block {
  readonly account: string;
  readonly #context: BlockContext;
  readonly #facts: BlockFacts;
  readonly #calls = new Set<LeasedCall>();
  /** What the names of its calls begin with. */
  readonly #name: string;
  #free: bigint;
  #count = 0;
  /** Calls that go on are being moved out of it. */
  #isMoving = false;
  /** Of calls that are over. */
  #used = 0n;
  #heldUntilMs: number;
  #state: 'open' | 'retired' | 'settling' = 'open';
  #settled: Promise<void> | undefined;
  /** Whether it came to be reserved, where it took over what went on in another. */
  #reserved: Promise<boolean> = Promise.resolve(true);
  #cancelTimer = () => {};
  #cancelHold = () => {};

  constructor(context: BlockContext, facts: BlockFacts) {
    this.account = facts.account;
    this.#context = context;
    this.#facts = facts;
    this.#name = toHex(sha256(fromUtf8(`farebox/idempotency/1/${facts.reservation}`)).subarray(0, 12));
    this.#free = facts.units;
    this.#heldUntilMs = facts.heldFromMs + context.leaseSeconds * 1000;
    this.#cancelTimer = context.clock.after(openMs, () => this.retire());
    this.#hold();
  }

  /** The units of a call; undefined where there are not so many. */
  take(units: bigint): LeaseOutcome | undefined {
    if (this.#state !== 'open' || this.#free < units || !this.#isHeld()) return undefined;
    this.#free -= units;
    const call: LeasedCall = { block: this, name: this.#name + (2 ** 32 + this.#count++).toString(16).slice(1), units, state: 'taken' };
    this.#calls.add(call);
    return { kind: 'taken', units: unitsOf(call), left: this.#facts.beside + this.#free };
  }

  /** Whether no call is under way with it. */
  isIdle(): boolean {
    return this.#calls.size === 0 && !this.#isMoving;
  }

  /** Takes no more calls, and is settled when those that it has are over, or have gone on for a while. */
  retire(): void {
    if (this.#state !== 'open') return;
    this.#state = 'retired';
    this.#context.onRetired(this);
    this.#cancelTimer();
    if (this.#calls.size === 0) void this.close();
    else this.#cancelTimer = this.#context.clock.after(graceMs, () => this.#moveAndSettle());
  }

  /** Settles it as it stands. */
  close(): Promise<void> {
    this.#settled ??= this.#settle();
    return this.#settled;
  }

  commit(call: LeasedCall): 'committed' | 'lost' {
    if (call.state === 'committed') return 'committed';
    if (call.state === 'over') return 'lost';
    if (this.#isHeld() && this.#settled === undefined) {
      call.state = 'committed';
      return 'committed';
    }
    this.#leave(call, false);
    return 'lost';
  }

  async giveBack(call: LeasedCall, reason: string, limit: number | undefined): Promise<'released' | 'committed'> {
    if (limit === undefined || (await this.#mayGiveBack(reason, limit))) {
      call.block.#leave(call, false);
      return 'released';
    }
    call.block.#leave(call, true);
    return 'committed';
  }

  end(call: LeasedCall): void {
    this.#leave(call, call.state === 'committed');
  }

  #leave(call: LeasedCall, isSpent: boolean): void {
    if (call.state === 'over') return;
    call.state = 'over';
    this.#calls.delete(call);
    if (isSpent) this.#used += call.units;
    else this.#free += call.units;
    if (this.#state === 'retired' && this.#calls.size === 0) void this.close();
  }

  /** Counts one more that is given back for this reason where all that are counted one by one are: on the account, by a reservation of nothing. */
  async #mayGiveBack(reason: string, limit: number): Promise<boolean> {
    const { store, random, leaseSeconds } = this.#context;
    const reservation = toHex(random(16));
    await store.reserve({ reservation, debits: [{ account: this.account, units: 0n }], leaseSeconds });
    return (await store.cancel({ reservation, reason, limit })) === 'cancelled';
  }

  /** Leaves what goes on to a block of its own. */
  #moveAndSettle(): void {
    if (this.#settled !== undefined) return;
    const { store, random, clock, leaseSeconds, onMoved } = this.#context;
    const units = [...this.#calls].reduce((sum, call) => sum + call.units, 0n);
    const tail = new Block(this.#context, { ...this.#facts, reservation: toHex(random(16)), units, beside: 0n });
    tail.#state = 'retired';
    tail.#cancelTimer();
    tail.#cancelHold();
    tail.#free = 0n;
    // Until it is reserved, what goes on is held as it was.
    tail.#heldUntilMs = this.#heldUntilMs;
    onMoved(tail);
    for (const call of this.#calls) {
      call.block = tail;
      tail.#calls.add(call);
    }
    this.#calls.clear();
    this.#isMoving = true;
    const reservation = tail.#facts.reservation;
    const debit = { account: this.account, units };
    const reserve = async (): Promise<boolean> => {
      let fromMs = clock.nowMs();
      // Out of this block in one step, before what is left of it goes back: nobody else comes by them in between.
      const debits = [{ ...debit, from: this.#facts.reservation }];
      let outcome = await store.reserve({ reservation, debits, leaseSeconds }).catch(() => undefined);
      this.#isMoving = false;
      await this.close();
      if (outcome === undefined || outcome.kind === 'absent') {
        fromMs = clock.nowMs();
        outcome = await store.reserve({ reservation, debits: [debit], leaseSeconds });
      }
      const isReserved = outcome.kind === 'reserved';
      tail.#heldUntilMs = isReserved ? fromMs + leaseSeconds * 1000 : 0;
      if (isReserved) tail.#hold();
      return isReserved;
    };
    // Where that is not known, settling it finds out.
    tail.#reserved = reserve().catch(() => true);
  }

  #isHeld(): boolean {
    return this.#context.clock.nowMs() < this.#heldUntilMs;
  }

  /** Holds it for longer, three times in a lease. Where that fails it is as good as its lease is. */
  #hold(): void {
    const { clock, store, leaseSeconds } = this.#context;
    this.#cancelHold = clock.after((leaseSeconds * 1000) / 3, () => {
      const fromMs = clock.nowMs();
      store.extend({ reservation: this.#facts.reservation, leaseSeconds }).then(
        (isHeld) => {
          this.#heldUntilMs = isHeld ? fromMs + leaseSeconds * 1000 : 0;
        },
        () => {},
      );
      this.#hold();
    });
  }

  async #settle(): Promise<void> {
    const { onOver, onRetired, onTrouble } = this.#context;
    this.#cancelTimer();
    this.#state = 'settling';
    onRetired(this);
    const used = [...this.#calls].reduce((sum, { state, units }) => (state === 'committed' ? sum + units : sum), this.#used);
    const outcome = (await this.#reserved) ? await this.#write(used) : 'lost';
    this.#cancelHold();
    onOver(this);
    if (outcome === 'lost' && used > 0n) {
      onTrouble(
        new FareboxError('STORE_UNAVAILABLE', `${used} units were served on ${this.#facts.route} and are not written down: their block was not held any more.`),
      );
    }
  }

  /** Asks until it is known what came of it: units whose lease has ended can still be spent where nobody else has. */
  async #write(used: bigint): Promise<'settled' | 'lost'> {
    const { store, clock, onTrouble, isClosing } = this.#context;
    const { reservation, service, route } = this.#facts;
    const entry: Spending = { nonce: reservation, service, route, at: nowAt(clock), note: 'counted ahead' };
    let last = lastRetries;
    for (let leftMs = retriedMs; ; leftMs -= retryMs) {
      try {
        if (used > 0n) return await store.settle({ reservation, units: used, entry });
        await store.cancel({ reservation, reason: 'unused' });
        return 'settled';
      } catch (error) {
        if (isClosing()) last -= 1;
        if (leftMs <= 0 || last < 0) {
          onTrouble(error);
          return 'lost';
        }
        // Somebody who closes waits for it.
        await wait(clock, Math.min(retryMs, leftMs), undefined, isClosing());
      }
    }
  }
}

function unitsOf(call: LeasedCall): LeasedUnits {
  return {
    name: call.name,
    commit: () => call.block.commit(call),
    giveBack: (reason, limit) => call.block.giveBack(call, reason, limit),
    end: () => call.block.end(call),
  };
}
