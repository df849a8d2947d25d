/**
 * What goes over the loopback connection: one table of calls, read by both ends.
 *
 *     POST /v1/<call>   Authorization: Bearer <token>   Content-Type: application/json
 *     200 <reply>   or   4xx, 5xx {"error":{"code","message"}}
 *
 * Amounts are decimal strings on the wire and bigint on both sides of it. A reply that does not fit its schema is no answer.
 */
import { z } from 'zod';
import { type Msat, maxMsat } from '../../core/Amount.ts';
import type { PaymentHash, Preimage } from '../../core/Preimage.ts';
import { failureReasons } from '../Lightning.ts';
import { maxOrders } from './InvoiceBatch.ts';
import { sandboxFaultKinds } from './Sandbox.ts';

/** A node's name: lower-case letters, digits and hyphens, at most 32. `hub` is taken. */
export const nodeName = /^(?!hub$)[a-z0-9][a-z0-9-]{0,31}$/;

/** Every call, by name. */
export type CallName = keyof typeof calls;
/** What a call is asked, as the called side has it. */
export type RequestOf<C extends CallName> = z.output<(typeof calls)[C]['request']>;
/** What a call answers, as the calling side has it. */
export type ReplyOf<C extends CallName> = z.output<(typeof calls)[C]['reply']>;

/** A sandbox as calls: the network itself, or a connection to it. Rejects with `LIGHTNING_UNAVAILABLE` or `LIGHTNING_UNAUTHORIZED`; with the signal's reason once it has aborted. */
export type Backend = { readonly [C in CallName]: (request: RequestOf<C>, signal?: AbortSignal) => Promise<ReplyOf<C>> } & {
  readonly close: () => Promise<void>;
};

/** A node by its name, with what it opens with where it is not there yet. */
export type NodeRef = z.output<typeof nodeRef>;

/** JSON with amounts as decimal strings. */
export function encode(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
}

/** What a body says, or undefined where it does not fit. */
export function decode<S extends z.ZodType>(schema: S, body: string): z.output<S> | undefined {
  try {
    return schema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

/** How every refusal looks. */
export const refusal = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

const name = z.string().regex(nodeName);
const msat = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform((text) => BigInt(text))
  .refine((value) => value <= maxMsat)
  .transform((value) => value as Msat);
const paymentHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as PaymentHash);
const preimage = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as Preimage);
const seconds = z.number().int().nonnegative();
const opening = { openingMsat: z.exactOptional(msat), inboundMsat: z.exactOptional(msat) };
const nodeRef = z.object({ name, ...opening });
const empty = z.object({});
const faultKind = z.enum(sandboxFaultKinds);
const failureReason = z.enum(failureReasons);
const fault = z.object({ node: name, kind: faultKind, payments: z.exactOptional(z.number().int().positive()) });

const sandboxNode = z.object({
  name: z.string(),
  alias: z.string(),
  nodeId: z.string(),
  spendableMsat: msat,
  heldMsat: msat,
  receivableMsat: msat,
  sentMsat: msat,
  feesPaidMsat: msat,
  receivedMsat: msat,
});

const sandboxPayment = z.object({
  paymentHash,
  payer: z.string(),
  payee: z.exactOptional(z.string()),
  amountMsat: msat,
  feeMsat: msat,
  state: z.enum(['pending', 'settled', 'failed']),
  reason: z.exactOptional(failureReason),
  fault: z.exactOptional(faultKind),
  startedAt: seconds,
  endedAt: z.exactOptional(seconds),
});

const invoiceState = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('open'), expiresAt: seconds }),
  z.object({ kind: z.literal('paid'), amountMsat: msat, settledAt: seconds }),
  z.object({ kind: z.literal('expired') }),
  z.object({ kind: z.literal('absent') }),
]);

const words = z
  .string()
  .optional()
  .transform((text) => text);
const settlement = z.object({ paymentHash, amountMsat: msat, settledAt: seconds, description: words, cursor: z.string() });

const ended = [
  z.object({ kind: z.literal('settled'), preimage, amountMsat: msat, feeMsat: msat }),
  z.object({ kind: z.literal('failed'), reason: failureReason, message: z.string() }),
  z.object({ kind: z.literal('unknown'), message: z.string() }),
] as const;
const outcome = z.discriminatedUnion('kind', [...ended]);
const tracked = z.discriminatedUnion('kind', [...ended, z.object({ kind: z.literal('pending') }), z.object({ kind: z.literal('absent') })]);

const order = { amountMsat: msat, description: z.string(), expirySeconds: z.number().int().positive() };
const created = z.object({ invoice: z.string(), paymentHash, expiresAt: seconds });

/** Call → what it is asked and what it answers. The first nine are a node's own; the others run the network. */
export const calls = {
  info: { request: z.object({ node: nodeRef }), reply: z.object({ alias: z.string(), nodeId: z.string() }) },
  createInvoice: { request: z.object({ node: nodeRef, ...order }), reply: created },
  /** All of them, in order, or none. */
  createInvoices: {
    request: z.object({ node: nodeRef, orders: z.array(z.object(order)).min(1).max(maxOrders) }),
    reply: z.object({ invoices: z.array(created) }),
  },
  lookupInvoice: { request: z.object({ node: nodeRef, paymentHash }), reply: invoiceState },
  /** Without `after`: the place where the node's settlements stand, at once. With it: what came behind, as soon as there is something. */
  settlements: {
    request: z.object({ node: nodeRef, after: z.exactOptional(z.string()) }),
    reply: z.object({ settlements: z.array(settlement), cursor: z.string() }),
  },
  pay: { request: z.object({ node: nodeRef, invoice: z.string(), maxFeeMsat: msat, timeoutSeconds: z.number().positive() }), reply: outcome },
  trackPayment: { request: z.object({ node: nodeRef, paymentHash }), reply: tracked },
  balance: { request: z.object({ node: nodeRef }), reply: z.object({ spendableMsat: msat }) },
  openNode: { request: z.object({ node: nodeRef }), reply: sandboxNode },
  addFunds: { request: z.object({ node: nodeRef, amounts: z.object(opening) }), reply: sandboxNode },
  setFault: { request: fault, reply: empty },
  clearFaults: { request: z.object({ node: z.exactOptional(name) }), reply: empty },
  faults: { request: empty, reply: z.object({ faults: z.array(fault) }) },
  releasePayment: { request: z.object({ paymentHash, as: z.enum(['settled', 'failed']) }), reply: z.object({ released: z.number().int().nonnegative() }) },
  setDelay: { request: z.object({ delayMs: z.number().int().nonnegative() }), reply: empty },
  audit: {
    request: empty,
    reply: z.object({
      fundedMsat: msat,
      spendableMsat: msat,
      heldMsat: msat,
      feesMsat: msat,
      balanced: z.boolean(),
      nodes: z.array(sandboxNode),
      payments: z.array(sandboxPayment),
    }),
  },
} as const satisfies Record<string, { readonly request: z.ZodType; readonly reply: z.ZodType }>;
