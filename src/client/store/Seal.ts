/**
 * What may open something is kept sealed: tokens and preimages, in every store that outlives its process. So a copy of the store without its key (a
 * backup, a disk that was sold, a support bundle) buys nothing.
 *
 *     fbs1.<base64url( nonce[12] · box · tag[16] )>
 *
 * AES-256-GCM, a random nonce each time. What a text is and whose it is, is authenticated with it: a sealed text that is moved to another row, or to
 * another column, does not open. Which key seals a store is written in the store, and never read off a text: sellers choose what tokens look like.
 *
 * @see NIST SP 800-38D
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { type Random, systemRandom } from '../../core/Clock.ts';

/** Seals and opens with one key. */
export type Seal = {
  /** Names the key without telling it, 16 hex digits. */
  readonly keyId: string;
  /** @param what - which text of which row: it opens as that alone */
  readonly seal: (text: string, what: string) => string;
  /** @throws SealBroken – it was sealed with another key, as something else, or was changed */
  readonly open: (sealed: string, what: string) => string;
};

/** A sealed text that does not open. It says nothing of the text. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/** Length of a key, in bytes. */
export const keyLength = 32;

/** @throws TypeError – a key that is not 32 bytes */
export function createSeal(key: Uint8Array, random: Random = systemRandom): Seal {
  if (!(key instanceof Uint8Array) || key.length !== keyLength) throw new TypeError(`key is ${keyLength} bytes`);
  const own = Buffer.from(key);
  return {
    keyId: createHash('sha256').update('farebox/client-seal/1/').update(own).digest('hex').slice(0, 16),
    seal: (text, what) => {
      const nonce = random(nonceLength);
      const cipher = createCipheriv('aes-256-gcm', own, nonce, { authTagLength: tagLength });
      cipher.setAAD(Buffer.from(head + what));
      return head + Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },
    open: (sealed, what) => {
      const bytes = sealed.startsWith(head) ? Buffer.from(sealed.slice(head.length), 'base64url') : Buffer.alloc(0);
      if (bytes.length < nonceLength + tagLength) throw new SealBroken('what was kept sealed is cut off');
      const decipher = createDecipheriv('aes-256-gcm', own, bytes.subarray(0, nonceLength), { authTagLength: tagLength });
      decipher.setAAD(Buffer.from(head + what));
      decipher.setAuthTag(bytes.subarray(-tagLength));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(nonceLength, -tagLength)), decipher.final()]).toString('utf8');
      } catch {
        throw new SealBroken('what was kept sealed does not open with this key');
      }
    },
  };
}

const head = 'fbs1.';
const nonceLength = 12;
const tagLength = 16;
