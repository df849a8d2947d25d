/**
 * What was handed on of a token, and who has spent what of it: a tree, read from the books of a store.
 *
 * A part is there once something was asked for with it. Its name is a digest, and no way to use it.
 */
import { FareboxError } from '../core/Errors.ts';
import type { AccountStanding, PaymentStanding } from '../store/Standing.ts';
import type { Store } from '../store/Store.ts';
import * as Delegation from './terms/Delegation.ts';

/** Whose tree. */
export type Wanted =
  /** `account`: of a balance. `given`: the name of what was given, where it is a part. */
  | { readonly kind: 'token'; readonly account: string; readonly tokenId: string; readonly given: string | undefined }
  | { readonly kind: 'payment'; readonly paymentHash: string };

/** The whole, or a part. */
export type Node = {
  /** The account's name, or the id of a token that has none. */
  readonly name: string;
  /** The part or the whole that it was handed on of; undefined of the whole. */
  readonly above: string | undefined;
  /** `credit` or `bucket` for a balance, `pass` for what is not counted as a whole, `part`; `carved` for one that was carved out of the whole. */
  readonly kind: 'credit' | 'bucket' | 'pass' | 'part' | 'carved';
  /** Requests or units; or millisatoshi. */
  readonly unit: 'uses' | 'msat';
  /** Undefined of what is not counted as a whole. */
  readonly counted: { readonly units: bigint; readonly spent: bigint; readonly reserved: bigint } | undefined;
  readonly topUps: number;
  readonly isRevoked: boolean;
  /** 0 for the whole. */
  readonly depth: number;
};

/**
 * Reads a tree: the whole first, each part behind what it is a part of. Everything is of one moment.
 * @throws CONFIG_INVALID – the payment bought no balance that is known here
 * @throws STORE_UNAVAILABLE – the store could not be read
 */
export async function read(store: Store, wanted: Wanted): Promise<readonly Node[]> {
  const { denials } = await store.denials();
  const denied = new Set(denials.filter(({ kind }) => kind === 'part' || kind === 'token').map(({ value }) => value));
  const found = await find(store, wanted);
  const { root, standing } = found;
  const [whole = ''] = root;
  const top: Node = {
    name: whole,
    above: undefined,
    kind: standing === undefined ? 'pass' : found.kind,
    unit: standing !== undefined && found.kind === 'credit' ? 'msat' : 'uses',
    counted: standing?.balance,
    topUps: Math.max(0, (standing?.sources.length ?? 0) - 1),
    isRevoked: wanted.kind === 'token' && denied.has(wanted.tokenId),
    depth: 0,
  };
  const nodes = [top];
  const add = (above: string, depth: number) => {
    for (const { place, balance } of found.below.get(above) ?? []) {
      const unit = place.unit === 'carved' ? top.unit : place.unit;
      nodes.push({
        name: place.part,
        above,
        kind: place.unit === 'carved' ? 'carved' : 'part',
        unit,
        counted: balance,
        topUps: 0,
        isRevoked: denied.has(place.part),
        depth,
      });
      add(place.part, depth + 1);
    }
  };
  for (const name of root) add(name, 1);
  return nodes;
}

type Below = { readonly place: Delegation.Place; readonly balance: AccountStanding['balance'] };

type Found = {
  /** What the first parts name as the whole; its own name first. */
  readonly root: readonly string[];
  readonly kind: 'credit' | 'bucket';
  /** Undefined where it has no account. */
  readonly standing: AccountStanding | undefined;
  /** Parts by what they were handed on of. */
  readonly below: ReadonlyMap<string, readonly Below[]>;
};

/** One walk through the books: payments come before accounts, so that it is known by then which account is the whole. */
async function find(store: Store, wanted: Wanted): Promise<Found> {
  let account = wanted.kind === 'token' ? wanted.account : undefined;
  let kind: Found['kind'] = 'bucket';
  let standing: AccountStanding | undefined;
  const below = new Map<string, Below[]>();
  for await (const one of store.audit()) {
    if (one.kind === 'payment') {
      if (wanted.kind === 'payment' && one.paymentHash === wanted.paymentHash) account = one.credits[0]?.account;
      if (account !== undefined && one.credits.some((credit) => credit.account === account)) kind = kindOf(one) ?? kind;
    } else if (one.kind === 'account') {
      // What nothing was put into counts the parts of a pass, and is no balance.
      if (one.account === account && one.balance?.units !== 0n) standing = one;
      const [place] = one.sources.flatMap((source) => Delegation.read(source) ?? []);
      if (place) below.set(place.above, [...(below.get(place.above) ?? []), { place, balance: one.balance }]);
    }
  }
  if (account === undefined) throw new FareboxError('CONFIG_INVALID', 'That payment has no balance here. Name a token that it bought.');
  if (wanted.kind === 'payment') return { root: [account], kind, standing, below };
  return { root: standing === undefined ? [wanted.tokenId, account] : [account], kind, standing, below };
}

/** What the ledger says that a payment was received for. */
function kindOf({ entries }: PaymentStanding): Found['kind'] | undefined {
  const note = entries.find((entry) => entry.kind === 'received')?.note ?? '';
  return /^(credit|bucket)(-topup)?$/.exec(note)?.[1] as Found['kind'] | undefined;
}
