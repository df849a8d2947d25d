/**
 * `list_credentials`: what is kept and good. A credential is named by the payment that bought it; it is never shown itself.
 */
import { nowAt } from '../../core/Clock.ts';
import { formatAt } from '../../core/Time.ts';
import { clientOf } from '../createClient.ts';
import type { Payment } from '../Journal.ts';
import * as Tokens from '../Tokens.ts';
import type { AgentTool } from './AgentTool.ts';
import { objectOf } from './input.ts';
import { plain } from './outside.ts';
import { requestOf, requestProperties } from './request.ts';
import { toolOf } from './toolOf.ts';
import type { Workshop } from './Workshop.ts';
import { money, sayTerms } from './words.ts';

const most = 50;

/** Makes the tool. */
export function credentialsTool(shop: Workshop): AgentTool {
  return toolOf<{ readonly url?: string }>(shop, {
    name: 'list_credentials',
    title: 'List kept credentials',
    description:
      'List the credentials that were bought and are still good: where, what they buy, what is left and until when. fetch uses them by itself. ' +
      'No credential is shown: each is named by its payment hash.',
    inputSchema: objectOf({ url: { ...requestProperties.url, description: 'Only those of the server at this address.' } }),
    readOnly: true,
    run: async ({ url }) => {
      const { store, left } = clientOf(shop.client);
      const origin = url === undefined ? undefined : requestOf({ url }, undefined).url.origin;
      const at = nowAt(shop.clock);
      const good = (await store.list(['settled', 'redeemed'])).filter(
        (payment) => payment.usable && !Tokens.isExpired(payment, at) && (origin === undefined || payment.origin === origin),
      );
      const shown = good.slice(-most).reverse();
      const lines = shown.map((payment) => sayCredential(payment, left.get(payment.paymentHash)));
      const head =
        good.length === 0
          ? 'No credential is kept.'
          : `${good.length} credential${good.length === 1 ? '' : 's'}${good.length > most ? `, the newest ${most} of them` : ''}:`;
      return {
        text: [head, ...lines].join('\n'),
        structured: { count: good.length, credentials: shown.map((payment) => credentialData(payment, left.get(payment.paymentHash))) },
        isError: false,
      };
    },
  });
}

function sayCredential(payment: Payment, left: string | undefined): string {
  const { paymentHash, origin, path, method, amountMsat } = payment;
  const { terms, validUntil } = Tokens.readingOf(payment);
  const until = validUntil === undefined ? '' : `, until ${formatAt(validUntil)}`;
  const rest = left === undefined ? '' : `, left: ${plain(left, 40)}`;
  return `payment ${paymentHash}: ${sayTerms(terms)}${rest}${until}; bought for ${money(amountMsat)} with ${method} ${plain(origin + path)}`;
}

function credentialData(payment: Payment, left: string | undefined): object {
  const { paymentHash, origin, path, method, amountMsat, createdAt } = payment;
  const { terms, validUntil } = Tokens.readingOf(payment);
  const bought = { paymentHash, origin, method, path, boughtFor: money(amountMsat), boughtAt: formatAt(createdAt) };
  return { ...bought, terms, left: left === undefined ? null : plain(left, 40), validUntil: validUntil === undefined ? null : formatAt(validUntil) };
}
