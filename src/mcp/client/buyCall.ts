/**
 * A tool call that is bought: to the engine that pays, a request like any other.
 *
 *     POST <server>/tools/<name>, the arguments as its body
 *
 *     the server says                                      to the engine
 *     a result                                             200
 *     a result with `isError`, and a challenge in `_meta`  402, the challenge as `WWW-Authenticate`
 *     a result with `isError`, and why it is refused       that status, with `Retry-After`
 *     any other with `isError`, or an error of JSON-RPC    500: what buys one answer is good for another try
 *     nothing                                              nothing: whoever has paid keeps the credential
 *
 * The credential goes out as the proof in `_meta`. What a receipt says of the charge goes before what the status says.
 *
 * @see Tool Payment Profile 0.1 (bolthub), "MCP profile"; docs/wire.md, "The client"; docs/decisions/0058-a-tool-call-is-a-request.md
 */
import type { Client } from '../../client/Client.ts';
import { exchange } from '../../client/exchange.ts';
import { paymentOf, type ResponsePayment } from '../../client/kept.ts';
import * as Outgoing from '../../client/Outgoing.ts';
import type { Msat } from '../../core/Amount.ts';
import * as ToolPayment from '../ToolPayment.ts';
import { watchPrice } from './DearerCall.ts';
import * as Seller from './Seller.ts';

/** A call, as it is asked for. */
export type ToolCall = {
  readonly name: string;
  readonly arguments: ToolPayment.JsonObject;
  /** The caller's own `_meta`. */
  readonly meta: ToolPayment.JsonObject | undefined;
  /** What the tool was said to cost. */
  readonly advertisedMsat: Msat | undefined;
  readonly signal: AbortSignal | undefined;
};

/** What every result of a tool has, as far as paying is concerned. */
export type ToolResult = { readonly isError?: unknown; readonly _meta?: unknown };

/** Sends the call once, with this `_meta`. */
export type SendCall<Result> = (meta: ToolPayment.JsonObject | undefined, signal: AbortSignal) => Promise<Result>;

/** The result, and what was paid for it where it was not free. */
export type BoughtCall<Result> = { readonly result: Result; readonly payment: ResponsePayment | undefined };

/**
 * Makes a call, and pays for it where it is asked to.
 * @throws what sending throws; `FareboxError`s as the client's `fetch` does
 */
export async function buyCall<Result extends ToolResult>(
  client: Client,
  seller: Seller.Seller,
  call: ToolCall,
  send: SendCall<Result>,
): Promise<BoughtCall<Result>> {
  const { name, meta, advertisedMsat, signal = new AbortController().signal } = call;
  const own = ownCredential(call);
  const outgoing = Outgoing.make({
    place: seller,
    href: Seller.hrefOf(seller, name),
    method: 'POST',
    headers: own === undefined ? {} : { authorization: own },
    body: bodyOf(call.arguments),
    signal,
  });
  const watch = watchPrice(client.budget, advertisedMsat);
  const results = new WeakMap<Response, () => Result>();
  const fetch: Outgoing.Fetch = async (_, init) => {
    const credential = own === undefined ? new Headers(init.headers).get('authorization') : null;
    const said = await sendOnce(send, credential === null ? meta : { ...meta, ...proofOf(credential) }, init.signal ?? signal);
    results.set(said.response, said.result);
    watch.answered(said.response);
    return said.response;
  };
  const response = await exchange({ ...client, fetch, budget: watch.budget }, outgoing, client.newCall()).catch((error: unknown) => {
    throw watch.inWords(error);
  });
  const result = results.get(response);
  if (!result) throw new TypeError('exchange: it handed out an answer that was none of the call');
  return { result: result(), payment: paymentOf(response) };
}

/** The arguments as one text, in whatever order they were given: calls with the same one are the same call. */
function bodyOf(given: ToolPayment.JsonObject): string {
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const sorted = (_: string, value: unknown) => (isObject(value) ? Object.fromEntries(Object.entries(value as object).sort(byName)) : value);
  return JSON.stringify(given, sorted);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** A credential that the caller brings along; then none of ours is shown, and nothing is paid. */
function ownCredential({ meta, arguments: given }: ToolCall): string | undefined {
  const argument = given[ToolPayment.credentialArgument];
  return ToolPayment.parseProof(meta) ?? (typeof argument === 'string' ? `L402 ${argument}` : undefined);
}

function proofOf(credential: string): ToolPayment.JsonObject {
  const [, token = '', preimage = ''] = /^\S+ +(.+):([^:]+)$/.exec(credential) ?? [];
  return { [ToolPayment.paymentKey]: ToolPayment.formatProof(token, preimage) };
}

/** What came back, and what it is to the engine. */
type Said<Result> = { readonly response: Response; readonly result: () => Result };

async function sendOnce<Result extends ToolResult>(
  send: SendCall<Result>,
  meta: ToolPayment.JsonObject | undefined,
  signal: AbortSignal,
): Promise<Said<Result>> {
  let result: Result;
  try {
    result = await send(meta, signal);
  } catch (error) {
    if (!isAnswer(error)) throw error;
    const rethrow = () => {
      throw error;
    };
    return { response: new Response(null, { status: 500 }), result: rethrow };
  }
  return { response: responseTo(result), result: () => result };
}

/** What the SDK says for itself: the connection is closed, or time is up. */
const notOfServers: readonly unknown[] = [-32_000, -32_001];

/** Whether an error is the server's own word. By its name, since the SDK comes in two builds. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'McpError' && 'code' in error && !notOfServers.includes(error.code);
}

/** What a result would be over HTTP, as far as paying is concerned. */
function responseTo({ isError, _meta }: ToolResult): Response {
  const challenge = isError === true ? ToolPayment.parseChallenge(_meta) : undefined;
  if (challenge) return paymentRequired(challenge, _meta);
  const headers = new Headers();
  const set = (name: string, value: unknown) => {
    // Whatever a server says, it becomes a header that can be sent, or none.
    if ((typeof value === 'string' || typeof value === 'number') && /^[\w .:-]{1,40}$/.test(String(value))) headers.set(name, String(value));
  };
  set('L402-Payment', ToolPayment.parseReceipt(_meta)?.payment);
  set('L402-Remaining', fieldOf(_meta, ToolPayment.receiptKey).remaining);
  if (isError !== true) return new Response(null, { status: 200, headers });
  const refusal = fieldOf(_meta, ToolPayment.errorKey);
  const status = refusals.find((one) => one === refusal.status) ?? 500;
  set('Retry-After', refusal.retryAfterSeconds);
  // A credential that is no good: another 401 would be the tool's own.
  if (status === 401) headers.set('WWW-Authenticate', 'L402 error="refused"');
  return new Response(null, { status, headers });
}

/** What a refusal's status can mean to whoever pays; see docs/wire.md, "The credential a server accepts". */
const refusals: readonly number[] = [401, 402, 403, 409, 422, 429, 503];

function fieldOf(meta: unknown, name: string): ToolPayment.JsonObject {
  const value = typeof meta === 'object' && meta !== null && Object.hasOwn(meta, name) ? (meta as ToolPayment.JsonObject)[name] : undefined;
  return typeof value === 'object' && value !== null ? (value as ToolPayment.JsonObject) : {};
}

/** All that a challenge says of its price goes along, so that whatever contradicts the invoice is found. */
function paymentRequired({ offers, saidSat }: ToolPayment.ReadChallenge, meta: unknown): Response {
  const headers = new Headers({ 'Content-Type': 'application/json' });
  for (const { scheme, token, invoice } of offers) headers.append('WWW-Authenticate', `${scheme} macaroon="${token}", invoice="${invoice}"`);
  const said = fieldOf(meta, ToolPayment.paymentKey);
  const body = { ...said, ...offerPrice(said, saidSat), ...(saidSat !== undefined && { amount: saidSat, unit: 'sat' }) };
  return new Response(JSON.stringify(body), { status: 402, headers });
}

/** The price that an offer says for itself, where it is another one than the challenge's. */
function offerPrice({ offers }: ToolPayment.JsonObject, saidSat: number | undefined): ToolPayment.JsonObject {
  const prices = (Array.isArray(offers) ? offers : []).flatMap((offer: unknown) => {
    const { scheme, amount, asset } = (offer ?? {}) as ToolPayment.JsonObject;
    return scheme === 'l402' && asset === 'sat' && amount !== saidSat ? [amount] : [];
  });
  return prices.length === 0 ? {} : { amountSat: prices[0] };
}
