/**
 * Carries a sale on a Hono context: the handler's answer is sent when the sale is durable, kept where the client has left, replaced where
 * it cannot be. It decides nothing.
 */
import type { Context, Next } from 'hono';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { type Answer, isSafe, type RequestView } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import { absentSeconds, type Sale } from '../server/terms/Terms.ts';
import { followBody, readBounded, tapBody } from './webSale.ts';

/** What carrying needs. */
export type CarryContext = { readonly context: Context; readonly view: RequestView; readonly clock: Clock; readonly onTrouble: (error: unknown) => void };

/** Runs the handler under a sale: whatever it does, the sale ends. */
export async function carry(carried: CarryContext, sale: Sale, next: Next): Promise<undefined> {
  const { context, view, clock, onTrouble } = carried;
  let cancelAbsent = () => {};
  const giveUp = () => void sale.unanswered('client-left').catch(onTrouble);
  const left = () => {
    if (isSafe(view.method)) giveUp();
    else cancelAbsent = clock.after(absentSeconds * 1000, giveUp);
  };
  try {
    context.req.raw = tapBody(context.req.raw, sale.onBody);
    setHeader(context, 'idempotency-key', sale.idempotencyKey);
    const { signal } = context.req.raw;
    if (signal.aborted) left();
    else signal.addEventListener('abort', left, { once: true });
    await next();
    // Nobody answered: Hono says so itself, and nothing was sold.
    if (!context.finalized) throw new TypeError('the handler behind the paywall gave no answer');
  } catch (error) {
    cancelAbsent();
    await sale.unanswered('upstream').catch(onTrouble);
    throw error;
  }
  const handled = context.res;
  context.res = undefined;
  context.res = await settle(carried, handled, sale);
  cancelAbsent();
  return undefined;
}

/** What becomes of the handler's answer: sent when the sale is durable, kept where the client has left, replaced where it cannot be. */
async function settle({ context, view, clock, onTrouble }: CarryContext, handled: Response, sale: Sale): Promise<Response> {
  try {
    if (context.req.raw.signal.aborted) {
      if (isSafe(view.method)) await sale.unanswered('client-left');
      else await sale.absent(handled.status, await readBounded(handled));
      return new Response(null, { status: 499 });
    }
    const head = await sale.head(handled.status);
    if (head.kind === 'lost') return respond(context, view, Answers.refusal(Answers.inUse()));
    const headers = new Headers(handled.headers);
    for (const [name, value] of head.headers) headers.set(name, value);
    const init = { status: handled.status, statusText: handled.statusText, headers };
    // Hono drops the body of an answer to HEAD unread.
    if (view.method === 'HEAD') await handled.body?.cancel();
    return followBody(new Response(view.method === 'HEAD' ? null : handled.body, init), sale, clock, onTrouble);
  } catch (error) {
    onTrouble(error);
    // Nothing was sent: what can still be given back is given back, before its head or after.
    await sale.unanswered('upstream').catch(onTrouble);
    await sale.end('upstream-broke')?.catch(onTrouble);
    await handled.body?.cancel().catch(() => {});
    return respond(context, view, Answers.refusal(FareboxError.is(error, 'STORE_UNAVAILABLE') ? error : Answers.notWritten(error)));
  }
}

/** Sets a header of the request that the handler reads; where the runtime keeps requests as they came, on a copy. */
function setHeader(context: Context, name: string, value: string): void {
  try {
    context.req.raw.headers.set(name, value);
  } catch {
    const headers = new Headers(context.req.raw.headers);
    headers.set(name, value);
    context.req.raw = new Request(context.req.raw, { headers });
  }
}

/**
 * A whole answer. On Node a header that repeats is given to Node's own response, line by line, since web `Headers` join lines and two
 * clients read the first line alone; elsewhere they are joined.
 */
export function respond(context: Context, view: RequestView, answer: Answer): Response {
  const headers = new Headers();
  const { outgoing } = (context.env ?? {}) as { outgoing?: { setHeader?: (name: string, values: readonly string[]) => void } };
  for (const [name, value] of answer.headers) {
    const lines = answer.headers.filter(([other]) => other === name).map(([, line]) => line);
    if (lines.length > 1 && outgoing?.setHeader) outgoing.setHeader(name, lines);
    else headers.append(name, value);
  }
  return new Response(view.method === 'HEAD' || answer.body.length === 0 ? null : answer.body, { status: answer.status, headers });
}
