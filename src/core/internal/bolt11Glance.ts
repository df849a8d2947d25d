/**
 * What an invoice of one's own node asks for, to see that it is the one that was asked for: on the path of every 402, where reading all of it took a
 * tenth of the answer. Clients read invoices whole.
 */
import type { InvoiceFields } from '../Bolt11.ts';
import type { PaymentHash } from '../Preimage.ts';
import { timestampWords } from './bolt11Draft.ts';
import { signatureWords } from './bolt11Signature.ts';
import { hashWords, tagOf } from './bolt11Tags.ts';
import { malformed, readText } from './bolt11Text.ts';
import { readBytes } from './bolt11Words.ts';
import { toHex } from './bytes.ts';

/**
 * The amount, and the hash by which it is paid, in half the time of `Bolt11.peek`.
 *
 * Checked: text, checksum and amount as there; that every field ends before the signature begins; that there is one payment hash. Of the other
 * fields nothing is read.
 *
 * @throws INVOICE_MALFORMED – for whatever is wrong with what is checked
 */
export function glance(text: string): Pick<InvoiceFields, 'amountMsat' | 'paymentHash'> {
  const { words, amountMsat } = readText(text);
  const to = words.length - signatureWords;
  let hashAt: number | undefined;
  for (let at = timestampWords; at < to; ) {
    const start = at + 3;
    const end = start + (words[at + 1] as number) * 32 + (words[at + 2] as number);
    if (end > to) throw malformed('its last field is cut off');
    if (words[at] === tagOf.p && end - start === hashWords) {
      if (hashAt !== undefined) throw malformed('its field "p" stands twice');
      hashAt = start;
    }
    at = end;
  }
  if (hashAt === undefined) throw malformed('it has no payment hash (field "p")');
  return { amountMsat, paymentHash: toHex(readBytes(words, hashAt, hashAt + hashWords)) as PaymentHash };
}
