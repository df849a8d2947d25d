/**
 * Refusals in gRPC's own words. A call hears of everything that becomes of it by a status of gRPC's, in an answer of HTTP that is always a 200:
 *
 *     :status 200 · content-type: application/grpc · grpc-status: 13 · grpc-message: payment required · www-authenticate: …
 *
 * all of it in one block of headers, which ends the stream ("trailers-only").
 *
 * @see gRPC over HTTP2, "Responses"; docs/wire.md, "The challenge a server sends" (gRPC)
 */
import { linesOf } from './NodeRequest.ts';
import type { Answer } from './RequestView.ts';

/** Statuses of gRPC that are told apart here. */
export const code = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/**
 * What an answer of ours is over gRPC. 13 is for payments alone; what can be sent again later is 14, as libraries that try again by themselves
 * expect it.
 */
const codes: { readonly [status: number]: number | undefined } = {
  400: code.invalidArgument,
  401: code.unauthenticated,
  402: code.internal,
  403: code.permissionDenied,
  404: code.unimplemented,
  405: code.unimplemented,
  409: code.unavailable,
  413: code.resourceExhausted,
  422: code.failedPrecondition,
  429: code.resourceExhausted,
  431: code.resourceExhausted,
  501: code.unimplemented,
  502: code.unavailable,
  503: code.unavailable,
  504: code.deadlineExceeded,
};

/** Whether headers are those of a call: a POST over HTTP/2 with a body of gRPC's. gRPC-Web is another protocol, which browsers speak. */
export function isCall(version: string, method: string, rawHeaders: readonly string[]): boolean {
  return version === '2' && method === 'POST' && isMessages(linesOf(rawHeaders, 'content-type')[0]);
}

/** Whether a content type is that of gRPC's messages: `application/grpc`, `application/grpc+proto`. */
export function isMessages(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:$|[+;\s])/i.test(contentType);
}

/** The status among headers or trailers; undefined where none stands there, or none that can be read. */
export function statusOf(lines: readonly string[]): number | undefined {
  const [value, ...others] = linesOf(lines, 'grpc-status');
  return value !== undefined && others.length === 0 && /^\d{1,3}$/.test(value) ? Number(value) : undefined;
}

/** The status that says what an answer of ours says. */
export function statusFor(httpStatus: number): number {
  return codes[httpStatus] ?? (httpStatus < 400 ? code.ok : httpStatus < 500 ? code.failedPrecondition : code.unknown);
}

/** A text as `grpc-message` takes it: printable ASCII as it is but for the percent sign, every other byte of its UTF-8 by number. */
export function formatMessage(text: string): string {
  let message = '';
  for (const byte of new TextEncoder().encode(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    message += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return message;
}

/** An answer of ours as a call hears it: its headers as metadata, its code as `farebox-error`, its text as the message. */
export function answerOf({ status, headers, problem }: Answer): Answer {
  const text = status === 402 ? paymentRequired : (problem?.detail ?? '');
  const metadata = headers.filter(([name]) => !ofBody.has(name.toLowerCase()));
  return {
    status: 200,
    headers: [
      ['Content-Type', 'application/grpc'],
      ['Grpc-Status', String(statusFor(status))],
      ...(text === '' ? [] : [['Grpc-Message', formatMessage(text)] as const]),
      ...(problem === undefined ? [] : [['Farebox-Error', problem.code] as const]),
      ...metadata,
    ],
    body: '',
  };
}

/** By which every client of gRPC that pays knows what is asked of it. */
const paymentRequired = 'payment required';

/** Of a body that a call does not get, and of browsers. */
const ofBody: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'cache-control',
  'access-control-expose-headers',
  'access-control-allow-origin',
]);
