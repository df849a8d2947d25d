/**
 * How long each phase of a call may take. Whoever runs out of time hears which phase it was and what was paid; what was paid for is kept.
 *
 *     connect ─ first byte ─ (402) ─ pay ─ connect ─ first byte ─ idle ─ idle …
 */
import { type Clock, within } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { watchBody } from './answerBody.ts';
import type { Payment } from './Journal.ts';
import type { Fetch, Outgoing } from './Outgoing.ts';

/** Milliseconds each; a phase that is not named has no limit of ours. */
export type Timeouts = {
  /** Until a connection stands. It takes a `fetch` that can tell, such as that of `farebox/client/undici`; one that cannot is refused. */
  readonly connectMs?: number | undefined;
  /** From the decision to pay to the wallet's answer. The payment goes on by itself, and what comes of it is written down. */
  readonly payMs?: number | undefined;
  /** From sending a request, connecting and its body included, to the head of its answer; for each request of a call. */
  readonly firstByteMs?: number | undefined;
  /** While somebody waits for the next part of an answer. */
  readonly idleMs?: number | undefined;
};

/** A phase of a call. */
export type Phase = 'connect' | 'pay' | 'first-byte' | 'idle';

/** A `fetch` that can be made to give up where no connection comes about: it then throws an error whose cause has {@link connectTimeoutCode}. */
export type LimitedFetch = ((url: string, init?: RequestInit) => Promise<Response>) & { readonly withConnectLimit?: (ms: number) => LimitedFetch };

/** What undici says where a connection took too long. */
export const connectTimeoutCode = 'UND_ERR_CONNECT_TIMEOUT';

/**
 * Checks the limits.
 * @throws RangeError – not a whole number of milliseconds between 1 and a day
 */
export function readTimeouts(timeouts: Timeouts = {}): Timeouts {
  for (const [name, ms] of Object.entries(timeouts)) {
    if (!(['connectMs', 'payMs', 'firstByteMs', 'idleMs'] as const satisfies readonly (keyof Timeouts)[]).includes(name as keyof Timeouts))
      throw new TypeError(`timeouts.${name} is no limit: there are connectMs, payMs, firstByteMs and idleMs`);
    if (ms !== undefined && (!Number.isInteger(ms) || ms < 1 || ms > 86_400_000))
      throw new RangeError(`timeouts.${name} is a whole number of milliseconds between 1 and 86400000, not ${ms}`);
  }
  return timeouts;
}

/**
 * The `fetch` with a limit on connecting, where there is one.
 * @throws TypeError – this one cannot tell connecting from waiting
 */
export function limitConnecting(fetch: LimitedFetch, { connectMs }: Timeouts): Fetch {
  if (connectMs === undefined) return fetch;
  if (fetch.withConnectLimit) return fetch.withConnectLimit(connectMs);
  throw new TypeError(
    'timeouts.connectMs takes a fetch that can tell connecting from waiting: createUndiciFetch of farebox/client/undici. firstByteMs covers both',
  );
}

/** What a limit on one request needs of a client. */
type Limited = { readonly clock: Clock; readonly timeouts: Timeouts };

/** Sends a request for so long at most, and lets its answer stand still for so long at most. `payment`: whose credential it shows. */
export async function sendWithin(
  { clock, timeouts }: Limited,
  outgoing: Outgoing,
  payment: Payment | undefined,
  send: (signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  const { connectMs, firstByteMs, idleMs } = timeouts;
  let response: Response;
  try {
    const late = () => timedOut('first-byte', firstByteMs ?? 0, outgoing.url.host, payment);
    response = await (firstByteMs === undefined
      ? send(outgoing.signal)
      : within({ clock, ms: firstByteMs, late, signal: outgoing.signal, keepAlive: true }, send));
  } catch (error) {
    if (connectMs !== undefined && isConnectTimeout(error)) throw timedOut('connect', connectMs, outgoing.url.host, payment);
    throw error;
  }
  if (idleMs === undefined || !response.body) return response;
  const late = () => timedOut('idle', idleMs, outgoing.url.host, payment);
  return watchBody(response, response.body, { idle: { clock, ms: idleMs, late } }) ?? response;
}

/** A phase took too long, and nothing is lost by it. `payment`: whose credential was shown. */
export function timedOut(phase: Phase, limitMs: number, host: string, payment?: Payment): FareboxError {
  const what = `${words[phase]} within ${limitMs} ms (timeouts.${names[phase]}).`;
  const paid = payment ? `Payment ${payment.paymentHash} had been made, and its credential is kept: send the same request again.` : 'Nothing was paid.';
  const details = { phase, limitMs, host, ...(payment && { paymentHash: payment.paymentHash }) };
  return new FareboxError('REQUEST_TIMED_OUT', `${host} ${what} ${paid}`, { details });
}

const words: Readonly<Record<Phase, string>> = {
  connect: 'could not be connected to',
  'first-byte': 'did not begin to answer',
  idle: 'did not go on with its answer',
  pay: 'was not paid',
};

const names: Readonly<Record<Phase, keyof Timeouts>> = { connect: 'connectMs', 'first-byte': 'firstByteMs', idle: 'idleMs', pay: 'payMs' };

function isConnectTimeout(error: unknown): boolean {
  const codeOf = (value: unknown) => (typeof value === 'object' && value !== null && 'code' in value ? value.code : undefined);
  return codeOf(error) === connectTimeoutCode || (error instanceof Error && codeOf(error.cause) === connectTimeoutCode);
}
