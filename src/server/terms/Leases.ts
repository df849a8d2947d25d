/**
 * Units that are counted ahead: a block of an account is reserved for a while, and calls are counted on it in this process, so that most of them
 * ask the store nothing. A block that is used up, or two seconds old, is settled for what was used of it, and the rest goes back.
 *
 *     account ─ reserve ─ block ─ take ─ commit ─┬─ end ─ settle
 *                                  └ give back ──┘
 *
 * What it costs is known beforehand: where a process dies, its blocks go back to their accounts unspent, and what was served from them was served
 * for nothing. That is bounded by the size of a block, for each account, and never the other way round: nobody loses what he has paid for.
 *
 * Calls that are still going on when their block is settled are moved to a smaller one that holds their units alone.
 *
 * @see docs/decisions/0027-counting-ahead.md
 */
import { toHex } from '../../core/internal/bytes.ts';
import type { Credit } from '../../store/Store.ts';
import { mayComeBack } from '../Carvings.ts';
import { Block, type LeaseOutcome, type LeasesOptions } from './LeaseBlock.ts';

/** Asks for the units of one call. */
export type LeaseRequest = {
  readonly account: string;
  /** Made where a block is reserved, and not for every call. */
  readonly opens: () => Credit;
  readonly takes: bigint;
  /** For how many calls like this one a block is reserved. */
  readonly calls: number;
  readonly service: string;
  readonly route: string;
};

/** See the head of this file. */
export type Leases = {
  /** @throws STORE_UNAVAILABLE – not known whether there are so many: nothing may be forwarded */
  readonly take: (request: LeaseRequest) => LeaseOutcome | Promise<LeaseOutcome>;
  /** Settles all blocks. Calls that are still going on are counted as they stand. */
  readonly close: () => Promise<void>;
};

/** How often a block of another size is tried where others take from the account at the same time. */
const attempts = 4;

/** Nothing reserved yet. */
export function createLeases(options: LeasesOptions): Leases {
  const leases = new LeasesOf(options);
  return { take: (request) => leases.take(request), close: () => leases.close() };
}

class LeasesOf {
  readonly #options: LeasesOptions;
  /** Those that calls are taken off, by account and route. */
  readonly #open = new Map<string, Block>();
  /** Being reserved, for calls that take so much; undefined in the end where it was. */
  readonly #opening = new Map<string, { readonly takes: bigint; readonly refused: Promise<LeaseOutcome | undefined> }>();
  #isClosing = false;
  /** All that are not settled. */
  readonly #blocks = new Set<Block>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  take(request: LeaseRequest): LeaseOutcome | Promise<LeaseOutcome> {
    const key = `${request.account} ${request.route}`;
    return this.#open.get(key)?.take(request.takes) ?? this.#takeLater(key, request);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled([...this.#opening.values()].map(({ refused }) => refused));
    await Promise.all([...this.#blocks].map((block) => block.close()));
  }

  async #takeLater(key: string, request: LeaseRequest): Promise<LeaseOutcome> {
    for (;;) {
      const opening = this.#opening.get(key) ?? this.#begin(key, request);
      const refused = await opening.refused;
      const taken = this.#open.get(key)?.take(request.takes);
      if (taken) return taken;
      // What was too much for another may be enough for this one.
      if (refused && request.takes >= opening.takes) return refused;
    }
  }

  #begin(key: string, request: LeaseRequest) {
    const refused = this.#reserve(key, request).finally(() => this.#opening.delete(key));
    const opening = { takes: request.takes, refused };
    this.#opening.set(key, opening);
    return opening;
  }

  /** Opens a block in the place of the one that does not do any more. */
  async #reserve(key: string, request: LeaseRequest): Promise<LeaseOutcome | undefined> {
    const { store, random, leaseSeconds } = this.#options;
    const { account, opens, takes, calls, service, route } = request;
    this.#open.get(key)?.retire();
    let units = takes * BigInt(calls);
    for (let attempt = 0; attempt < attempts; attempt++) {
      const reservation = toHex(random(16));
      const heldFromMs = this.#options.clock.nowMs();
      const outcome = await store.reserve({ reservation, debits: [{ account, units, opens: opens() }], leaseSeconds });
      if (outcome.kind === 'reserved') {
        const onOver = (over: Block) => {
          this.#blocks.delete(over);
          if (this.#open.get(key) === over) this.#open.delete(key);
        };
        const onRetired = (retired: Block) => {
          if (this.#open.get(key) === retired) this.#open.delete(key);
        };
        const onMoved = (tail: Block) => this.#blocks.add(tail);
        const beside = outcome.available[0] ?? 0n;
        const block = new Block(
          { ...this.#options, isClosing: () => this.#isClosing, onOver, onRetired, onMoved },
          { account, reservation, units, beside, service, route, heldFromMs },
        );
        this.#blocks.add(block);
        this.#open.set(key, block);
        return undefined;
      }
      const available = outcome.kind === 'insufficient' ? outcome.available : 0n;
      if (available >= takes) units = (available / takes) * takes;
      else if (!(await this.#flush(account))) break;
    }
    return { kind: 'insufficient', isUnderWay: await mayComeBack(store, account, takes) };
  }

  /** Settles what this process has reserved of an account and no call is under way with. False: there was none. */
  async #flush(account: string): Promise<boolean> {
    const idle = [...this.#blocks].filter((block) => block.account === account && block.isIdle());
    await Promise.all(idle.map((block) => block.close()));
    return idle.length > 0;
  }
}
