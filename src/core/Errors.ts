/**
 * The one error that Farebox throws when the world says no, and every code it may carry.
 *
 * Wrong code (a caller's mistake) throws `TypeError` or `RangeError` instead; outcomes that are expected are values.
 * Each code stands in `docs/errors.md`; `npm run check` keeps the two equal.
 */

/** Codes that an HTTP client may see, and the status of the answer. */
const answered = {
  ADAPTER_BODY_UNREADABLE: 500,
  AMOUNT_MALFORMED: 400,
  APPROVAL_REFUSED: 403,
  CARVE_REFUSED: 403,
  CAVEAT_MALFORMED: 401,
  CREDENTIAL_EXPIRED: 402,
  CREDENTIAL_IN_USE: 409,
  CREDENTIAL_MALFORMED: 401,
  CREDENTIAL_NARROWED: 403,
  CREDENTIAL_REVOKED: 402,
  CREDENTIAL_TAMPERED: 401,
  CREDENTIAL_UNKNOWN_KEY: 402,
  CREDENTIAL_UNPAID: 401,
  CREDENTIAL_UNSETTLED: 402,
  CREDENTIAL_USED: 402,
  CREDENTIAL_WRONG_SERVICE: 402,
  IDEMPOTENCY_CONFLICT: 422,
  IDENTIFIER_MALFORMED: 401,
  KEYS_REVOKED: 503,
  LIGHTNING_UNAVAILABLE: 503,
  LIGHTNING_UNAUTHORIZED: 503,
  MACAROON_MALFORMED: 401,
  PAYMENT_PENDING: 503,
  PAYMENT_REQUIRED: 402,
  PREIMAGE_MALFORMED: 401,
  PRICE_UNKNOWN: 503,
  RATE_LIMITED: 429,
  REQUEST_BODY_TOO_LARGE: 413,
  REQUEST_MALFORMED: 400,
  REQUEST_TOO_DEAR: 403,
  REQUEST_UNSUPPORTED: 501,
  ROUTE_DISABLED: 503,
  ROUTE_UNKNOWN: 404,
  SANDBOX_UNAVAILABLE: 503,
  STORE_UNAVAILABLE: 503,
  TOPUP_REFUSED: 403,
  UPSTREAM_AWAY: 503,
  UPSTREAM_BUSY: 503,
  UPSTREAM_MALFORMED: 502,
  UPSTREAM_TIMEOUT: 504,
  UPSTREAM_UNREACHABLE: 502,
} as const satisfies Record<string, number>;

/** Codes that no buyer ever sees over HTTP (an operator may: admin has statuses of its own): an error finds out by what is not in the other table, so that a page that buys need not load this one. */
const unanswered = {
  ADDRESS_REFUSED: 0,
  ADMIN_CHANGE_CONFLICT: 0,
  ADMIN_FORBIDDEN: 0,
  ADMIN_ORIGIN_REFUSED: 0,
  ADMIN_TARGET_UNKNOWN: 0,
  ADMIN_UNAUTHORIZED: 0,
  ANSWER_MISSING: 0,
  BOOKS_UNBALANCED: 0,
  BUDGET_EXCEEDED: 0,
  BUDGET_HOST_DENIED: 0,
  CHALLENGE_MALFORMED: 0,
  CHALLENGE_REFUSED: 0,
  CONFIG_FIXED: 0,
  CONFIG_INVALID: 0,
  CONSENT_REFUSED: 0,
  EXPORT_MALFORMED: 0,
  IMPORT_MALFORMED: 0,
  INPUT_MALFORMED: 0,
  INVOICE_EXPIRED: 0,
  INVOICE_MALFORMED: 0,
  INVOICE_UNKNOWN: 0,
  JOURNAL_CONFLICT: 0,
  KEYS_INVALID: 0,
  KEYS_LOCKED: 0,
  PAYMENT_FAILED: 0,
  PAYMENT_INTERRUPTED: 0,
  PAYMENT_NOT_HONOURED: 0,
  PAYMENT_TOO_LARGE: 0,
  PAYMENT_TOO_SMALL: 0,
  PAYMENT_UNFUNDED: 0,
  PAYMENT_UNKNOWN: 0,
  PAYMENT_UNROUTABLE: 0,
  PROVIDERS_EXHAUSTED: 0,
  RECEIPT_MALFORMED: 0,
  REQUEST_ABORTED: 0,
  REQUEST_FAILED: 0,
  REQUEST_TIMED_OUT: 0,
  REQUEST_UNREPEATABLE: 0,
  STORE_LOCKED: 0,
  STORE_NOT_EMPTY: 0,
  STORE_VERSION: 0,
  WEBHOOK_FAILED: 0,
} as const satisfies Record<string, 0>;

/** Code → HTTP status that a server answers with when this error ends a request (`0`: never seen by an HTTP client). */
export const codes = /* @__PURE__ */ Object.assign({}, answered, unanswered);

const statuses: { readonly [code: string]: number | undefined } = answered;

/** A stable error code, `NOUN_STATE`. */
export type Code = keyof typeof codes;

/** Facts that are safe to show a stranger; never a secret, numbers of money as text with their unit. */
export type Details = { readonly [name: string]: string | number | boolean | readonly string[] };

/**
 * The world said no.
 *
 * @example
 * try { Amount.parse('10') } catch (error) { if (FareboxError.is(error, 'AMOUNT_MALFORMED')) console.error(error.message) }
 */
export class FareboxError extends Error {
  override readonly name = 'FareboxError';
  /** Stable, documented in `docs/errors.md`. */
  readonly code: Code;
  /** HTTP status for a server to answer with; `0` where an HTTP client never sees the error. */
  readonly status: number;
  /** Safe to show a stranger. */
  readonly details: Details;

  /**
   * @param code - one of {@link codes}
   * @param message - what happened, the value (a secret as its first 8 digits at most) and what to do
   * @param options - `details` are safe to show; `cause` is for logs and is never shown
   */
  constructor(code: Code, message: string, options: { details?: Details; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = statuses[code] ?? 0;
    this.details = options.details ?? {};
  }

  /** Whether `error` is a FareboxError, and, where codes are named, carries one of them. */
  static is(error: unknown, ...wanted: readonly Code[]): error is FareboxError {
    return error instanceof FareboxError && (wanted.length === 0 || wanted.includes(error.code));
  }
}
