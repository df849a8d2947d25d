/**
 * Methods of Core Lightning over `clnrest`: `POST /v1/<method>`, named parameters in, the method's answer or its error out.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { Api } from '../Api.ts';
import { refusal, saidIn } from '../Api.ts';
import { Reading } from '../Reading.ts';

/** The product's name, as messages say it. */
export const product = 'Core Lightning';

/** One call of a method. */
export type Method = {
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
};

/** What a method answered, or the error that it ended with: its number, and its words. */
export type Answer = { readonly kind: 'result'; readonly result: Reading } | { readonly kind: 'error'; readonly code: number; readonly message: string };

/** Calls a method. @throws LIGHTNING_UNAVAILABLE, LIGHTNING_UNAUTHORIZED – the rune does not let us */
export async function ask(api: Api, { name, parameters, signal, timeoutMs }: Method): Promise<Answer> {
  const bound = timeoutMs === undefined ? {} : { timeoutMs };
  const reply = await api.call({ method: 'POST', path: `/v1/${name}`, body: parameters, signal, isRepeatable: name !== 'pay', ...bound });
  // 201 is what it answers; 200 is what one would expect it to.
  if (reply.status === 201 || reply.status === 200) return { kind: 'result', result: new Reading(product, reply.body) };
  const code = typeof reply.body === 'object' && reply.body !== null && 'code' in reply.body ? Number(reply.body.code) : Number.NaN;
  // Runes have errors of their own, whatever status they come with.
  if (code >= 1501 && code <= 1503)
    throw new FareboxError('LIGHTNING_UNAUTHORIZED', `Core Lightning does not let us do this: ${saidIn(reply.body) ?? code}. Create a rune that may.`);
  if (Number.isInteger(code)) return { kind: 'error', code, message: saidIn(reply.body) ?? `error ${code}` };
  throw refusal(product, reply);
}

/** The answer of a method that has none but a result. @throws LIGHTNING_UNAVAILABLE – it ended with an error */
export async function need(api: Api, method: Method): Promise<Reading> {
  const answer = await ask(api, method);
  if (answer.kind === 'result') return answer.result;
  throw new FareboxError('LIGHTNING_UNAVAILABLE', `Core Lightning cannot do ${method.name}: ${answer.message.replace(/\.$/, '')}.`);
}
