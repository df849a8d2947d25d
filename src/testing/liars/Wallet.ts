/**
 * The liars' wallet: it speaks as the sandbox does (`src/lightning/sandbox/Wire.ts`), and lies in the way that the invoice belongs to.
 */
import type { ServerResponse } from 'node:http';
import * as Amount from '../../core/Amount.ts';
import { calls, decode } from '../../lightning/sandbox/Wire.ts';
import { refuse, reply } from './answers.ts';
import * as Book from './Book.ts';
import type { Act, Stage } from './Stage.ts';
import type { Done } from './Way.ts';

/** Answers one call of the wire. */
export function answerCall(stage: Stage, name: string, body: string, response: ServerResponse): Done {
  switch (name) {
    case 'pay': {
      const request = decode(calls.pay.request, body);
      return request ? pay(stage, request.invoice, request.maxFeeMsat, response) : malformed(response);
    }
    case 'trackPayment': {
      const request = decode(calls.trackPayment.request, body);
      return request ? lookUp(stage, request.paymentHash, response) : malformed(response);
    }
    case 'balance':
      return reply(response, { spendableMsat: Amount.fromSat(1_000_000) });
    case 'info':
      return reply(response, { alias: 'liar', nodeId: '' });
    case 'faults':
      return reply(response, { faults: [] });
    default:
      return refuse(response, 404, 'REQUEST_MALFORMED', 'The liars’ wallet pays and looks up; it has no such call.');
  }
}

function pay(stage: Stage, invoice: string, maxFeeMsat: bigint, response: ServerResponse): Done {
  const known = find(stage, ({ offer }) => withoutChecksum(offer.invoice) === withoutChecksum(invoice));
  if (!known) return reply(response, Book.failed('rejected', 'The invoice was not made by the liars.'));
  const { act, entry } = known;
  const earlier = act.entries.filter((other) => other !== entry && other.orders > 0).length;
  entry.orders++;
  entry.orderedMsat = entry.amountMsat + maxFeeMsat;
  if (act.script.pay) return act.script.pay({ entry, earlier, response }, stage.boothOf(act));
  reply(response, Book.pay(entry));
}

function lookUp(stage: Stage, paymentHash: string, response: ServerResponse): Done {
  const known = find(stage, ({ offer }) => offer.paymentHash === paymentHash);
  if (!known) return reply(response, { kind: 'absent' });
  const { act, entry } = known;
  entry.lookUps++;
  if (act.script.lookUp) return act.script.lookUp({ entry, response }, stage.boothOf(act));
  reply(response, Book.lookUp(entry, stage.nowAt()));
}

function find(stage: Stage, matches: (entry: Book.Entry) => boolean): { readonly act: Act; readonly entry: Book.Entry } | undefined {
  for (const act of stage.acts.values()) {
    const entry = act.entries.find(matches);
    if (entry) return { act, entry };
  }
  return undefined;
}

/** One way spoils the checksum of what it sells by. */
function withoutChecksum(invoice: string): string {
  return invoice.slice(0, -6);
}

function malformed(response: ServerResponse): void {
  refuse(response, 400, 'REQUEST_MALFORMED', 'The request does not fit the call.');
}
