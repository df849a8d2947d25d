/**
 * What commands that pay have in common: the wallet that they open, and their words for what was paid.
 */
import type { ClientEvent, ResponsePayment } from '../../client/index.ts';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Network, Payer } from '../../lightning/Lightning.ts';
import type { Home } from '../Home.ts';
import { findSandbox, noSandbox } from '../SandboxLink.ts';
import { printable, type Terminal } from '../Terminal.ts';
import { openWallet, readWallets } from '../Wallets.ts';

/** A wallet to pay with, open. */
export type OpenPayer = { readonly payer: Payer; readonly assumedMaxFee?: string | undefined; readonly close: () => Promise<void> };

/** The connected wallet of that name, or else the sandbox's. */
export async function openPayer(home: Home, name: string): Promise<OpenPayer> {
  const connected = readWallets(home)[name];
  if (connected !== undefined) {
    const payer = openWallet(name, connected);
    return { payer, assumedMaxFee: connected.assumedMaxFee, close: payer.close };
  }
  const link = await findSandbox(home);
  return { payer: link?.sandbox.payer(name) ?? noWallet, close: async () => link?.close() };
}

/** Where no sandbox runs: free answers are fetched all the same. */
const noWallet: Payer = {
  name: 'sandbox',
  network: 'sandbox',
  capabilities: { feeLimit: true, track: true, balance: false },
  pay: async () => ({ kind: 'failed', reason: 'rejected', message: noSandbox }),
  trackPayment: async () => {
    throw new FareboxError('SANDBOX_UNAVAILABLE', noSandbox);
  },
  balance: async () => {
    throw new FareboxError('SANDBOX_UNAVAILABLE', noSandbox);
  },
  close: async () => {},
};

/** What a command line says of limits. */
export type LimitOptions = {
  readonly max?: string | undefined;
  readonly maxAll?: string | undefined;
  /** Whether a limit that stands is in the place of `--max`. */
  readonly hasStanding?: boolean;
};

const flags: readonly (readonly [string, string])[] = [
  ['maxPerRequest', '--max'],
  ['maxTotal', '--max-total'],
  ['then allow spending again (allowSpending of the client store)', 'allow it again: farebox budget allow'],
  ['raise that limit in the client store', 'raise it with "farebox budget set"'],
  [
    ' Hand the client somebody to ask (consent.ask), or ask for consent above more.',
    ' Run it at a terminal, or raise that limit with "farebox budget set --consent-above".',
  ],
];

/** The client speaks of its options; here they are flags. */
export function inWordsOfTheCommand(error: unknown, options: LimitOptions): unknown {
  if (!FareboxError.is(error, 'BUDGET_EXCEEDED', 'CONSENT_REFUSED')) return error;
  const { code, details } = error;
  // Where no limit is named, the least price there is needs a consent that nobody gives.
  const isUnnamed = details.limit === 'maxPerRequest' || details.above === '0 sat';
  const message =
    options.max === undefined && options.maxAll === undefined && isUnnamed && !options.hasStanding
      ? `This costs ${details.price}. Nothing was paid: say how much it may cost, fee included, with --max.`
      : flags.reduce((text, [option, flag]) => text.replaceAll(option, flag), error.message);
  return new FareboxError(code, message, { details });
}

/** What was paid, in a line. */
export function paidLine({ amountMsat, feeMsat, paymentHash, reused }: ResponsePayment, network: Network): string {
  const hash = paymentHash.slice(0, 16);
  if (reused) return `nothing paid: a credential bought before was good for this (payment ${hash})`;
  return `paid ${Amount.format(Amount.fromMsat(amountMsat))}, fee ${Amount.format(Amount.fromMsat(feeMsat))} (payment ${hash}, ${network})`;
}

/** Each step in a line, to standard error. */
export function narrate(terminal: Terminal, event: ClientEvent): void {
  const say = (text: string) => terminal.note(terminal.tone('quiet', text));
  const money = (msat: bigint) => Amount.format(Amount.fromMsat(msat));
  switch (event.kind) {
    case 'sent':
      return say(`→ ${event.method} ${event.url}${event.credential ? '  with a credential' : ''}`);
    case 'answered':
      return say(`← ${event.status}`);
    case 'quoted':
      return say(`  asks ${money(event.amountMsat)}; up to ${money(event.maxFeeMsat)} is left for the fee`);
    case 'paying':
      return say(`  paying ${money(event.amountMsat)} …`);
    case 'paid':
      return say(`  paid, fee ${money(event.feeMsat)}`);
    case 'unpaid':
      return say(`  not paid: ${event.state} (${printable(event.reason)})`);
    case 'looked-up':
      return say(`  payment ${event.paymentHash.slice(0, 16)} was looked up: ${event.state}`);
    case 'set-aside':
      return say(`  the server does not honour the credential any more (${event.status}); set aside`);
    case 'waiting':
      return say(`  waiting ${event.ms} ms for ${event.why === 'server' ? 'the server' : 'another process'}`);
  }
}
