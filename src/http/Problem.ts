/**
 * Refusals as HTTP answers: RFC 9457 problem bodies with a stable code.
 *
 * @see RFC 9457, section 3; docs/errors.md
 */
import type { FareboxError } from '../core/Errors.ts';
import type { Answer } from './RequestView.ts';

/** What every `type` begins with; the code follows in lower case, with dashes. */
const typeBase = 'urn:farebox:error:';

/** A few words for a status. */
const titles: { readonly [status: number]: string | undefined } = {
  400: 'Bad request',
  401: 'Invalid credential',
  402: 'Payment required',
  403: 'Outside what the credential allows',
  404: 'Not found',
  409: 'Credential in use',
  413: 'Content too large',
  422: 'Another request under the same key',
  429: 'Too many requests',
  502: 'Bad gateway',
  503: 'Service unavailable',
  504: 'Gateway timeout',
};

/** A few words for a status, such as `Payment required`. */
export function titleOf(status: number): string {
  return titles[status] ?? (status < 500 ? 'Request refused' : 'Server error');
}

/** The `type` of a problem with this code. */
export function typeOf(code: string): string {
  return typeBase + code.toLowerCase().replaceAll('_', '-');
}

/**
 * An answer that says what was refused and why. Only what is safe for a stranger enters it: code, message and details, never the cause.
 * @param headers - set besides `Content-Type` and `Cache-Control: no-store`
 */
export function answer(error: FareboxError, headers: Answer['headers'] = []): Answer {
  const status = error.status === 0 ? 500 : error.status;
  const body = { type: typeOf(error.code), title: titleOf(status), status, detail: error.message, code: error.code, ...error.details };
  return {
    status,
    headers: [...headers, ['Content-Type', 'application/problem+json'], ['Cache-Control', 'no-store']],
    body: `${JSON.stringify(body)}\n`,
    problem: { code: error.code, detail: error.message },
  };
}
