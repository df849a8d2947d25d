/**
 * The demo's buyer: a program of its own, in a process of its own, with a wallet of its own. It tells its parent what goes over the wire,
 * secrets shortened.
 */
import { type ClientEvent, createFetch, paymentOf } from '../../client/index.ts';
import { connectSandbox, type SandboxAddress } from '../../lightning/sandbox.ts';

/** What the parent sends once. */
export type BuyerOrder = { readonly sandbox: SandboxAddress; readonly wallet: string; readonly url: string; readonly max: string };

/** What the buyer tells. */
export type BuyerReport =
  | { readonly kind: 'request'; readonly method: string; readonly url: string; readonly authorization: string | undefined }
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly statusText: string;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: string;
    }
  | { readonly kind: 'wallet'; readonly spendableMsat: string }
  | { readonly kind: 'paying'; readonly amountMsat: string; readonly maxFeeMsat: string }
  | { readonly kind: 'paid'; readonly amountMsat: string; readonly feeMsat: string; readonly ms: number; readonly paymentHash: string }
  | { readonly kind: 'done'; readonly status: number; readonly body: string; readonly requests: number; readonly ms: number }
  | { readonly kind: 'failed'; readonly message: string };

/** Waits for its order, buys, and tells. Never throws. */
export async function runBuyer(): Promise<void> {
  const tell = (report: BuyerReport) => void process.send?.(report);
  const order = await new Promise<BuyerOrder>((resolve) => process.once('message', (message) => resolve(message as BuyerOrder)));
  try {
    await buy(order, tell);
  } catch (error) {
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  }
  process.disconnect?.();
}

async function buy(order: BuyerOrder, tell: (report: BuyerReport) => void): Promise<void> {
  const sandbox = connectSandbox(order.sandbox);
  const payer = sandbox.payer(order.wallet);
  tell({ kind: 'wallet', spendableMsat: String((await payer.balance()).spendableMsat) });
  let requests = 0;
  let payingSinceMs = 0;
  const observed = async (url: string, init?: RequestInit): Promise<Response> => {
    requests++;
    const authorization = new Headers(init?.headers).get('authorization') ?? undefined;
    tell({ kind: 'request', method: init?.method ?? 'GET', url, authorization: authorization && shortenCredential(authorization) });
    const response = await fetch(url, init);
    const headers = [...response.headers].flatMap(([name, value]) => splitChallenges(name, value).map((line) => [name, line] as const));
    tell({ kind: 'response', status: response.status, statusText: response.statusText, headers, body: await response.clone().text() });
    return response;
  };
  const onEvent = (event: ClientEvent) => {
    if (event.kind === 'paying') {
      payingSinceMs = performance.now();
      tell({ kind: 'paying', amountMsat: String(event.amountMsat), maxFeeMsat: String(event.maxFeeMsat) });
    }
    if (event.kind === 'paid') {
      const { amountMsat, feeMsat, paymentHash } = event;
      tell({ kind: 'paid', amountMsat: String(amountMsat), feeMsat: String(feeMsat), ms: performance.now() - payingSinceMs, paymentHash });
    }
  };
  const payingFetch = createFetch({ payer, maxPerRequest: order.max, fetch: observed, onEvent });
  const startedAtMs = performance.now();
  const response = await payingFetch(order.url);
  const body = await response.text();
  const ms = performance.now() - startedAtMs;
  await sandbox.close();
  if (!paymentOf(response)) throw new Error('the answer came without a payment');
  tell({ kind: 'done', status: response.status, body, requests, ms });
}

/** `fetch` joins the lines of a header; a server sends one for each scheme. */
function splitChallenges(name: string, value: string): readonly string[] {
  return name === 'www-authenticate' ? value.split(/, (?=(?:L402|LSAT) )/) : [value];
}

/** Token and preimage by their first digits alone. */
function shortenCredential(authorization: string): string {
  return authorization.replace(/^(\S+) (\S{12})\S*:(\S{8})\S*$/, '$1 $2…:$3…');
}
