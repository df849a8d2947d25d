/**
 * A purchase from one's own gateway with play money, step by step: what a buyer sees.
 */
import { z } from 'zod';
import * as Bolt11 from '../../core/Bolt11.ts';
import * as Challenge from '../../core/Challenge.ts';
import * as Credential from '../../core/Credential.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { GatewayConfig } from '../../gateway/index.ts';
import type { Payer } from '../../lightning/Lightning.ts';
import * as Fields from '../Fields.ts';
import { type Call, defineStream } from '../Operation.ts';

const item = z.object({
  step: z.enum(['asked', 'challenged', 'paid', 'answered', 'ended']).describe('`ended`: nothing more comes, and why.'),
  sentence: z.string(),
  status: z.int().nullable(),
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
  body: z.string().describe('Its beginning.'),
  amountMsat: Fields.msat.nullable(),
  paymentHash: Fields.digest.nullable(),
});

type Step = z.input<typeof item>;

/** `tries.buy` */
export const buyTry = defineStream({
  name: 'tries.buy',
  scope: 'operate',
  form: 'events',
  summary: 'Buy from this gateway with play money, step by step.',
  description: 'On the sandbox alone: the request, the 402 that it gets, the payment, and the answer. The proof of the payment is not told.',
  input: z.object({
    path: z
      .string()
      .regex(/^\/[\x21-\x7e]{0,2000}$/, 'begins with / and has no spaces')
      .describe('What to ask for, such as `/api/v1/translate?text=hello`.'),
    method: z.enum(['GET', 'POST', 'PUT', 'DELETE']).optional().describe('Default: GET.'),
    body: z.string().max(65_536).optional().describe('JSON to send along.'),
  }),
  output: item,
  items: async function* (input, call) {
    const { buyer } = call;
    const config = call.config();
    if (config.network !== 'sandbox' || buyer === undefined) {
      throw new FareboxError('ADMIN_TARGET_UNKNOWN', 'This gateway sells for real money. Buy from it with: farebox get <url> --max "10 sat"');
    }
    const payer = await buyer();
    try {
      yield* buy(payer, urlOf(config, input.path), input, call);
    } finally {
      await payer.close();
    }
  },
});

async function* buy(
  payer: Payer,
  url: string,
  { method = 'GET', body }: { readonly method?: string | undefined; readonly body?: string | undefined },
  { signal }: Call,
): AsyncGenerator<Step> {
  const send = (more: Readonly<Record<string, string>> = {}) =>
    fetch(url, {
      method,
      redirect: 'manual',
      signal,
      headers: { Accept: 'application/json, */*;q=0.5', ...typeOf(body), ...more },
      ...(body !== undefined && { body }),
    });
  yield { ...nothing, step: 'asked', sentence: `${method} ${url}` };
  const first = await send();
  if (first.status !== 402) {
    yield await answered(first, first.ok ? 'It is free: the answer came without a payment.' : 'It was refused before any price was named.');
    return;
  }
  const chosen = Challenge.choose(Challenge.parse(first.headers.get('www-authenticate') ?? ''));
  if (chosen === undefined) {
    yield await answered(first, 'The 402 names no way to pay that we know.');
    return;
  }
  const invoice = Bolt11.decode(chosen.invoice);
  const facts = { amountMsat: String(invoice.amountMsat ?? 0n), paymentHash: invoice.paymentHash };
  yield { ...(await answered(first, 'The gateway asks for a payment: an invoice, and a token that it makes good.')), ...facts, step: 'challenged' };
  const outcome = await payer.pay({ invoice: chosen.invoice, maxFeeMsat: maxFeeMsat as never, timeoutSeconds: 30 }, signal);
  if (outcome.kind !== 'settled') {
    yield { ...nothing, ...facts, step: 'ended', sentence: `The payment was not made: ${outcome.message}` };
    return;
  }
  yield { ...nothing, ...facts, step: 'paid', sentence: 'The wallet paid the invoice, and got the preimage that proves it.' };
  const { token } = chosen;
  const second = await send({ Authorization: Credential.format({ scheme: 'L402', token, preimage: outcome.preimage }) });
  yield {
    ...(await answered(second, second.ok ? 'The token and the preimage together bought the answer.' : 'The answer is not what was hoped for.')),
    ...facts,
  };
}

/** Fees are play money, too. */
const maxFeeMsat = 10_000n;

const nothing = { status: null, headers: [], body: '', amountMsat: null, paymentHash: null };

/** So much of a body is shown. */
const shownCharacters = 2000;

/** So much of a header: enough to see what it is, and too little to use it. */
const shownOfHeader = 72;

async function answered(response: Response, sentence: string): Promise<Step> {
  const headers = [...response.headers]
    .slice(0, 24)
    .map(([name, value]) => ({ name, value: value.length > shownOfHeader ? `${value.slice(0, shownOfHeader)}…` : value }));
  // A 402's body holds the whole token and its invoice: what of it matters stands in the headers.
  const body = response.status === 402 ? '' : await beginningOf(response);
  if (response.status === 402) await response.body?.cancel();
  return { ...nothing, step: 'answered', sentence, status: response.status, headers, body };
}

/** The beginning of a body, of which there may be no end. */
async function beginningOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > shownCharacters) break;
  }
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}

function typeOf(body: string | undefined): Readonly<Record<string, string>> {
  return body === undefined ? {} : { 'Content-Type': 'application/json' };
}

/** Where the gateway itself listens; never anywhere else. */
function urlOf({ listen, tls }: GatewayConfig, path: string): string {
  if (tls !== undefined)
    throw new FareboxError('ADMIN_TARGET_UNKNOWN', 'This gateway speaks TLS, with a certificate that is not ours to believe. Buy from it with: farebox get');
  const host = listen.host === '0.0.0.0' ? '127.0.0.1' : listen.host === '::' ? '[::1]' : listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `http://${host}:${listen.port}${path}`;
}
