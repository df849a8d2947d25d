/**
 * `list_receipts`: what was paid for. A receipt for a model holds neither preimage nor token.
 */
import { formatAt } from '../../core/Time.ts';
import { clientOf } from '../createClient.ts';
import type { Payment } from '../Journal.ts';
import { listReceipts, type PurchaseReceipt } from '../receipts.ts';
import type { AgentTool } from './AgentTool.ts';
import { malformed, objectOf, type ValueSchema } from './input.ts';
import { plain } from './outside.ts';
import { toolOf } from './toolOf.ts';
import type { Workshop } from './Workshop.ts';
import { money } from './words.ts';

type ReceiptsInput = { readonly since?: string; readonly until?: string; readonly limit?: number };

const time: ValueSchema = { type: 'string', maxLength: 40, pattern: '^\\d{4}-\\d\\d-\\d\\d(T\\d\\d:\\d\\d(:\\d\\d)?Z)?$' };

/** Makes the tool. */
export function receiptsTool(shop: Workshop): AgentTool {
  return toolOf<ReceiptsInput>(shop, {
    name: 'list_receipts',
    title: 'List what was bought',
    description: 'List what was paid for, newest first: when, what it cost with its fee, which call it was for, and whether an answer came.',
    inputSchema: objectOf({
      since: { ...time, description: 'Paid then or later, such as 2026-11-01 or 2026-11-01T12:00Z.' },
      until: { ...time, description: 'Paid before then.' },
      limit: { type: 'integer', minimum: 1, maximum: 100, description: 'Most receipts. Default: 20.' },
    }),
    readOnly: true,
    run: async ({ since, until, limit = 20 }) => {
      const { store, budget } = clientOf(shop.client);
      // Of an agent with a budget of its own within others', what it has bought itself.
      const own = budget.chain.at(-1)?.name ?? '';
      const mine = new Set((await store.list()).filter(({ budgets }: Payment) => own === '' || budgets.includes(own)).map(({ paymentHash }) => paymentHash));
      const all = (await listReceipts(store, { since: readTime('since', since), until: readTime('until', until) })).filter(({ paymentHash }) =>
        mine.has(paymentHash),
      );
      const shown = all.slice(-limit).reverse();
      const spentMsat = all.reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n);
      const head =
        all.length === 0 ? 'Nothing has been paid for.' : `${money(spentMsat)} for ${all.length} payment${all.length === 1 ? '' : 's'}, fees included.`;
      const more = shown.length < all.length ? [`The newest ${shown.length} of them:`] : [];
      return {
        text: [head, ...more, ...shown.map(sayReceipt)].join('\n'),
        structured: { count: all.length, spent: money(spentMsat), receipts: shown.map(receiptData) },
        isError: false,
      };
    },
  });
}

function sayReceipt({ paidAt, amountMsat, feeMsat, method, origin, path, outcome, paymentHash }: PurchaseReceipt): string {
  return `${formatAt(paidAt)}  ${money(amountMsat)} and a fee of ${money(feeMsat)}  ${method} ${plain(origin + path)}  ${outcome}  payment ${paymentHash}`;
}

function receiptData({ paidAt, amountMsat, feeMsat, method, origin, path, outcome, paymentHash, bought, payee, network }: PurchaseReceipt): object {
  const { terms, description } = bought;
  const paid = { paymentHash, paidAt: formatAt(paidAt), amount: money(amountMsat), fee: money(feeMsat), payee: payee ?? null, network };
  return { ...paid, method, origin, path, terms, outcome, untrusted: { description: description?.slice(0, 640) ?? null } };
}

function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw malformed(`${name} is no time`);
  return Math.floor(ms / 1000);
}
