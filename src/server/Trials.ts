/**
 * Trial tokens: tell clients apart that come from one address, where a route gives something away to more than one of them there. Given for nothing and
 * good for nothing but that; whoever shows one has a share of his own among those of his address, and never one beyond them.
 *
 *     L402-Trial: <74 hex digits>
 *     01 · master key fingerprint[4] · good until, u32 big-endian Unix seconds · number[12] · proof[16]
 *     proof = HMAC-SHA256(master, "farebox/trial/1/" · network · "/" · realm · "/" · the 21 bytes before · service · "/" · address)
 *
 * The address is the one that shares are counted on, so a token is worth nothing from another one. Nothing is kept of it.
 *
 * @see docs/decisions/0036-trial-tokens.md
 */
import { type Clock, nowAt, type Random } from '../core/Clock.ts';
import { equal, fromHex, fromUtf8, toHex } from '../core/internal/bytes.ts';
import { clientKey } from './Limits.ts';
import type { RootKeys } from './RootKeys.ts';

/** The header that carries one, to the client and back, in lower case. */
export const header = 'l402-trial';

/** How long one is good for. */
export const lastsSeconds = 30 * 86_400;

/** A client of an address, as its token names it. */
export type Trial = {
  /** 24 hex digits. */
  readonly number: string;
  /** Unix seconds. */
  readonly goodUntil: number;
};

/** Where a token is shown or asked for. */
export type TrialPlace = { readonly service: string; readonly clientAddress: string };

/** Makes trial tokens and reads them. */
export type Trials = {
  /** Whose it is; undefined where it is none of ours, for another service or address, or over. */
  readonly read: (token: string, place: TrialPlace) => Trial | undefined;
  /** The token to be handed out with what is given: a new one, the same client's for longer where his has less than half its time, or none. */
  readonly offer: (place: TrialPlace, shown: Trial | undefined) => string | undefined;
};

/** What trials need. */
export type TrialsOptions = { readonly keys: RootKeys; readonly clock: Clock; readonly random: Random };

const version = 1;
const length = { fingerprint: 4, number: 12, proof: 16 } as const;
const provedBytes = 1 + length.fingerprint + 4 + length.number;

/** Trials under these keys. */
export function createTrials({ keys, clock, random }: TrialsOptions): Trials {
  const proofOf = (proved: Uint8Array, { service, clientAddress }: TrialPlace) => {
    const fingerprint = toHex(proved.subarray(1, 1 + length.fingerprint));
    const place = fromUtf8(`${service}/${clientKey(clientAddress)}`);
    return keys.proveTrial(fingerprint, new Uint8Array([...proved, ...place]))?.subarray(0, length.proof);
  };
  return {
    read: (token, place) => {
      const bytes = token.length === 2 * (provedBytes + length.proof) ? fromHex(token) : undefined;
      if (bytes === undefined || bytes[0] !== version) return undefined;
      const proved = bytes.subarray(0, provedBytes);
      const proof = proofOf(proved, place);
      if (proof === undefined || !equal(proof, bytes.subarray(provedBytes))) return undefined;
      const goodUntil = new DataView(proved.buffer, proved.byteOffset).getUint32(1 + length.fingerprint);
      if (nowAt(clock) >= goodUntil) return undefined;
      return { number: toHex(proved.subarray(provedBytes - length.number)), goodUntil };
    },
    offer: (place, shown) => {
      const now = nowAt(clock);
      if (shown !== undefined && shown.goodUntil - now > lastsSeconds / 2) return undefined;
      const fingerprint = fromHex(keys.mintingAt(now)) as Uint8Array;
      const number = shown === undefined ? random(length.number) : (fromHex(shown.number) as Uint8Array);
      const proved = new Uint8Array([version, ...fingerprint, 0, 0, 0, 0, ...number]);
      new DataView(proved.buffer).setUint32(1 + length.fingerprint, now + lastsSeconds);
      const proof = proofOf(proved, place);
      return proof && toHex(proved) + toHex(proof);
    },
  };
}
