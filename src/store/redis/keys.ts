/**
 * What a store's keys are called in Redis. All begin with one prefix; none is ever given an expiry but an audit's, so that nothing is
 * forgotten by Redis' clock.
 *
 * | key | holds |
 * |---|---|
 * | `store` | whose keys these are: version and a name drawn at random |
 * | `book` | hash: the newest number, and the sums beside the ledger |
 * | `ledger`, `denials` | streams; an entry's id is its number, from one sequence |
 * | `claim:<key>`, `payment:<hash>`, `account:<name>`, `source:<name>`, `reservation:<name>` | cells: text that is only ever replaced where it is still what was looked at |
 * | `entries:<hash>` | hash: the names of a payment's entries, and their numbers |
 * | `payments` | list: every payment, as first seen |
 * | `accounts` | sorted set: every account, by name |
 * | `debits:<account>` | sorted set: the reservations that are over it, by name |
 * | `answer:<key>`, `counter:<key>` | an answer kept for a repetition; a counter |
 * | `denied` | hash: what is refused, its number and its expiry |
 * | `bookmarks` | hash: how far each reader has read |
 * | `expiring:<what>` | sorted sets: when each may be forgotten |
 * | `audits`, `audit:<name>` | audits under way, and what was written over since each began |
 */

/** The keys of one store. */
export type Keys = ReturnType<typeof createKeys>;

/** The names under a prefix such as `farebox:`. */
export function createKeys(prefix: string) {
  return {
    store: `${prefix}store`,
    /** Written and taken away when a connection is looked at. */
    trial: `${prefix}trial`,
    book: `${prefix}book`,
    ledger: `${prefix}ledger`,
    denials: `${prefix}denials`,
    denied: `${prefix}denied`,
    payments: `${prefix}payments`,
    bookmarks: `${prefix}bookmarks`,
    audits: `${prefix}audits`,
    audit: (name: string) => `${prefix}audit:${name}`,
    claim: (key: string) => `${prefix}claim:${key}`,
    answer: (key: string) => `${prefix}answer:${key}`,
    counter: (key: string) => `${prefix}counter:${key}`,
    payment: (paymentHash: string) => `${prefix}payment:${paymentHash}`,
    accounts: `${prefix}accounts`,
    account: (name: string) => `${prefix}account:${name}`,
    source: (name: string) => `${prefix}source:${name}`,
    reservation: (name: string) => `${prefix}reservation:${name}`,
    debits: (account: string) => `${prefix}debits:${account}`,
    entries: (paymentHash: string) => `${prefix}entries:${paymentHash}`,
    expiring: (what: 'claims' | 'answers' | 'counters' | 'reservations' | 'accounts' | 'sources' | 'denials') => `${prefix}expiring:${what}`,
  } as const;
}
