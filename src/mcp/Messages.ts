/**
 * JSON-RPC messages of the Model Context Protocol, as far as a seller looks at them.
 *
 * @see JSON-RPC 2.0; Model Context Protocol 2025-11-25, "Tools", "Cancellation"
 */
import type { JSONRPCMessage, MessageExtraInfo, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { canonicalOf } from './ToolOffers.ts';
import type { JsonObject } from './ToolPayment.ts';
import * as ToolPayment from './ToolPayment.ts';

/** A request that waits for an answer. */
export type Request = { readonly jsonrpc: '2.0'; readonly id: RequestId; readonly method: string; readonly params?: JsonObject };

/** An answer, or an error instead of one. */
export type Response = {
  readonly jsonrpc: '2.0';
  readonly id: RequestId;
  readonly result?: JsonObject;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
};

/** JSON-RPC's own codes, and one of the range that is left to servers. */
export const errorCodes = { invalidParams: -32602, internal: -32603, closed: -32000 } as const;

/** Under this name the server is told what one paid call and all its repetitions have in common; a client that says one is not charged twice for one call. */
export const idempotencyKey = 'farebox/idempotency-key';

/** The call of a tool, with what pays for it taken out. */
export type ReadCall = {
  readonly name: string;
  readonly args: JsonObject;
  /** The arguments in canonical form. */
  readonly canonical: string;
  readonly credentials: readonly string[];
  readonly idempotencyKey: string | undefined;
  /** Asks for the call to go on behind its answer. */
  readonly isTask: boolean;
  /** As the tool is to see them: without credential, proof and the client's name for the call. */
  readonly params: JsonObject;
};

/** Whether a value out of JSON has the form of a message; what stands in it is the two sides' own business. */
export function isMessage(value: unknown): value is JSONRPCMessage {
  if (typeof value !== 'object' || value === null) return false;
  const { jsonrpc, id, method, params, result, error } = value as { readonly [name: string]: unknown };
  if (jsonrpc !== '2.0' || !(id === undefined || typeof id === 'string' || Number.isSafeInteger(id))) return false;
  if (typeof method === 'string') return params === undefined || (typeof params === 'object' && params !== null && !Array.isArray(params));
  return id !== undefined && ((typeof result === 'object' && result !== null) || (typeof error === 'object' && error !== null));
}

export function isRequest(message: JSONRPCMessage): message is JSONRPCMessage & Request {
  return 'method' in message && 'id' in message;
}

export function isResponse(message: JSONRPCMessage): message is JSONRPCMessage & Response {
  return !('method' in message) && 'id' in message && message.id !== undefined;
}

/** Which request a cancellation takes back; undefined for every other message. */
export function cancelledId(message: JSONRPCMessage): RequestId | undefined {
  if (!('method' in message) || message.method !== 'notifications/cancelled') return undefined;
  const id = (message.params as { readonly requestId?: unknown } | undefined)?.requestId;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

/** A message that takes a request back. */
export function cancellation(requestId: RequestId, reason: string): JSONRPCMessage {
  return { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId, reason } };
}

/** The name of the tool that a request calls; undefined where it calls none. */
export function toolOf({ method, params }: Request): string | undefined {
  if (method !== 'tools/call') return undefined;
  return typeof params?.name === 'string' ? params.name : undefined;
}

/**
 * Whether a message calls a tool in a way that cannot be sold, and that a server may all the same take for a call: without a number, so that nobody can be
 * asked to pay, or by a name that is no text, such as `["search"]`, which JavaScript takes for `search`.
 */
export function isDoubtfulCall(message: JSONRPCMessage): boolean {
  if (!('method' in message) || message.method !== 'tools/call') return false;
  return !isRequest(message) || toolOf(message) === undefined;
}

/**
 * Takes a call apart. Credentials come from `_meta`, from the transport's `Authorization`, and from the argument, and each is tried; the tool sees none of
 * them.
 * @throws REQUEST_MALFORMED – arguments that have no canonical form
 */
export function readCall({ params = {} }: Request, extra: MessageExtraInfo | undefined, takesArgument: boolean): ReadCall {
  const { _meta, arguments: given } = params;
  const meta = asObject(_meta);
  const key = Object.hasOwn(meta, idempotencyKey) ? meta[idempotencyKey] : undefined;
  const { argument, args } = takesArgument ? takeArgument(asObject(given)) : { argument: undefined, args: asObject(given) };
  const credentials = linesOf(extra);
  if (typeof argument === 'string' && argument.length <= ToolPayment.maxProofLength) {
    credentials.unshift(`L402 ${argument.replace(/^\s*(?:L402|LSAT)\s+/i, '').trim()}`);
  }
  const named = ToolPayment.parseProof(meta);
  if (named !== undefined) credentials.unshift(named);
  return {
    name: String(params.name),
    args,
    canonical: canonicalOf(args),
    credentials,
    idempotencyKey: typeof key === 'string' && key.length > 0 && key.length <= 255 ? key : undefined,
    isTask: params.task !== undefined,
    params: { ...params, ...(given !== undefined && { arguments: args }), ...(_meta !== undefined && { _meta: withoutPayment(meta) }) },
  };
}

/** The arguments without the one that carries a credential, copied only where it is there. */
function takeArgument(given: JsonObject): { readonly argument: unknown; readonly args: JsonObject } {
  if (!Object.hasOwn(given, ToolPayment.credentialArgument)) return { argument: undefined, args: given };
  const { [ToolPayment.credentialArgument]: argument, ...args } = given;
  return { argument, args };
}

function withoutPayment(meta: JsonObject): JsonObject {
  const { [ToolPayment.paymentKey]: _proof, [idempotencyKey]: _key, ...others } = meta;
  return others;
}

/** What comes with a message, without the credential: whoever serves a paid call has no use for it. */
export function withoutCredential(extra: MessageExtraInfo | undefined): MessageExtraInfo | undefined {
  if (extra?.requestInfo === undefined || linesOf(extra).length === 0) return extra;
  const headers = Object.entries(extra.requestInfo.headers).filter(([name]) => name.toLowerCase() !== 'authorization');
  return { ...extra, requestInfo: { ...extra.requestInfo, headers: Object.fromEntries(headers) } };
}

/** Lines of `Authorization` in our scheme. Others are the transport's own business. */
function linesOf(extra: MessageExtraInfo | undefined): string[] {
  if (extra?.requestInfo === undefined) return [];
  return Object.entries(extra.requestInfo.headers)
    .filter(([name]) => name.toLowerCase() === 'authorization')
    .flatMap(([, value]) => value ?? [])
    .filter((line) => /\b(?:L402|LSAT)\s/i.test(line));
}

function asObject(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
