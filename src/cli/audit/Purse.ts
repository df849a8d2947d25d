/**
 * What an audit pays with, and what it has bought. Tokens are bought when a probe needs one: never more than three, never for more than
 * the limit altogether, fees included. The client of this package does the buying, with all that it refuses.
 */
import { createFetch, paymentOf } from '../../client/index.ts';
import { read } from '../../client/Tokens.ts';
import * as Amount from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import * as Credential from '../../core/Credential.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { PaymentHash, Preimage } from '../../core/Preimage.ts';
import * as Preimages from '../../core/Preimage.ts';
import type { Payer } from '../../lightning/Lightning.ts';
import { exitCodeOf } from '../exit.ts';
import type { Ask, Reply } from './Wire.ts';

/** A token that was paid for. */
export type Paid = {
  /** As received. A secret, with its preimage. */
  readonly token: string;
  readonly preimage: Preimage;
  readonly paymentHash: PaymentHash;
  /** Undefined where the token is no macaroon that can be read. */
  readonly macaroon: Macaroon.Macaroon | undefined;
  /** The header that presents it. */
  readonly headers: readonly (readonly [string, string])[];
};

/** What one payment buys: as the token says, or as its owner does on the command line. */
export type SoldAs = 'one answer' | 'a pass' | 'unsaid';

/** There is no token to go on with. The message says why. */
export class NoToken extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export type Purse = {
  /** A token that is good for an answer, as far as it is known. @throws NoToken */
  readonly unused: () => Promise<Paid>;
  /** The first token and the answer to its first use. @throws NoToken, Silence */
  readonly used: () => Promise<{ readonly paid: Paid; readonly reply: Reply }>;
  /** The answer to the second use of that token. @throws NoToken, Silence */
  readonly usedAgain: () => Promise<Reply>;
  readonly soldAs: () => Promise<SoldAs>;
  /** A token has been served for: where that was all it was good for, the next one is bought. */
  readonly spend: (paid: Paid) => void;
  readonly payments: () => number;
  /** With fees. */
  readonly spentMsat: () => bigint;
  /** The answer to the first use, where it was served. */
  readonly goods: () => Reply | undefined;
};

export type PurseOptions = {
  readonly url: URL;
  readonly method: string;
  /** Undefined: nothing may be paid. */
  readonly payer: Payer | undefined;
  readonly maxMsat: bigint;
  readonly isSingleUse: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly ask: (ask: Ask) => Promise<Reply>;
  /** Told of every token that was bought. */
  readonly onBought: (paid: Paid) => void;
};

/** Most payments of one audit: two where all is well, and one for a token that is used up by what should have been refused. */
export const maxPayments = 3;

export function createPurse(options: PurseOptions): Purse {
  const { ask, onBought, isSingleUse } = options;
  let spentMsat = 0n;
  let payments = 0;
  let failure: NoToken | undefined;
  let spare: Paid | undefined;
  let used: { readonly paid: Paid; readonly reply: Reply } | undefined;
  let again: Reply | undefined;

  const buy = async (): Promise<Paid> => {
    if (failure) throw failure;
    try {
      if (payments === maxPayments) throw new NoToken(`its ${maxPayments} tokens are used up, by what should have been refused`, 0);
      const bought = await purchase(options, options.maxMsat - spentMsat);
      payments++;
      spentMsat += bought.spentMsat;
      onBought(bought.paid);
      return bought.paid;
    } catch (error) {
      options.signal.throwIfAborted();
      failure = error instanceof NoToken ? error : why(error);
      throw failure;
    }
  };
  const first = async () => (used ??= await use());
  const use = async () => {
    // Kept until its answer is there: a token whose answer never came is not paid for again.
    const paid = spare ?? (await buy());
    spare = paid;
    const reply = await ask({ headers: paid.headers });
    spare = undefined;
    return { paid, reply };
  };
  const usedAgain = async () => (again ??= await ask({ headers: (await first()).paid.headers }));
  const soldAs = async (): Promise<SoldAs> => {
    if (isSingleUse) return 'one answer';
    const { terms } = read((await first()).paid.token);
    return terms === 'unknown' ? 'unsaid' : terms === 'pass' ? 'a pass' : 'one answer';
  };
  return {
    unused: async () => {
      const { paid, reply } = await first();
      if ((await soldAs()) === 'a pass' || (isServed(reply) && isServed(await usedAgain()))) return paid;
      spare ??= await buy();
      return spare;
    },
    used: first,
    usedAgain,
    soldAs,
    spend: (paid) => {
      if (paid === spare) spare = undefined;
    },
    payments: () => payments,
    spentMsat: () => spentMsat,
    goods: () => (used && isServed(used.reply) ? used.reply : undefined),
  };
}

/** Whether an answer is what is asked for, rather than a refusal. */
export function isServed({ status }: Pick<Reply, 'status'>): boolean {
  return status >= 200 && status < 300;
}

/** Asks, pays, and keeps the credential back. */
async function purchase(options: PurseOptions, leftMsat: bigint): Promise<{ readonly paid: Paid; readonly spentMsat: bigint }> {
  const { url, method, payer, clock, signal, ask } = options;
  if (payer === undefined) throw new NoToken('nothing may be paid without --pay', 0);
  let authorization: string | undefined;
  const fetch = createFetch({
    payer,
    maxPerRequest: Amount.fromMsat(leftMsat > 0n ? leftMsat : 1n),
    clock,
    fetch: async (_, init) => {
      authorization = new Headers(init?.headers).get('authorization') ?? undefined;
      return authorization === undefined ? toResponse(await ask({})) : new Response(null, { status: 200 });
    },
  });
  const response = await fetch(url.href, { method, signal });
  const payment = paymentOf(response);
  if (payment === undefined || authorization === undefined) throw new NoToken(`asked without a credential, it answered ${response.status} and sold nothing`, 0);
  return { paid: paidFrom(authorization, payment.paymentHash), spentMsat: payment.amountMsat + payment.feeMsat };
}

function paidFrom(authorization: string, paymentHash: PaymentHash): Paid {
  const [, token = '', preimage = ''] = /^\S+ (\S+):([0-9a-f]{64})$/.exec(authorization) ?? [];
  let macaroon: Macaroon.Macaroon | undefined;
  try {
    macaroon = Macaroon.parse(token);
  } catch (error) {
    if (!FareboxError.is(error, 'MACAROON_MALFORMED')) throw error;
  }
  return { token, preimage: Preimages.parse(preimage), paymentHash, macaroon, headers: [['Authorization', authorization]] };
}

/** The header that presents a token of one's own making. */
export function present(token: string, preimage: Preimage, scheme: 'L402' | 'LSAT' = 'L402'): readonly (readonly [string, string])[] {
  return [['Authorization', Credential.format({ scheme, token, preimage })]];
}

function toResponse({ status, lines, body }: Reply): Response {
  const headers = new Headers();
  for (const [name, value] of lines) headers.append(name, value);
  return new Response([101, 204, 205, 304].includes(status) ? null : new Uint8Array(body), { status: status < 200 ? 200 : status, headers });
}

function why(error: unknown): NoToken {
  if (FareboxError.is(error, 'BUDGET_EXCEEDED')) return new NoToken(`--max leaves too little for the token that this takes: ${sentence(error)}`, 3);
  if (FareboxError.is(error, 'PAYMENT_UNKNOWN')) {
    return new NoToken(`it is not known whether payment ${error.details.paymentHash} was made: look it up in the wallet. Nothing more was paid`, 5);
  }
  return new NoToken(sentence(error), FareboxError.is(error) ? exitCodeOf(error) : 7);
}

/** An error's message as part of a sentence; the flags here have other names than the client's options. */
function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll('maxPerRequest', '--max').replace(/\.$/, '');
}
