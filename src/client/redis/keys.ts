/**
 * What a client store's keys are called in Redis. All begin with one prefix, so that with a hash tag in it they share a slot.
 *
 * | key | holds |
 * |---|---|
 * | `store` | whose keys these are: version, a name drawn at random, and which key seals its secrets |
 * | `revision` | how often anything was written: a decision is written only where it is still what was decided on |
 * | `payments` | hash: every payment as JSON, by payment hash |
 * | `order` | sorted set: every payment hash, by age; `created`: by the second in which its money was set aside |
 * | `reserved`, `open:<origin>`, `usable:<origin>`, `under-way:<resource>` | sorted sets of payment hashes, by age |
 * | `sums` | hash: what is held and spent all in all, and why spending has stopped |
 * | `counters`, `budgets` | hashes: counters by key, standing budgets by name |
 */

/** The keys of one store. */
export type Keys = ReturnType<typeof createKeys>;

/** The names under a prefix such as `{farebox-client}:`. */
export function createKeys(prefix: string) {
  return {
    store: `${prefix}store`,
    revision: `${prefix}revision`,
    payments: `${prefix}payments`,
    order: `${prefix}order`,
    created: `${prefix}created`,
    reserved: `${prefix}reserved`,
    open: (origin: string) => `${prefix}open:${origin}`,
    usable: (origin: string) => `${prefix}usable:${origin}`,
    underWay: (resource: string) => `${prefix}under-way:${resource}`,
    sums: `${prefix}sums`,
    counters: `${prefix}counters`,
    budgets: `${prefix}budgets`,
  } as const;
}
