/**
 * Refusals of admin as HTTP answers: RFC 9457 problems with our codes, as everywhere. What no buyer ever sees, an operator may.
 */
import { type Code, FareboxError } from '../../core/Errors.ts';
import * as Problem from '../../http/Problem.ts';

/** Statuses of codes that have none elsewhere. */
const statuses: { readonly [code in Code]?: number } = {
  ADMIN_CHANGE_CONFLICT: 409,
  ADMIN_FORBIDDEN: 403,
  ADMIN_ORIGIN_REFUSED: 403,
  ADMIN_TARGET_UNKNOWN: 404,
  ADMIN_UNAUTHORIZED: 401,
  CONFIG_INVALID: 422,
  CONFIG_FIXED: 409,
  KEYS_LOCKED: 503,
  STORE_LOCKED: 503,
};

const titles: { readonly [status: number]: string | undefined } = {
  401: 'Nobody that we know',
  403: 'Not allowed',
  409: 'Something else stands against it',
  422: 'The configuration would be wrong',
};

/** The status that an error is answered with. */
export function statusOf({ code, status }: FareboxError): number {
  return statuses[code] ?? (status === 0 ? 500 : status);
}

/** An error as an answer. What has no code is a fault of ours: nothing of it is said. */
export function answer(error: unknown): Response {
  const coded = FareboxError.is(error) ? error : undefined;
  const status = coded === undefined ? 500 : statusOf(coded);
  const retryAfter = coded?.details.retryAfterSeconds ?? (status === 503 ? 5 : undefined);
  const title = titles[status] ?? Problem.titleOf(status);
  const body =
    coded === undefined
      ? { type: 'about:blank', title, status, detail: 'Something went wrong here. The log of the gateway says what.' }
      : { type: Problem.typeOf(coded.code), title, status, detail: coded.message, code: coded.code, ...coded.details };
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(status === 401 && { 'WWW-Authenticate': 'Bearer realm="farebox admin"' }),
      ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
    },
  });
}

/** A call that is there, asked for with another method. */
export function wrongMethod(allowed: string): Response {
  const refused = answer(new FareboxError('REQUEST_MALFORMED', `Ask with ${allowed}.`));
  return new Response(refused.body, { status: 405, headers: { ...Object.fromEntries(refused.headers), Allow: allowed } });
}
