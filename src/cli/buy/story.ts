/**
 * `--explain`: the story of a call, told when it is over.
 */
import type { ClientStore } from '../../client/index.ts';
import * as Tokens from '../../client/Tokens.ts';
import * as Amount from '../../core/Amount.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import { printable, type Terminal } from '../Terminal.ts';
import { formatLocal } from '../Time.ts';
import type { CallEvent, TimedEvent } from './CallEvent.ts';
import { sizeOf } from './Progress.ts';

/** Tells it on standard error. `wallet`: who was called. */
export async function tell(terminal: Terminal, events: readonly TimedEvent[], wallet: string, store: ClientStore): Promise<void> {
  const [first] = events;
  if (first === undefined) return;
  terminal.note(terminal.tone('strong', 'What happened'));
  for (const { atMs, event } of events) {
    const words = sentenceOf(event, wallet);
    if (words === undefined) continue;
    const [head = '', ...rest] = wrap(words, terminal.width - 12);
    terminal.note(`${terminal.tone('quiet', `${((atMs - first.atMs) / 1000).toFixed(2).padStart(7)} s`)}  ${head}`);
    for (const line of rest) terminal.note(`${' '.repeat(11)}${line}`);
  }
  const hash = events.map(({ event }) => hashIn(event)).findLast((one) => one !== undefined);
  const payment = hash === undefined ? undefined : await store.get(hash);
  if (payment === undefined) return;
  const say = (label: string, text: string) => {
    const [head = '', ...rest] = wrap(text, terminal.width - 12);
    terminal.note(`${terminal.tone('quiet', label.padEnd(9))}  ${head}`);
    for (const line of rest) terminal.note(`${' '.repeat(11)}${line}`);
  };
  if (payment.preimage !== undefined) say('bought', `${boughtWords(payment.token)}${payment.usable ? ', kept for the next call' : ', used up'}`);
  say('look', `farebox journal show ${payment.paymentHash.slice(0, 16)}`);
}

/** What a token buys, by what it says of itself. */
export function boughtWords(token: string): string {
  const { terms, validUntil, priced } = Tokens.read(token);
  const until = validUntil === undefined ? '' : ` until ${formatLocal(validUntil)}`;
  const words = {
    'per-request': priced ? `one answer to this very request${until}` : `one answer${until}`,
    pass: `any number of requests${until}`,
    bucket: `a bucket of requests${until}`,
    credit: `a credit in satoshis${until}`,
    topup: `an addition to a balance${until}`,
    unknown: `what its token does not say${until}`,
  };
  return words[terms];
}

/** Text in lines of so many characters; what is longer than a line is a line of its own. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function hashIn(event: CallEvent): PaymentHash | undefined {
  if (event.kind === 'sent' || event.kind === 'answered') return event.credential;
  return event.kind === 'paid' || event.kind === 'paying' || event.kind === 'unpaid' || event.kind === 'looked-up' ? event.paymentHash : undefined;
}

const money = (msat: bigint) => Amount.format(Amount.fromMsat(msat));

function sentenceOf(event: CallEvent, wallet: string): string | undefined {
  switch (event.kind) {
    case 'sent':
      return event.credential === undefined
        ? `${event.method} ${printable(event.url)} is asked for.`
        : `${event.method} ${printable(event.url)} is asked for with the credential of payment ${event.credential.slice(0, 16)}.`;
    case 'answered':
      return event.status === 402 ? 'The server answers 402: it wants to be paid first.' : `The server answers ${event.status}.`;
    case 'quoted': {
      const what = event.description === undefined ? '' : ` for "${printable(event.description.slice(0, 100))}"`;
      return (
        `Its invoice asks ${money(event.amountMsat)}${what}, until ${formatLocal(event.expiresAt)}. Signature, network, amount and payment hash are in order. ` +
        `${money(event.maxFeeMsat)} of the limit are left for the fee.`
      );
    }
    case 'paying':
      return `${money(event.amountMsat)} and up to ${money(event.maxFeeMsat)} for the fee are set aside in the journal as payment ${event.paymentHash.slice(0, 16)}; then the wallet ${wallet} is called, once.`;
    case 'paid':
      return `The wallet has paid, with a fee of ${money(event.feeMsat)}. Its preimage proves the payment, and is kept with the token as a credential.${event.overshoot ? ' That is more than it was allowed: spending stops until a person has looked.' : ''}`;
    case 'unpaid':
      return event.state === 'failed'
        ? `The payment failed for certain, and what was set aside is free again: ${printable(event.reason)}`
        : `It is not known how the payment ended, and what was set aside is held: ${printable(event.reason)}`;
    case 'looked-up':
      return `The wallet was asked what became of payment ${event.paymentHash.slice(0, 16)}: ${event.state}.`;
    case 'set-aside':
      return `The server does not honour the credential any more (${event.status}); it is set aside.`;
    case 'waiting':
      return event.why === 'server' ? `The server is busy: it is asked again in ${event.ms} ms.` : 'Another process is paying for the same: it is waited for.';
    case 'received':
      return event.file === undefined ? `${sizeOf(event.bytes)} have come, all of it.` : `${sizeOf(event.bytes)} are in ${event.file}, all of it.`;
    case 'ended':
      return event.message;
    case 'began':
    case 'receiving':
      return undefined;
  }
}
