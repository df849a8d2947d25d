/**
 * Why a call did not work, in words that also say what was paid, and the exit code that goes with it.
 */
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import { Ended, type ExitCode, exitCodeOf } from '../exit.ts';
import { printable } from '../Terminal.ts';
import type { MoneySeen } from './CallEvent.ts';
import { inWordsOfTheCommand, type LimitOptions } from './Paying.ts';

/** A body that broke off after so many bytes. */
export class BodyBroken extends Error {
  /** What is there, and how to go on. */
  readonly state: string;

  constructor(state: string, options: ErrorOptions) {
    super(state, options);
    this.name = 'BodyBroken';
    this.state = state;
  }
}

/** What a call was cut short by. */
export type Circumstances = {
  readonly host: string;
  /** Somebody ended the command. */
  readonly isStopped: boolean;
  /** It took longer than this; undefined where it did not. */
  readonly lateMs: number | undefined;
  readonly money: MoneySeen;
  readonly options: LimitOptions;
};

/** A failure as it is said and as it ends the command. */
export type Failure = { readonly exitCode: ExitCode; readonly code: string; readonly message: string };

/** Puts what was thrown into words; undefined where it is a mistake of ours, which is thrown on. */
export function failureOf(error: unknown, { host, isStopped, lateMs, money, options }: Circumstances): Failure | undefined {
  const paid = paidWords(money);
  const state = error instanceof BodyBroken ? `${error.state} ` : '';
  const unanswered = (code: string, message: string): Failure => ({ exitCode: money.paid || money.open ? 5 : 7, code, message: `${message} ${state}${paid}` });
  if (isStopped) return { exitCode: 130, code: 'stopped', message: `Stopped before ${host} had answered whole. ${state}${paid}` };
  if (lateMs !== undefined) return unanswered('timeout', `${host} has not answered whole within ${lateMs / 1000} s.`);
  if (error instanceof BodyBroken) return unanswered('broken', `The answer of ${host} broke off.`);
  if (error instanceof Ended) return { exitCode: error.exitCode, code: error.label, message: error.message };
  if (FareboxError.is(error)) {
    const said = inWordsOfTheCommand(error, options);
    const message = (said instanceof Error ? said.message : error.message).replaceAll('timeouts.connectMs', '--connect-timeout');
    const exitCode = exitCodeOf(error);
    // A refusal says that nothing was paid for it, and something may have been paid on the way there.
    const before = exitCode === 3 && money.paid ? ` Before that: ${paid}` : '';
    // A message may repeat what a server or a wallet has said.
    return { exitCode, code: error.code, message: `${printable(message)}${before}` };
  }
  const reason = error instanceof TypeError ? reasonOf(error) : undefined;
  return reason === undefined ? undefined : unanswered('unreachable', `${host} cannot be asked: ${reason}.`);
}

/** What was paid, so far as is known. */
export function paidWords({ paid, open }: MoneySeen): string {
  const money = (msat: bigint) => Amount.format(Amount.fromMsat(msat));
  if (open) {
    return `Payment ${open.paymentHash.slice(0, 16)} of ${money(open.amountMsat)} is under way, and how it ends is not known yet: the same command again looks it up, and does not pay it twice.`;
  }
  if (paid) {
    return `Paid ${money(paid.amountMsat)} and a fee of ${money(paid.feeMsat)} (payment ${paid.paymentHash.slice(0, 16)}). The credential is kept: the same command again shows it, and pays nothing.`;
  }
  return 'Nothing was paid.';
}

/** Why `fetch` could not; undefined where that is no matter of the network. */
function reasonOf(error: TypeError): string | undefined {
  const cause = error.cause as { readonly code?: unknown; readonly message?: unknown } | undefined;
  const { code } = cause ?? {};
  if (typeof code === 'string') return words[code] ?? printable(`${String(cause?.message ?? '')} (${code})`.trim());
  if (!/^fetch failed|terminated/.test(error.message)) return undefined;
  return printable(typeof cause?.message === 'string' ? cause.message : error.message.replace(/^fetch failed: /, ''));
}

const words: { readonly [code: string]: string } = {
  ECONNREFUSED: 'nobody listens there (connection refused)',
  ECONNRESET: 'it broke the connection',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'its name could not be looked up just now',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came about in time',
  UND_ERR_SOCKET: 'it broke the connection',
  UND_ERR_HEADERS_TIMEOUT: 'it sent no answer in time',
};
