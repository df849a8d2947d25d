/**
 * The tagged fields of a BOLT 11 invoice, written. A draft that a reader would refuse is the caller's mistake.
 *
 * @see BOLT 11, Tagged Fields, Requirements of a writer
 */
import { maxMsat } from '../Amount.ts';
import type { Fallback, InvoiceDraft, RouteHop } from '../Bolt11.ts';
import { isPublicKey } from './bolt11Signature.ts';
import { fallbackVersions, featureProblem, hopLength, isFallbackLength, maxCltvExpiry, maxExpiresAt, tagOf } from './bolt11Tags.ts';
import { isChain } from './bolt11Text.ts';
import { toWords, writeNumber } from './bolt11Words.ts';
import { concat, fromHex, fromUtf8 } from './bytes.ts';

/** Groups of 5 bits of the timestamp. */
export const timestampWords = 7;
/** `var_onion_optin` and `payment_secret`, both required. */
export const defaultFeatures: readonly number[] = [8, 14];

/** A field holds 1,023 groups of 5 bits at most. */
const maxFieldWords = 1023;
/** Whole bytes in the longest field. */
const maxFieldBytes = 639;

/**
 * Timestamp and tagged fields, in the order of the examples in BOLT 11.
 * @throws TypeError – a field of another type
 * @throws RangeError – a value that no reader would accept
 */
export function writeDraft(draft: InvoiceDraft, publicKey: string): number[] {
  checkOutside(draft);
  const words = writeNumber(draft.createdAt, timestampWords);
  pushTag(words, tagOf.s, toWords(hexBytes(draft.paymentSecret, 'paymentSecret', 32)));
  pushTag(words, tagOf.p, toWords(hexBytes(draft.paymentHash, 'paymentHash', 32)));
  if (draft.description !== undefined) pushTag(words, tagOf.d, toWords(descriptionBytes(draft.description)));
  if (draft.descriptionHash !== undefined) pushTag(words, tagOf.h, toWords(hexBytes(draft.descriptionHash, 'descriptionHash', 32)));
  if (draft.metadata !== undefined) pushTag(words, tagOf.m, toWords(metadataBytes(draft.metadata)));
  if (draft.payee !== undefined) pushTag(words, tagOf.n, toWords(payeeBytes(draft.payee, publicKey)));
  if (draft.expirySeconds !== undefined) pushTag(words, tagOf.x, writeNumber(draft.expirySeconds));
  if (draft.minFinalCltvExpiry !== undefined) {
    checkInteger(draft.minFinalCltvExpiry, 'minFinalCltvExpiry', maxCltvExpiry);
    pushTag(words, tagOf.c, writeNumber(draft.minFinalCltvExpiry));
  }
  for (const fallback of draft.fallbacks ?? []) pushTag(words, tagOf.f, fallbackWords(fallback));
  for (const hops of draft.routeHints ?? []) pushTag(words, tagOf.r, toWords(routeHintBytes(hops)));
  const features = featureWords(draft.features ?? defaultFeatures);
  if (features.length > 0) pushTag(words, tagOf.features, features);
  return words;
}

function pushTag(words: number[], tag: number, data: readonly number[]): void {
  words.push(tag, data.length >> 5, data.length & 31, ...data);
}

function checkOutside(draft: InvoiceDraft): void {
  if (!isChain(draft.chain)) throw new RangeError(`chain is bitcoin, testnet, signet or regtest, not ${String(draft.chain)}`);
  if (draft.amountMsat !== undefined) {
    if (typeof draft.amountMsat !== 'bigint') throw new TypeError(`amountMsat is a bigint, not ${typeof draft.amountMsat}`);
    if (draft.amountMsat < 1n || draft.amountMsat > maxMsat)
      throw new RangeError(`amountMsat lies between 1 msat and 21,000,000 BTC, not at ${draft.amountMsat}`);
  }
  checkInteger(draft.createdAt, 'createdAt', 2 ** 35 - 1);
  if (draft.expirySeconds !== undefined) checkInteger(draft.expirySeconds, 'expirySeconds', maxExpiresAt - draft.createdAt);
  if ((draft.description === undefined) === (draft.descriptionHash === undefined)) {
    throw new TypeError('an invoice has either a description or a descriptionHash');
  }
}

function checkInteger(value: number, name: string, maximum: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} is a number, not ${typeof value}`);
  if (!Number.isSafeInteger(value) || value < 0 || value > maximum) throw new RangeError(`${name} is a whole number from 0 to ${maximum}, not ${value}`);
}

/** The value is left out of the message: one of these fields is a secret. */
function hexBytes(hex: string, name: string, length?: number): Uint8Array {
  if (typeof hex !== 'string') throw new TypeError(`${name} is a string of hex digits, not ${typeof hex}`);
  const bytes = fromHex(hex);
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) {
    throw new RangeError(`${name} is ${length === undefined ? 'an even number of' : 2 * length} hex digits`);
  }
  return bytes;
}

function descriptionBytes(description: string): Uint8Array {
  if (typeof description !== 'string') throw new TypeError(`description is a string, not ${typeof description}`);
  if (!description.isWellFormed()) throw new RangeError('description has half of a surrogate pair, which UTF-8 cannot hold');
  const bytes = fromUtf8(description);
  if (bytes.length > maxFieldBytes) throw new RangeError(`description is at most ${maxFieldBytes} bytes of UTF-8, not ${bytes.length}: use descriptionHash`);
  return bytes;
}

function metadataBytes(metadata: string): Uint8Array {
  const bytes = hexBytes(metadata, 'metadata');
  if (bytes.length > maxFieldBytes) throw new RangeError(`metadata is at most ${maxFieldBytes} bytes, not ${bytes.length}`);
  return bytes;
}

function payeeBytes(payee: string, publicKey: string): Uint8Array {
  const bytes = hexBytes(payee, 'payee', 33);
  if (payee.toLowerCase() !== publicKey) throw new RangeError(`payee is the public key of the private one, ${publicKey}, not ${payee}`);
  return bytes;
}

function featureWords(features: readonly number[]): number[] {
  const words: number[] = [];
  for (const bit of features) {
    checkInteger(bit, 'a feature bit', 5 * maxFieldWords - 1);
    const group = Math.floor(bit / 5);
    while (words.length <= group) words.push(0);
    words[group] = (words[group] as number) | (1 << (bit % 5));
  }
  const problem = featureProblem(features);
  if (problem !== undefined) throw new RangeError(`features: ${problem.reason}`);
  return words.reverse();
}

function fallbackWords(fallback: Fallback): number[] {
  const version = fallbackVersion(fallback);
  const bytes = hexBytes(fallback.kind === 'witness' ? fallback.program : fallback.hash, 'a fallback');
  if (!isFallbackLength(version, bytes.length)) throw new RangeError(`a fallback of version ${version} does not have ${bytes.length} bytes`);
  return [version, ...toWords(bytes)];
}

function fallbackVersion(fallback: Fallback): number {
  if (fallback.kind === 'pubkey-hash') return fallbackVersions.pubkeyHash;
  if (fallback.kind === 'script-hash') return fallbackVersions.scriptHash;
  checkInteger(fallback.version, 'a witness version', fallbackVersions.lastWitness);
  return fallback.version;
}

function routeHintBytes(hops: readonly RouteHop[]): Uint8Array {
  const maxHops = Math.floor(maxFieldBytes / hopLength);
  if (hops.length < 1 || hops.length > maxHops) throw new RangeError(`a route hint has 1 to ${maxHops} hops, not ${hops.length}`);
  return concat(...hops.map(hopBytes));
}

function hopBytes(hop: RouteHop): Uint8Array {
  const nodeId = hexBytes(hop.nodeId, 'nodeId', 33);
  if (!isPublicKey(hop.nodeId)) throw new RangeError(`nodeId is a public key, not ${hop.nodeId}`);
  const feeBaseMsat = Number(hop.feeBaseMsat);
  checkInteger(feeBaseMsat, 'feeBaseMsat', 0xffffffff);
  checkInteger(hop.feeProportionalMillionths, 'feeProportionalMillionths', 0xffffffff);
  checkInteger(hop.cltvExpiryDelta, 'cltvExpiryDelta', 0xffff);
  const [block = 0, transaction = 0, output = 0] = channelParts(hop.shortChannelId);
  const bytes = new Uint8Array(hopLength);
  const view = new DataView(bytes.buffer);
  bytes.set(nodeId);
  view.setUint32(33, block * 256);
  view.setUint32(36, transaction * 256);
  view.setUint16(39, output);
  view.setUint32(41, feeBaseMsat);
  view.setUint32(45, hop.feeProportionalMillionths);
  view.setUint16(49, hop.cltvExpiryDelta);
  return bytes;
}

function channelParts(shortChannelId: string): readonly number[] {
  const match = /^(\d{1,8})x(\d{1,8})x(\d{1,5})$/.exec(shortChannelId);
  const parts = match?.slice(1).map(Number) ?? [];
  const [block = Number.NaN, transaction = Number.NaN, output = Number.NaN] = parts;
  if (!(block <= 0xffffff && transaction <= 0xffffff && output <= 0xffff)) {
    throw new RangeError(`shortChannelId is block x transaction x output, such as 66051x263430x1800, not ${shortChannelId}`);
  }
  return parts;
}
