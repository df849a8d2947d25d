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
  /** As JSON: what was saved, also by others since, with what has changed here. */
  readonly over: (saved: unknown) => unknown;
};

/** Starts with what was saved; what cannot be read of it is left out. */
export function create(saved: unknown): Owed {
  const all = readDebts(saved);
  const changed = new Set<string>();
  return {
    to: (question) => all.get(question),
    add: (question, debt) => {
      put(all, question, debt);
      changed.add(question);
    },
    clear: (question) => {
      all.delete(question);
      changed.add(question);
    },
    over: (now) => {
      const debts = readDebts(now);
      for (const question of changed) put(debts, question, all.get(question));
      return [...debts].map(([question, debt]) => ({ question, ...debt }));
    },
  };
}

function readDebts(saved: unknown): Map<string, Debt> {
  return new Map(Array.isArray(saved) ? saved.slice(-mostDebts).flatMap(debtIn) : []);
}

function put(all: Map<string, Debt>, question: string, debt: Debt | undefined): void {
  all.delete(question);
  if (debt === undefined) return;
  all.set(question, debt);
  const [oldest] = all.keys();
  if (all.size > mostDebts && oldest !== undefined) all.delete(oldest);
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
