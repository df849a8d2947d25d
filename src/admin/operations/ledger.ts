/**
 * The books as rows, for whoever keeps books elsewhere.
 */
import { z } from 'zod';
import { valueAt } from '../../client/receipts/Rate.ts';
import type { Msat } from '../../core/Amount.ts';
import type { PageRate } from '../../gateway/config/ConfigPage.ts';
import { isoAt } from '../books/Time.ts';
import * as Fields from '../Fields.ts';
import { defineStream } from '../Operation.ts';
import { withoutStore } from './statistics.ts';

const kinds = ['settled', 'received', 'earned', 'reversed', 'repeated'] as const;

const pageSize = 1000;

/** `ledger.export` */
export const exportLedger = defineStream({
  name: 'ledger.export',
  scope: 'read',
  form: 'rows',
  summary: 'Write out the ledger, oldest first.',
  description:
    'A row an entry. The value in a currency and where its rate is from are columns of their own; the rate is the one that the configuration names now (`page.rate`), whatever it was when the entry was written; without one, they are empty.',
  input: z.object({
    fromAt: Fields.at.optional().describe('Unix seconds; entries that are not older.'),
    toAt: Fields.at.optional().describe('Unix seconds; entries that are older.'),
    kind: z.enum(kinds).optional().describe('Of this kind alone.'),
    service: z.string().optional().describe('Of this service alone.'),
    after: z.int().min(0).optional().describe('Behind the entry with this number.'),
  }),
  output: z.object({
    seq: z.int(),
    at: Fields.at,
    time: z.string().describe('The same, as ISO 8601 in UTC.'),
    kind: z.enum(kinds),
    amountMsat: Fields.msat,
    service: z.string(),
    route: z.string(),
    paymentHash: Fields.digest,
    note: z.string(),
    fiatValue: z.string(),
    fiatCurrency: z.string(),
    rateSource: z.string(),
  }),
  items: async function* ({ fromAt = 0, toAt = Number.MAX_SAFE_INTEGER, kind, service, after = 0 }, { store, signal, config }) {
    if (store === undefined) throw withoutStore();
    const rate = config().page?.rate;
    for (let place = after; !signal.aborted; ) {
      const rows = await store.ledger({ after: place, limit: pageSize });
      for (const row of rows) {
        place = row.seq;
        if (row.at < fromAt || row.at >= toAt || (kind !== undefined && row.kind !== kind) || (service !== undefined && row.service !== service)) continue;
        const { amountMsat, ...facts } = row;
        yield { ...facts, time: isoAt(row.at), amountMsat: String(amountMsat), ...worthOf(amountMsat, rate) };
      }
      if (rows.length < pageSize) return;
    }
  },
});

/** What an amount is worth at the operator's rate, to a millionth, and where that rate is from. */
function worthOf(amountMsat: Msat, rate: PageRate | undefined): { readonly fiatValue: string; readonly fiatCurrency: string; readonly rateSource: string } {
  if (rate === undefined) return { fiatValue: '', fiatCurrency: '', rateSource: '' };
  const { currency, bitcoin } = rate;
  const { amount } = valueAt(amountMsat, { currency, perBitcoin: String(bitcoin) });
  return { fiatValue: amount, fiatCurrency: currency, rateSource: `page.rate of the configuration: ${bitcoin} ${currency} a bitcoin` };
}
