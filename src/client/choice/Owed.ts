/**
 * What is owed: a provider was paid for an answer, or may have been, and has not given it. Until it has, the same question goes to nobody else.
 */
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { Input } from './request.ts';

/** An answer that was paid for, or may have been. */
export type Debt = {
  readonly provider: string;
  /** `unknown`: whether it was paid is not known. */
  readonly kind: 'paid' | 'unknown';
  readonly paymentHash: string;
};

/** What is owed, by question. */
export type Owed = {
  readonly to: (question: string) => Debt | undefined;
  readonly add: (question: string, debt: Debt) => void;
  readonly clear: (question: string) => void;
  readonly toJSON: () => unknown;
};

/** Starts with what was saved; what cannot be read of it is left out. */
export function create(saved: unknown): Owed {
  const all = new Map<string, Debt>(Array.isArray(saved) ? saved.slice(-mostDebts).flatMap(debtIn) : []);
  return {
    to: (question) => all.get(question),
    add: (question, debt) => {
      all.delete(question);
      all.set(question, debt);
      const [oldest] = all.keys();
      if (all.size > mostDebts && oldest !== undefined) all.delete(oldest);
    },
    clear: (question) => void all.delete(question),
    toJSON: () => [...all].map(([question, debt]) => ({ question, ...debt })),
  };
}

/** Names a question without telling it. */
export function questionOf(service: string, input: Input): string {
  const sorted = Object.entries(input).sort(([a], [b]) => (a < b ? -1 : 1));
  return toHex(sha256(fromUtf8(JSON.stringify([service, sorted]))));
}

const mostDebts = 1000;

function debtIn(value: unknown): readonly (readonly [string, Debt])[] {
  const { question, provider, kind, paymentHash }: { readonly [name: string]: unknown } = typeof value === 'object' && value !== null ? { ...value } : {};
  if (typeof question !== 'string' || typeof provider !== 'string' || typeof paymentHash !== 'string' || !/^[0-9a-f]{64}$/.test(paymentHash)) return [];
  return kind === 'paid' || kind === 'unknown' ? [[question, { provider, kind, paymentHash }]] : [];
}
