/**
 * What the paywall answers, as results of a tool: an `isError` result whose text a model can read and its user can act upon, the same as structured content,
 * and as `_meta` for clients that pay.
 *
 * @see src/mcp/ToolPayment.ts for what stands in `_meta`; docs/wire.md, sections 1, 2 and 6
 */
import * as Amount from '../core/Amount.ts';
import type { Clock } from '../core/Clock.ts';
import type { FareboxError } from '../core/Errors.ts';
import type { Answer } from '../http/RequestView.ts';
import * as Answers from '../server/Answers.ts';
import type { Principal } from '../server/Offer.ts';
import { receiptTime } from '../server/receipt.ts';
import type { ToolOffer } from './ToolOffers.ts';
import type { JsonObject } from './ToolPayment.ts';
import * as ToolPayment from './ToolPayment.ts';

/** The result of a tool call, as far as it is looked at. */
export type ToolResult = {
  readonly content: readonly JsonObject[];
  readonly structuredContent?: JsonObject;
  readonly isError?: boolean;
  readonly _meta?: JsonObject;
  readonly [name: string]: unknown;
};

/** Under this name stands what is left of what a tool gives away: `{ left }`. */
export const freeKey = 'farebox/free';

/** How a result may say what it says. */
export type Manner = {
  /** False where the tool's own schema says what structured content is: clients hold errors against it as well. */
  readonly isStructured: boolean;
  /** How a credential can be sent here, in words. */
  readonly takesArgument: boolean;
};

/**
 * A 402 as a result.
 *
 * The one place for challenges in other tongues: those of the `Payment` scheme (`_meta["org.paymentauth/…"]`) would stand beside ours here, and the JSON-RPC
 * error `-32042` instead of the result.
 */
export function challenge(answer: Answer, tool: ToolOffer, manner: Manner): ToolResult {
  const body = JSON.parse(String(answer.body)) as MintedBody;
  const amountMsat = Amount.fromMsat(BigInt(body.amountMsat));
  const asked: ToolPayment.Asked = {
    resource: tool.name,
    amountMsat,
    description: body.description,
    token: body.macaroon,
    invoice: body.invoice,
    expiresAt: Math.floor(Date.parse(body.expiresAt) / 1000),
    buys: body.buys,
  };
  const said = ToolPayment.formatChallenge(asked);
  const lines = [
    ...(body.code === 'PAYMENT_REQUIRED' ? [] : [`${body.code}: ${body.detail}`, '']),
    `Payment required. "${tool.name}" was not called, and nothing was charged.`,
    `Price: ${Amount.format(amountMsat)} (${body.description}), over Lightning, until ${body.expiresAt}.`,
    '',
    '1. Pay this invoice, once:',
    body.invoice,
    '2. The wallet shows a preimage (proof of payment), 64 hex digits. The credential is this token, a colon, and the preimage:',
    `${body.macaroon}:<preimage>`,
    `3. Call "${tool.name}" again with ${waysToSend(manner)}. ${whatItIsGoodFor(tool)}`,
    ...(tool.offer.consume === 'on-request' ? ['A call is charged when it is let through, also where the tool fails then.'] : []),
  ];
  return errorResult(lines.join('\n'), { code: body.code, ...said }, { [ToolPayment.paymentKey]: said }, manner);
}

/** Any other refusal of the paywall's as a result. */
export function refusal(answer: Answer, manner: Manner): ToolResult {
  const code = answer.problem?.code ?? 'REQUEST_REFUSED';
  const detail = answer.problem?.detail ?? 'This call was refused.';
  const retryAfter = answer.headers.find(([name]) => name === 'Retry-After')?.[1];
  const said: JsonObject = { code, status: answer.status, detail, ...(retryAfter !== undefined && { retryAfterSeconds: Number(retryAfter) }) };
  const wait = retryAfter === undefined ? '' : ` Call again in ${retryAfter} seconds.`;
  return errorResult(`${code}: ${detail}${wait}`, said, { [ToolPayment.errorKey]: said }, manner);
}

/** What the paywall has answered itself, such as to a top-up that was shown: the tool was not called. */
export function answered(answer: Answer, manner: Manner): ToolResult {
  const { message } = JSON.parse(String(answer.body)) as { readonly message?: string };
  const said: JsonObject = { status: answer.status, detail: message ?? 'Done.' };
  return errorResult(`${message ?? 'Done.'} The tool was not called.`, said, { [ToolPayment.errorKey]: said }, manner);
}

/** An error as a result. Its message and details are safe to show; its cause is not shown. */
export function failure(error: FareboxError, manner: Manner): ToolResult {
  return refusal(Answers.refusal(error), manner);
}

/** What a result of the tool's says of its payment, in `_meta` and, since hosts hide that, in a last line of text. @param headers - as the paywall has them */
export function withReceipt(result: ToolResult, headers: Answer['headers'], principal: Principal | undefined, clock: Clock): ToolResult {
  const header = (wanted: string) => headers.find(([name]) => name === wanted)?.[1];
  const payment = header('L402-Payment');
  const left = header('L402-Remaining');
  const free = header('L402-Free');
  if (free !== undefined) return { ...result, _meta: { ...result._meta, [freeKey]: { left: Number(free) } } };
  if (principal === undefined) return result;
  const receipt = { timestamp: receiptTime(clock), reference: principal.paymentHash, payment };
  const said = { ...ToolPayment.formatReceipt(receipt), ...(left !== undefined && { remaining: left }) };
  return {
    ...result,
    content: [...(Array.isArray(result.content) ? result.content : []), { type: 'text', text: receiptLine(receipt, left) }],
    _meta: { ...result._meta, [ToolPayment.receiptKey]: said },
  };
}

/** A listed tool with its price, in `_meta` and in words, and the argument that carries a credential. */
export function advertised(listed: JsonObject, tool: ToolOffer, takesArgument: boolean): JsonObject {
  const { terms, exactMsat } = tool.offer;
  const askedMsat = terms.priceMsat ?? tool.fromMsat;
  const amountMsat = askedMsat === undefined || exactMsat ? askedMsat : Amount.ceilToSat(askedMsat);
  const model = terms.kind === 'per-request' ? 'per_call' : 'prepaid';
  const buys = terms.describe();
  const meta = amountMsat === undefined ? {} : { [ToolPayment.paymentKey]: ToolPayment.formatAdvertisement({ amountMsat, model, buys }) };
  const text = typeof listed.description === 'string' && listed.description !== '' ? `${listed.description}\n\n` : '';
  return {
    ...listed,
    description: `${text}${priceInWords(tool, amountMsat)}`,
    ...(takesArgument && { inputSchema: withArgument(listed.inputSchema) }),
    // What is sold is not called as a task, where there is a choice.
    ...((listed.execution as { readonly taskSupport?: unknown } | undefined)?.taskSupport === 'optional' && { execution: { taskSupport: 'forbidden' } }),
    _meta: { ...(listed._meta as JsonObject | undefined), ...meta },
  };
}

type MintedBody = {
  readonly amountMsat: string;
  readonly description: string;
  readonly macaroon: string;
  readonly invoice: string;
  readonly expiresAt: string;
  readonly code: string;
  readonly detail: string;
  readonly buys: JsonObject;
};

function errorResult(text: string, structured: JsonObject, meta: JsonObject, { isStructured }: Manner): ToolResult {
  return { content: [{ type: 'text', text }], ...(isStructured && { structuredContent: structured }), isError: true, _meta: meta };
}

function waysToSend({ takesArgument }: Manner): string {
  const meta = `_meta["${ToolPayment.paymentKey}"] = {"scheme":"l402","proof":"<credential>"}`;
  return takesArgument ? `the same arguments and "${ToolPayment.credentialArgument}": "<credential>" (or ${meta})` : `the same arguments and ${meta}`;
}

function whatItIsGoodFor({ offer, dependsOnArguments }: ToolOffer): string {
  const { kind, binds, units } = offer.terms;
  if (kind === 'per-request') return 'It is good for this one call, with exactly these arguments.';
  const what = binds === 'service' ? 'calls of all tools that are sold with it' : dependsOnArguments ? 'calls with these arguments' : 'calls of this tool';
  return `It is good for ${what}: ${units}.`;
}

function receiptLine({ timestamp, reference, payment }: ToolPayment.Receipt, left: string | undefined): string {
  if (payment === 'not-charged') return `Not charged: the tool failed, and the credential of payment ${reference} works again.`;
  return `Paid over Lightning: payment ${reference}, ${timestamp}.${left === undefined ? '' : ` Left: ${left}.`}`;
}

/** `Costs 10 sat a call …`; `from 10 sat` where the arguments set it. */
function priceInWords({ offer, fromMsat, dependsOnArguments }: ToolOffer, asked: Amount.Msat | undefined): string {
  const { kind, units, priceMsat } = offer.terms;
  const paid = 'paid over Lightning (L402). Call it without payment to be told how.';
  const least = fromMsat === undefined ? undefined : Amount.format(fromMsat);
  if (asked === undefined || least === undefined) {
    if (dependsOnArguments) return `Paid tool: what a call costs depends on its arguments, ${paid}`;
    return `Paid tool, ${paid}`;
  }
  const from = dependsOnArguments ? 'from ' : '';
  if (kind === 'per-request') return `Paid tool: costs ${from}${Amount.format(asked)} a call, ${paid}`;
  const perCall = kind === 'credit' ? `, of which a call takes ${from}${least}` : '';
  return `Paid tool: ${priceMsat === undefined ? from : ''}${Amount.format(asked)} for ${units}${perCall}, ${paid}`;
}

/** The schema of a tool's arguments, with the one that carries a credential. A tool that has an argument of that name keeps it in words, and never sees it. */
function withArgument(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema;
  const { properties } = schema as { readonly properties?: unknown };
  const known = typeof properties === 'object' && properties !== null ? properties : {};
  if (Object.hasOwn(known, ToolPayment.credentialArgument)) return schema;
  const description = 'Only after this tool asked for payment and the invoice was paid: the credential, "<token>:<preimage>". Leave it out otherwise.';
  return { ...schema, properties: { ...known, [ToolPayment.credentialArgument]: { type: 'string', description } } };
}
