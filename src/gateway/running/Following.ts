/**
 * What one of several processes does for all: writes down what arrives in wallets, and tells webhooks.
 */
import type { Clock, Random } from '../../core/Clock.ts';
import type { Events } from '../../server/Events.ts';
import { followSettlements, type Settlements, type SettlementsOptions } from '../../server/Settlements.ts';
import type { Store } from '../../store/Store.ts';
import type { Gateway } from '../Gateway.ts';
import { type ReadyWebhook, startWebhooks } from '../webhooks/startWebhooks.ts';

/** What it needs of the gateway. */
export type FollowingOptions = Pick<SettlementsOptions, 'wallets' | 'soldAs'> & {
  readonly hooks: readonly ReadyWebhook[];
  readonly store: Store | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  /** Told of what goes wrong, by what it is about. */
  readonly trouble: (what: string) => (error: unknown) => void;
};

type Followed = Pick<Settlements, 'close'>;

/** Begins at once. */
export function beginFollowing({ wallets, hooks, store, clock, random, events, soldAs, trouble }: FollowingOptions): readonly Followed[] {
  const settlements = followSettlements({
    wallets,
    store,
    clock,
    soldAs,
    onSettled: (settled) => events.emit({ at: clock.nowMs(), kind: 'settled', ...settled }),
    onTrouble: trouble('following what arrives'),
  });
  if (store === undefined || hooks.length === 0) return [settlements];
  return [settlements, startWebhooks(hooks, { store, clock, random, events, onTrouble: trouble('a webhook') })];
}

/** Follows from when it is told to, until it is told not to. */
export function createFollowing(begin: () => readonly Followed[]): Pick<Gateway, 'follow' | 'unfollow'> {
  let followed: readonly Followed[] | undefined;
  return {
    follow: () => {
      followed ??= begin();
    },
    unfollow: async () => {
      const before = followed ?? [];
      followed = undefined;
      await Promise.all(before.map(({ close }) => close()));
    },
  };
}
