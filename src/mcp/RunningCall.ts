/**
 * One call of a paid tool on its way: what was sold with it, and how that ends.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import type { RequestId } from '@modelcontextprotocol/sdk/types.js';
import { FareboxError } from '../core/Errors.ts';
import type { Timer } from '../core/TimerWheel.ts';
import type { Answer } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import type { Principal } from '../server/Offer.ts';
import { absentSeconds, maxKeptAnswerBytes, type Sale } from '../server/terms/Terms.ts';
import * as Messages from './Messages.ts';
import { kept, type Till } from './Till.ts';
import * as ToolAnswers from './ToolAnswers.ts';

/** With what a call was let through. */
export type LetThrough = { readonly principal: Principal | undefined; readonly headers: Answer['headers']; readonly manner: ToolAnswers.Manner };

/** What is sent to the client. */
export type Settled = Pick<Messages.Response, 'result' | 'error'>;

/** See the head of this file. */
export class RunningCall {
  readonly clientId: RequestId;
  /** What the server knows it by, once it has it. */
  serverId: RequestId | undefined;
  /** Nobody waits for it any more. */
  isOver = false;
  readonly #till: Till;
  #sale: Sale | undefined;
  #let: LetThrough = { principal: undefined, headers: [], manner: { isStructured: true, takesArgument: true } };
  #hasLeft = false;
  #timer: Timer | undefined;

  constructor(clientId: RequestId, till: Till) {
    this.clientId = clientId;
    this.#till = till;
  }

  get manner(): ToolAnswers.Manner {
    return this.#let.manner;
  }

  go(through: LetThrough): void {
    this.#let = through;
  }

  follow(sale: Sale): void {
    this.#sale = sale;
  }

  /** Calls `late` where it takes longer. */
  within(ms: number, late: () => void): void {
    this.stopWaiting();
    this.#timer = this.#till.timers.after(ms, { onTimer: late });
  }

  stopWaiting(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Its client is gone, and may come back: what the tool answers is kept for it, for a while. */
  leave(giveUp: () => void): void {
    this.#hasLeft = true;
    this.within(absentSeconds * 1000, giveUp);
  }

  /** Nothing was served. */
  async givenBack(why: 'client-left' | 'upstream'): Promise<void> {
    await this.#sale?.unanswered(why);
  }

  async delivered(): Promise<void> {
    await this.#sale?.end('delivered');
  }

  async undelivered(): Promise<void> {
    await this.#sale?.end('client-left');
  }

  /** What becomes of the server's answer. Charged, durably, before it is handed on. */
  async settle(response: Messages.Response): Promise<Settled> {
    const result = response.result as ToolAnswers.ToolResult | undefined;
    const status = statusOf(response);
    try {
      if (this.#sale === undefined) return result === undefined || status >= 400 ? settledAs(response) : { result: this.#receipt(result, this.#let.headers) };
      if (this.#hasLeft) {
        const answer = result && kept(result);
        await this.#sale.absent(status, answer && answer.body.length <= maxKeptAnswerBytes ? answer : undefined);
        return settledAs(response);
      }
      const head = await this.#sale.head(status);
      if (head.kind === 'lost') return { result: ToolAnswers.failure(Answers.inUse(), this.manner) };
      return result === undefined ? settledAs(response) : { result: this.#receipt(result, head.headers) };
    } catch (error) {
      this.#till.onTrouble('a call of a tool', error);
      // Nothing was sent: what can still be given back is given back, before it was charged or after.
      await this.#sale?.unanswered('upstream').catch(() => {});
      await this.#sale?.end('upstream-broke')?.catch(() => {});
      return { result: ToolAnswers.failure(FareboxError.is(error, 'STORE_UNAVAILABLE') ? error : Answers.notWritten(error), this.manner) };
    }
  }

  #receipt(result: ToolAnswers.ToolResult, headers: Answer['headers']): ToolAnswers.ToolResult {
    return ToolAnswers.withReceipt(result, headers, this.#let.principal, this.#till.clock);
  }
}

function settledAs({ result, error }: Messages.Response): Settled {
  return error === undefined ? { result: result ?? {} } : { error };
}

/**
 * What an answer would be over HTTP. A tool that says it failed may have been made to by its caller, so that this gives a use back as often as a request that
 * is wrong does; an error of the protocol's is the server's own, but for one that says the arguments are wrong.
 */
function statusOf({ result, error }: Messages.Response): number {
  if (error !== undefined) return error.code === Messages.errorCodes.invalidParams ? 422 : 502;
  return (result as { readonly isError?: unknown } | undefined)?.isError === true ? 422 : 200;
}
