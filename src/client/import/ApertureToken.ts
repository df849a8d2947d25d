/**
 * A token as aperture's client library writes it to a file, which Loop, Pool and lnget use. Numbers are big-endian:
 *
 *     length[4] · macaroon[length] · payment hash[32] · preimage[32] · amount, msat[8] · fee, msat[8] · created at, ns[8]
 *     and, in later versions, nonce[8] · difficulty[4] of a proof of work
 *
 * A preimage of zeros means that it was not paid for, as far as the file knows.
 *
 * @see lightninglabs/aperture, l402/token.go
 */
import type { Msat } from '../../core/Amount.ts';
import { maxMsat } from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Identifier from '../../core/Identifier.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import * as Preimage from '../../core/Preimage.ts';

/** What such a file holds. */
export type ApertureToken = {
  /** The macaroon as a server sends it: V2 binary in standard base64. A secret with the preimage. */
  readonly token: string;
  readonly paymentHash: PaymentHash;
  /** Checked against the payment hash; undefined: it was not paid for, as far as the file knows. A secret. */
  readonly preimage: Preimage.Preimage | undefined;
  readonly paidMsat: Msat;
  readonly feeMsat: Msat;
  /** Unix seconds. */
  readonly createdAt: number;
};

/**
 * Reads such a file.
 * @throws IMPORT_MALFORMED – it is not one: cut off, something behind its end, a macaroon that cannot be read or is bound to another payment, a
 * preimage that proves nothing; or its token was got by a proof of work
 */
export function decode(bytes: Uint8Array): ApertureToken {
  if (bytes.length < lengthLength) throw malformed('it is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0);
  if (length > Macaroon.maxLength) throw malformed(`it names a macaroon of ${length} bytes`);
  const end = lengthLength + length;
  const rest = bytes.length - end - fixedLength;
  if (rest < 0) throw malformed('it is cut off');
  if (rest !== 0 && rest !== workLength) throw malformed('something stands behind its end');
  if (rest === workLength && bytes.subarray(-workLength).some((byte) => byte !== 0)) throw malformed('its token was got by a proof of work, and not paid for');
  const macaroon = macaroonIn(bytes.subarray(lengthLength, end));
  const paymentHash = Preimage.parseHash(toHex(bytes.subarray(end, end + 32)));
  const bound = boundTo(macaroon);
  if (bound !== undefined && bound !== paymentHash) throw malformed('its macaroon is bound to another payment');
  const shown = bytes.subarray(end + 32, end + 64);
  const preimage = shown.every((byte) => byte === 0) ? undefined : Preimage.fromBytes(shown);
  if (preimage !== undefined && !Preimage.proves(preimage, paymentHash)) throw malformed('its preimage does not prove the payment');
  return {
    token: Macaroon.format(macaroon),
    paymentHash,
    preimage,
    paidMsat: msatAt(view, end + 64),
    feeMsat: msatAt(view, end + 72),
    createdAt: secondsAt(view, end + 80),
  };
}

const lengthLength = 4;
const fixedLength = 32 + 32 + 8 + 8 + 8;
const workLength = 8 + 4;

function macaroonIn(bytes: Uint8Array): Macaroon.Macaroon {
  try {
    return Macaroon.decode(bytes);
  } catch (error) {
    if (FareboxError.is(error)) throw malformed(`its macaroon cannot be read (${error.code})`);
    throw error;
  }
}

/** The payment that a macaroon's identifier names; undefined where it is none of L402. */
function boundTo(macaroon: Macaroon.Macaroon): PaymentHash | undefined {
  try {
    return Identifier.decode(macaroon.identifier).paymentHash;
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

function msatAt(view: DataView, at: number): Msat {
  const value = view.getBigUint64(at);
  if (value > maxMsat) throw malformed('it names more money than there is');
  return value as Msat;
}

function secondsAt(view: DataView, at: number): number {
  const value = view.getBigInt64(at);
  if (value < 0n) throw malformed('it was made before 1970');
  return Number(value / 1_000_000_000n);
}

function malformed(why: string): FareboxError {
  return new FareboxError('IMPORT_MALFORMED', `This is no token file of lnget, Loop or aperture: ${why}. Nothing was imported from it.`);
}
