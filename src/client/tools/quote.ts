/**
 * `quote`: what a call would cost, and whether it may be paid for. It pays nothing.
 */
import type { CallQuote, FreeQuote } from '../quoteCall.ts';
import type { AgentTool, ToolResult } from './AgentTool.ts';
import { readAnswer } from './answer.ts';
import { objectOf } from './input.ts';
import { fence, plain } from './outside.ts';
import { type RequestInput, requestOf, requestProperties } from './request.ts';
import { toolOf } from './toolOf.ts';
import type { Workshop } from './Workshop.ts';
import { answerData, money, sayAnswer, sayTerms } from './words.ts';

/** Makes the tool. */
export function quoteTool(shop: Workshop): AgentTool {
  return toolOf<RequestInput>(shop, {
    name: 'quote',
    title: 'Ask what a call costs',
    description:
      'Ask what an HTTP call would cost before buying it: the price in satoshis, what it buys, and whether the budget covers it. Nothing is paid. ' +
      'The request is sent as it is, once: where it turns out to be free, it has been carried out, and its answer comes with the quote.',
    inputSchema: objectOf(requestProperties, ['url']),
    readOnly: false,
    run: async (input, signal) => {
      const { url, init } = requestOf(input, signal);
      return sayQuote(shop, url, await shop.client.quote(url, init));
    },
  });
}

async function sayQuote(shop: Workshop, url: URL, quote: CallQuote): Promise<ToolResult> {
  switch (quote.kind) {
    case 'free':
      return sayFree(shop, url, quote);
    case 'covered': {
      const { paymentHash, amountMsat, terms, left, validUntil } = quote;
      const until = validUntil === undefined ? '' : `, until ${new Date(validUntil * 1000).toISOString()}`;
      const text = `Nothing more is to be paid: a credential bought before for ${money(amountMsat)} is kept for this (${sayTerms(terms)}${until}). Call fetch to use it.`;
      const structured = { kind: 'covered', paymentHash, boughtFor: money(amountMsat), terms, left: left ?? null, validUntil: validUntil ?? null };
      return { text, structured, isError: false };
    }
    case 'priced':
      return sayPrice(shop, quote);
    case 'refused': {
      const { code, message, details } = quote;
      const text = `${code}: ${plain(message, 1000)}\nThis offer is not paid: it could not be paid safely. Nothing was paid.`;
      return { text, structured: { kind: 'refused', error: { code, message: plain(message, 1000), details } }, isError: true };
    }
  }
}

function sayPrice(shop: Workshop, quote: CallQuote & { readonly kind: 'priced' }): ToolResult {
  const { url, method, amountMsat, maxFeeMsat, terms, allowed, expiresAt, description, buys, paymentHash, payee } = quote;
  const may =
    allowed === true
      ? `The budget covers it, and leaves ${money(maxFeeMsat)} for the fee, which comes on top.`
      : `It may not be paid now: ${plain(allowed.message, 1000)} Limits are the operator’s, and no tool can change one.`;
  const end = new Date(expiresAt * 1000).toISOString();
  const words = description === undefined ? [] : [fence(shop.random, `the seller at ${plain(url)}, who describes what is sold`, plain(description, 640))];
  return {
    text: [`${method} ${plain(url)} costs ${money(amountMsat)}. It buys ${sayTerms(terms)}. ${may} The offer is good until ${end}.`, ...words].join('\n'),
    structured: {
      kind: 'priced',
      ...{ url, method, paymentHash, payee, terms },
      price: money(amountMsat),
      priceMsat: String(amountMsat),
      feeRoom: money(maxFeeMsat),
      allowed: allowed === true ? true : { by: allowed.by, message: plain(allowed.message, 1000) },
      expiresAt: end,
      untrusted: { description: description?.slice(0, 640) ?? null, buys: shortJson(buys) },
    },
    isError: false,
  };
}

async function sayFree(shop: Workshop, url: URL, { response }: FreeQuote): Promise<ToolResult> {
  const answer = await readAnswer(response, shop.maxAnswerChars);
  const is402 = response.status === 402;
  const free = is402
    ? 'It asks for a payment in a way that this wallet does not speak. Nothing was paid.'
    : 'It is free, and was carried out: do not send it again for its answer.';
  return {
    text: [free, sayAnswer(answer), fence(shop.random, url.origin, answer.content)].join('\n'),
    structured: { kind: 'free', ...answerData(answer), untrusted: { content: answer.content } },
    isError: is402,
  };
}

/** What a body says that it buys, as far as it is short. */
function shortJson(value: unknown): unknown {
  return value === undefined || JSON.stringify(value).length > 2000 ? null : value;
}
