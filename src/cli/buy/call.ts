/**
 * One call of `farebox get`: asks, pays where that is allowed, and brings the answer to where it belongs.
 */

import { shown } from '../../client/Client.ts';
import { paymentOf, type ResponsePayment } from '../../client/index.ts';
import { systemClock, wait } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { CliContext } from '../Context.ts';
import { type ExitCode, exitCodeOf } from '../exit.ts';
import { printable } from '../Terminal.ts';
import { type CallEvent, type MoneySeen, moneyIn, type TimedEvent } from './CallEvent.ts';
import * as Download from './Download.ts';
import { type Answer, deliver, note } from './deliver.ts';
import { type Failure, failureOf } from './failure.ts';
import type { Slot } from './OrderedOutput.ts';
import { sizeOf, type Track } from './Progress.ts';
import type { Purse } from './Purse.ts';
import type { AskedRequest } from './RequestOptions.ts';
import { clientSending, keepingCredential, keepingOffer, type Send, sendingWithin, showing } from './wire.ts';

/** What all calls of a command share. */
export type Desk = {
  readonly context: CliContext;
  readonly purse: Purse;
  readonly request: AskedRequest;
  readonly manner: Manner;
  /** Told of everything that happens. */
  readonly onEvent: (timed: TimedEvent) => void;
};

/** How calls are made and what is said of them. */
export type Manner = {
  readonly paysNothing: boolean;
  readonly fails: boolean;
  readonly resumes: boolean;
  readonly includesHead: boolean;
  readonly isVerbose: boolean;
  /** Nothing is said but what went wrong. */
  readonly isSilent: boolean;
  /** Standard error has events, and nothing else. */
  readonly isLogged: boolean;
  readonly keepsCredential: boolean;
};

/** What is asked, and where the answer goes. */
export type Call = {
  /** From 1, in the order of the addresses. */
  readonly number: number;
  readonly url: URL;
  /** Standard output's place for it. */
  readonly slot: Slot;
  /** The body goes there instead. */
  readonly file: string | undefined;
  /** What notes about it begin with; '' where it is the only one. */
  readonly name: string;
  readonly track: Track;
};

/** What came of it. */
export type CallResult = {
  readonly exitCode: ExitCode;
  readonly payment: ResponsePayment | undefined;
  readonly failure: Failure | undefined;
  /** What was thrown, where it was an error of the library. */
  readonly cause: unknown;
  readonly events: readonly TimedEvent[];
};

/** Makes the call. It throws only what is a mistake of ours. */
export async function makeCall(desk: Desk, call: Call): Promise<CallResult> {
  const { context, request, purse } = desk;
  const record = createRecord(desk, call);
  const late = new AbortController();
  const cancel = request.maxTimeMs === undefined ? () => {} : systemClock.after(request.maxTimeMs, () => late.abort(), true);
  const signal = AbortSignal.any([context.signal, late.signal]);
  const url = shown(call.url);
  let status: number | undefined;
  let payment: ResponsePayment | undefined;
  const end = (exitCode: ExitCode, failure?: Failure, cause?: unknown): CallResult => {
    record.tell({ kind: 'ended', url, exitCode, status, payment, code: failure?.code, message: failure?.message });
    return { exitCode, payment, failure, cause, events: record.events };
  };
  record.tell({ kind: 'began', method: request.method, url });
  try {
    const answer = await ask(desk, call, record, signal);
    if (answer === undefined) return end(0);
    status = answer.response.status;
    payment = answer.payment;
    const isThere = await deliver(desk, call, record, answer);
    const { refusal } = answer;
    if (refusal !== undefined) return end(refusal.exitCode, refusal);
    return isThere ? end(0) : end(8, { exitCode: 8, code: '', message: `${status} ${printable(answer.response.statusText)}`.trim() });
  } catch (error) {
    if (signal.aborted) await record.untilMoneyIsKnown();
    const circumstances = {
      host: call.url.host,
      isStopped: context.signal.aborted,
      lateMs: late.signal.aborted ? request.maxTimeMs : undefined,
      money: record.money(),
      options: purse.limits,
    };
    const failure = failureOf(error, circumstances);
    if (failure === undefined) throw error;
    return end(failure.exitCode, failure, error);
  } finally {
    cancel();
    call.track.ends();
    await call.slot.end();
  }
}

/** What a call hears and says. */
export type Record = {
  readonly events: readonly TimedEvent[];
  readonly tell: (event: CallEvent) => void;
  readonly money: () => MoneySeen;
  /** Waits for a wallet that is at work, for a while. */
  readonly untilMoneyIsKnown: () => Promise<void>;
};

/** How long a command that was told to end waits for the wallet to say how a payment ends. */
const patienceMs = 10_000;

function createRecord(desk: Desk, call: Call): Record {
  const { number, track } = call;
  const events: TimedEvent[] = [];
  let heard = () => {};
  const money = () => moneyIn(events);
  return {
    events,
    money,
    tell: (event) => {
      const timed = { atMs: systemClock.nowMs(), call: number, event };
      events.push(timed);
      if (event.kind === 'paying') track.says('pays');
      if (event.kind === 'sent') track.says(event.credential === undefined ? 'asks' : 'shows the credential');
      if (event.kind === 'waiting') track.says(event.why === 'server' ? 'waits for the server' : 'waits for another process');
      desk.onEvent(timed);
      heard();
    },
    untilMoneyIsKnown: async () => {
      const { open } = money();
      if (open === undefined) return;
      const known = new AbortController();
      heard = () => {
        if (money().open === undefined) known.abort();
      };
      const hash = open.paymentHash.slice(0, 16);
      note(desk, call, `waiting for the wallet to say how payment ${hash} ends …`);
      await wait(systemClock, patienceMs, known.signal, true);
      // The client writes down that nobody uses the credential now.
      await wait(systemClock, 20, undefined, true);
    },
  };
}

/** Asks, and pays where that is allowed; undefined where the file is here already. */
async function ask(desk: Desk, call: Call, record: Record, signal: AbortSignal): Promise<Answer | undefined> {
  const { context, purse, request, manner } = desk;
  const { method, headers, body, follows } = request;
  const download = call.file === undefined ? undefined : await Download.begin(call.file, Download.resourceOf(method, call.url, body), manner.resumes);
  if (download?.isWhole) {
    note(desk, call, `${download.path} is here already, ${sizeOf(download.have)}: nothing was asked for.`);
    return undefined;
  }
  let send: Send = sendingWithin(request.connectMs);
  if (manner.isVerbose) send = showing(context.terminal, send);
  const offers = manner.paysNothing ? keepingOffer(send) : undefined;
  const kept = manner.keepsCredential ? keepingCredential(offers?.send ?? send) : undefined;
  const { fetch } = purse.client({ ...clientSending(kept?.send ?? offers?.send ?? send, request.connectMs), onEvent: record.tell });
  try {
    signal.throwIfAborted();
    const response = await fetch(call.url, {
      method,
      headers: [...headers, ...(download?.headers ?? [])].map(([name, value]): [string, string] => [name, value]),
      redirect: follows ? 'follow' : 'manual',
      signal,
      ...(body === undefined ? {} : { body }),
    });
    const payment = paymentOf(response);
    return { response, payment, download, credential: kept?.credential(), refusal: undefined };
  } catch (error) {
    const offer = offers?.offer();
    if (offer === undefined || !FareboxError.is(error) || exitCodeOf(error) !== 3) throw error;
    const refusal: Failure = {
      exitCode: 3,
      code: error.code,
      message: `${typeof error.details.price === 'string' ? `This costs ${error.details.price}` : 'This costs something'}. Nothing was paid: --no-pay.`,
    };
    return { response: offer, payment: undefined, download, credential: undefined, refusal };
  }
}
