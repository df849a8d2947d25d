/**
 * What a request is to the paywall: a thin reading interface over what the runtime has already. Nothing is copied.
 */

/** An incoming HTTP request, as the paywall reads it. */
export type RequestView = {
  /** As received, such as `GET`. */
  readonly method: string;
  /** The request target as received: path and query, or an absolute form. */
  readonly target: string;
  /** Whether the client speaks TLS, as far as that is known here. */
  readonly isSecure?: boolean;
  /** The client's address, behind trusted proxies only; rate limits are counted on it. */
  readonly clientAddress: string;
  /** A header's value, by its lower-case name; of several lines all, joined by `, `, as a server behind reads them. */
  readonly header: (name: string) => string | undefined;
  /** Every line of a header in order, by its lower-case name; Node's joined `headers` drops all but the first `Authorization`. */
  readonly headerLines: (name: string) => readonly string[];
  /** The whole body, at most `limit` bytes (undefined where it is longer), leaving it to be read again. Called in rare cases only. */
  readonly readBody: (limit: number) => Promise<Uint8Array | undefined>;
};

/** A whole answer, ready to be sent. Header names are in their canonical case and may repeat. */
export type Answer = {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
  /** What it refuses, for protocols that say so in other words than a body. */
  readonly problem?: { readonly code: string; readonly detail: string };
};

/** Whether a method asks for nothing but an answer, so that giving up on it half-way does no harm. @see RFC 9110, section 9.2.1 */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE';
}
