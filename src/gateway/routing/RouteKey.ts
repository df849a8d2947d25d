/**
 * A route's address: what a request must be to belong to it.
 */

/** See the head of this file. */
export type RouteKey = {
  /** Lower case, without a port; `*.example.com` for one label before it. Undefined matches every host. */
  readonly host: string | undefined;
  /** In normal form: an exact path, a prefix that ends in `/*` (everything below it, and not the prefix itself), either with `{}` for segments, or `regex:` and an expression. */
  readonly pattern: string;
  /** Upper case; `GET` takes `HEAD` in. Undefined matches every method. */
  readonly methods: readonly string[] | undefined;
  /** Each of these headers has this very value. By lower-case name, in the names' order. Default: whatever they say. */
  readonly headers?: readonly HeaderCondition[] | undefined;
  /** Of two routes that match, the one with the higher number. Default: 0; of two alike, the more specific one. */
  readonly priority?: number | undefined;
};

/** A header's lower-case name, and the value it must have. */
export type HeaderCondition = readonly [name: string, value: string];

/** Whether two routes ask the same of headers. */
export function sameHeaders(one: RouteKey['headers'], other: RouteKey['headers']): boolean {
  return JSON.stringify(one ?? []) === JSON.stringify(other ?? []);
}
