/**
 * Where the keys that sign receipts are told to everybody, beside what is sold.
 *
 *     GET /.well-known/farebox/receipts.json     {"keys":[{"kty":"OKP","crv":"Ed25519","x":"…","kid":"…","alg":"EdDSA","use":"sig"}]}
 *
 * @see RFC 7517, section 5; RFC 8615
 */
import { FareboxError } from '../../core/Errors.ts';
import * as Problem from '../../http/Problem.ts';
import type { Answer } from '../../http/RequestView.ts';

/** A path that the gateway answers itself. */
export type OwnAnswer = (method: string, path: string) => Answer | undefined;

/** See the head of this file. */
export const receiptKeysPath = '/.well-known/farebox/receipts.json';

/** @param keySet - as JSON */
export function createReceiptKeys(keySet: () => string): OwnAnswer {
  return (method, path) => {
    if (path !== receiptKeysPath) return undefined;
    if (method !== 'GET' && method !== 'HEAD') {
      return { ...Problem.answer(new FareboxError('REQUEST_MALFORMED', 'Ask with GET or HEAD.'), [['Allow', 'GET, HEAD']]), status: 405 };
    }
    const headers: Answer['headers'] = [
      ['Content-Type', 'application/jwk-set+json'],
      ['Cache-Control', 'public, max-age=300'],
      ['Access-Control-Allow-Origin', '*'],
    ];
    return { status: 200, headers, body: keySet() };
  };
}
