/**
 * `buy_credit`: a balance that calls are taken from, bought or added to.
 */
import { FareboxError } from '../../core/Errors.ts';
import { paymentOf } from '../kept.ts';
import { readSaid, topUpKept } from '../topUp.ts';
import type { AgentTool, ToolResult } from './AgentTool.ts';
import { readAnswer } from './answer.ts';
import { amountSchema, within } from './fetch.ts';
import { objectOf } from './input.ts';
import { fence, plain } from './outside.ts';
import { requestOf, requestProperties } from './request.ts';
import { toolOf } from './toolOf.ts';
import type { Workshop } from './Workshop.ts';
import { answerData, paymentData, sayAnswer, sayPayment, sayTerms } from './words.ts';

type CreditInput = { readonly url: string; readonly max?: string };

const never = new AbortController().signal;

/** Makes the tool. */
export function creditTool(shop: Workshop): AgentTool {
  return toolOf<CreditInput>(shop, {
    name: 'buy_credit',
    title: 'Buy or top up a balance',
    description:
      'Add to the balance (a bucket of calls, or a credit) that was bought for this address before; where there is none, buy one, if that is what is sold ' +
      'there, with a GET of the address. How much one payment adds is up to the seller.',
    inputSchema: objectOf(
      {
        url: requestProperties.url,
        max: { ...amountSchema, description: 'The most that it may cost, fee included, such as "950 sat". It never raises the operator’s limits.' },
      },
      ['url'],
    ),
    readOnly: false,
    run: async ({ url: text, max }, signal) => {
      const { url, init } = requestOf({ url: text }, signal);
      const client = max === undefined ? shop.client : within(shop, max);
      const toppedUp = await topUpKept(client, url, signal ?? never);
      if (toppedUp) return sayToppedUp(toppedUp);
      const quote = await client.quote(url, init);
      if (quote.kind === 'refused') throw new FareboxError(quote.code, quote.message, { details: quote.details });
      if (quote.kind === 'free') await quote.response.body?.cancel();
      if (quote.kind !== 'priced' || !(quote.terms === 'credit' || quote.terms === 'bucket')) {
        const sold = quote.kind === 'priced' ? `One payment buys ${sayTerms(quote.terms)} there` : 'Nothing has to be paid there';
        const message = `${sold}, and no balance is kept for it. Nothing was paid. Use fetch.`;
        throw new FareboxError('CHALLENGE_REFUSED', message, { details: { host: url.host } });
      }
      const response = await quote.pay(signal && { signal });
      const payment = paymentOf(response);
      const answer = await readAnswer(response, shop.maxAnswerChars);
      return {
        text: [sayPayment(payment), 'The first call of it was made.', sayAnswer(answer), fence(shop.random, url.origin, answer.content)].join('\n'),
        structured: { kind: 'bought', ...answerData(answer), payment: paymentData(payment), untrusted: { content: answer.content } },
        isError: response.status >= 400,
      };
    },
  });
}

async function sayToppedUp(response: Response): Promise<ToolResult> {
  const payment = paymentOf(response);
  const { credit, units, toppedUp } = await readSaid(response);
  const added = credit ?? (units === undefined ? undefined : `${units} units`);
  const much = added === undefined ? 'what was paid for' : plain(String(added), 40);
  const text =
    toppedUp === true ? `The seller says that ${much} was added to the balance.` : 'The seller says that it had been added before: nothing was added now.';
  const structured = {
    kind: 'topped-up',
    status: response.status,
    toppedUp: toppedUp === true,
    added: added === undefined ? null : much,
    payment: paymentData(payment),
  };
  return { text: `${sayPayment(payment)} ${text}`, structured, isError: response.status >= 400 };
}
