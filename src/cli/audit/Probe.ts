/**
 * What a probe of `farebox audit` is, and what can come of one.
 */
import type { Visit } from './Visit.ts';

/** How bad it is when a probe fails, the worst first. */
export const severities = {
  'loses money': 'somebody gets what is sold for less than its price, or pays and gets nothing',
  forges: 'somebody makes, widens or plants what only the server may',
  leaks: 'a secret, or what was sold to one, reaches another',
  'breaks clients': 'an honest client cannot buy, or not safely',
  advice: 'it works, and could be better; no reason to worry',
} as const;

export type Severity = keyof typeof severities;

/** What the probes are about, in the order in which they run. */
export const groups = {
  offer: 'The offer',
  credentials: 'Credentials that nobody paid for',
  paid: 'What was paid for',
  requests: 'Ways around the price',
  answers: 'The answers together',
} as const;

export type Group = keyof typeof groups;

/** What came of a probe. */
export type Outcome =
  | { readonly kind: 'ok'; readonly saw: string }
  /** Each a sentence without its full stop: what was asked, and what came. */
  | { readonly kind: 'finding'; readonly saw: readonly string[] }
  /** It could not be told; `exitCode` is what the audit ends with for it where nothing was found: 0 where only a person can tell. */
  | { readonly kind: 'unknown'; readonly why: string; readonly exitCode: number }
  /** It was not asked: it makes no sense here, or an earlier finding has answered it. */
  | { readonly kind: 'skipped'; readonly why: string };

/** One thing that is tried. */
export type Probe = {
  /** Lower-case words with hyphens. */
  readonly name: string;
  readonly group: Group;
  /** What is asked, in words. */
  readonly asks: string;
  readonly severity: Severity;
  /** What it means when it fails. */
  readonly means: string;
  /** How to mend it, in a sentence. */
  readonly mend: string;
  /** Whether it needs a token that was paid for. */
  readonly pays?: true;
  /** Findings that answer it already, or leave it without a meaning: it is not asked behind one of them. */
  readonly follows?: readonly string[];
  readonly run: (visit: Visit) => Outcome | Promise<Outcome>;
};

export function ok(saw: string): Outcome {
  return { kind: 'ok', saw };
}

export function finding(...saw: readonly string[]): Outcome {
  return { kind: 'finding', saw };
}

export function unknown(why: string, exitCode = 0): Outcome {
  return { kind: 'unknown', why, exitCode };
}

export function skipped(why: string): Outcome {
  return { kind: 'skipped', why };
}

/** The exit code for an answer that did not come. */
export const unreachableCode = 7;
