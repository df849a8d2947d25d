/**
 * What a call tells of itself, to whoever listens: the words of `--verbose`, the lines of `--events`, the progress, and the story of
 * `--explain`. Never a secret: no preimage, no token, no query of an address.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { ClientEvent, ResponsePayment } from '../../client/index.ts';
import { Ended, type ExitCode } from '../exit.ts';
import { type Terminal, toJson } from '../Terminal.ts';

/** What the client tells, and what becomes of the answer. Amounts are msat. */
export type CallEvent =
  | ClientEvent
  /** The call begins. */
  | { readonly kind: 'began'; readonly method: string; readonly url: string }
  /** The head of the answer that is handed on is here. `from`: bytes of it that were here before. `total`: what it will have, where that is known. */
  | { readonly kind: 'receiving'; readonly status: number; readonly from: number; readonly total: number | undefined }
  /** The body has come whole. */
  | { readonly kind: 'received'; readonly bytes: number; readonly file: string | undefined }
  /** The call is over. `code`, `message`: why it did not work. */
  | {
      readonly kind: 'ended';
      readonly url: string;
      readonly exitCode: ExitCode;
      readonly status: number | undefined;
      readonly payment: ResponsePayment | undefined;
      readonly code: string | undefined;
      readonly message: string | undefined;
    };

/** An event, when it happened and of which call, counted from 1 in the order of the addresses. */
export type TimedEvent = { readonly atMs: number; readonly call: number; readonly event: CallEvent };

/** Where events go. */
export type EventLog = { readonly write: (timed: TimedEvent) => void; readonly close: () => void };

/**
 * Writes events as lines of JSON. `where`: a file, to whose end they are added, or "-" for standard error.
 * @throws Ended – 2: the file cannot be written
 */
export function openEventLog(where: string | undefined, terminal: Terminal): EventLog {
  if (where === undefined) return { write: () => {}, close: () => {} };
  if (where === '-') return { write: (timed) => terminal.note(lineOf(timed)), close: () => {} };
  let file: number;
  try {
    file = openSync(where, 'a', 0o600);
  } catch (error) {
    throw new Ended(2, 'usage', `${where} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unwritable'}).`, { cause: error });
  }
  return { write: (timed) => void writeSync(file, `${lineOf(timed)}\n`), close: () => closeSync(file) };
}

function lineOf({ atMs, call, event }: TimedEvent): string {
  return toJson({ at: new Date(atMs).toISOString(), call, ...event });
}

/** What the events so far say of money. */
export type MoneySeen = {
  /** The last payment that ended well. */
  readonly paid: (ClientEvent & { readonly kind: 'paid' }) | undefined;
  /** The wallet was called, and has not said how it ended. */
  readonly open: (ClientEvent & { readonly kind: 'paying' }) | undefined;
};

/** Reads what was paid out of a call's events. */
export function moneyIn(events: readonly TimedEvent[]): MoneySeen {
  let seen: MoneySeen = { paid: undefined, open: undefined };
  for (const { event } of events) {
    if (event.kind === 'paying') seen = { ...seen, open: event };
    else if (event.kind === 'paid') seen = { paid: event, open: undefined };
    else if (event.kind === 'unpaid' && event.state === 'failed') seen = { ...seen, open: undefined };
  }
  return seen;
}
