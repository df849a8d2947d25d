/**
 * A 402 as an auditor reads it: everything that can be read is read, and what cannot says why.
 */
import * as Bolt11 from '../../core/Bolt11.ts';
import * as Challenge from '../../core/Challenge.ts';
import { FareboxError } from '../../core/Errors.ts';
import { fromBase64 } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { Network } from '../../lightning/Lightning.ts';
import { headerLines, type Reply } from './Wire.ts';

/** Something that was read, or why it could not be. */
export type Read<T> = { readonly value: T } | { readonly fault: string };

export type Offer = {
  readonly reply: Reply;
  /** The lines of `WWW-Authenticate`. */
  readonly lines: readonly string[];
  /** All L402 and LSAT challenges that can be read by whatever reading. */
  readonly challenges: readonly Challenge.Challenge[];
  /** The one that a client would answer. */
  readonly chosen: Challenge.Challenge | undefined;
  readonly macaroon: Read<Macaroon.Macaroon>;
  readonly invoice: Read<Bolt11.Invoice>;
  /** The body's JSON; undefined where it is none. */
  readonly json: unknown;
};

export function readOffer(reply: Reply): Offer {
  const lines = headerLines(reply, 'www-authenticate');
  const challenges = read(() => Challenge.parse(lines));
  const all = 'value' in challenges ? challenges.value : [];
  const chosen = Challenge.choose(all);
  const none = { fault: 'the 402 has no L402 challenge that can be read' };
  return {
    reply,
    lines,
    challenges: all,
    chosen,
    macaroon: chosen ? read(() => macaroonOf(chosen.token)) : none,
    invoice: chosen ? read(() => Bolt11.decode(chosen.invoice)) : none,
    json: jsonOf(reply),
  };
}

/** The network that an invoice is paid on; the sandbox writes regtest invoices. */
export function networkOf({ chain }: Pick<Bolt11.Invoice, 'chain'>): Network {
  return chain === 'regtest' ? 'sandbox' : chain;
}

/** The payment hash that the token's identifier names; undefined where it names none. */
export function boundHash({ identifier }: Macaroon.Macaroon): string | undefined {
  return identifier.length >= 34 ? Buffer.from(identifier.subarray(2, 34)).toString('hex') : undefined;
}

/** A token longer than ours may be is looked at no further. */
function macaroonOf(token: string): Macaroon.Macaroon {
  const bytes = fromBase64(token);
  if (bytes === undefined) throw new FareboxError('MACAROON_MALFORMED', 'The token is not base64.');
  return Macaroon.decode(bytes);
}

function read<T>(reading: () => T): Read<T> {
  try {
    return { value: reading() };
  } catch (error) {
    if (FareboxError.is(error)) return { fault: error.message.replace(/\.$/, '') };
    throw error;
  }
}

function jsonOf({ body }: Reply): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
