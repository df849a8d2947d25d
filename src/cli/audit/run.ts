/**
 * An audit from its first ask to its last. Nothing that a server does ends it: what cannot be told is an outcome.
 */
import { printable } from '../Terminal.ts';
import type { Offer } from './Offer.ts';
import { type Outcome, type Probe, type Severity, severities, skipped, unknown, unreachableCode } from './Probe.ts';
import { NoToken } from './Purse.ts';
import { probes } from './probes.ts';
import { locationOf } from './refusing.ts';
import { createVisit, type Visit, type VisitOptions } from './Visit.ts';
import { Silence } from './Wire.ts';

/** A probe and what came of it. */
export type Done = { readonly probe: Probe; readonly outcome: Outcome };

export type AuditOptions = VisitOptions & {
  /** The names of the probes to run; default: all that can be run. */
  readonly only?: readonly string[];
  /** Told once what is for sale, before anything else is asked. */
  readonly onOffer?: (offer: Offer) => void;
  /** Told of every probe as it ends. */
  readonly onDone?: (done: Done) => void;
};

export type Audit =
  | { readonly kind: 'done'; readonly done: readonly Done[]; readonly requests: number; readonly payments: number; readonly spentMsat: bigint }
  /** There was nothing to audit. */
  | { readonly kind: 'impossible'; readonly why: string; readonly exitCode: number };

/** Runs the probes, one after the other. What aborts `signal` is thrown. */
export async function runAudit(options: AuditOptions): Promise<Audit> {
  const visit = createVisit(options);
  const chosen = probes.filter(({ name, pays }) => (options.only ? options.only.includes(name) : options.payer !== undefined || !pays));
  const impossible = await open(visit, options);
  if (impossible) return impossible;
  const done: Done[] = [];
  const found = new Set<string>();
  for (const probe of chosen) {
    const follows = probe.follows?.find((name) => found.has(name));
    const outcome = follows === undefined ? await runOne(probe, visit) : skipped(`it follows from ${follows}`);
    options.signal.throwIfAborted();
    if (outcome.kind === 'finding') found.add(probe.name);
    done.push({ probe, outcome });
    options.onDone?.({ probe, outcome });
  }
  return { kind: 'done', done, requests: visit.requests(), payments: visit.purse.payments(), spentMsat: visit.purse.spentMsat() };
}

/** What was found, the worst first. */
export function findingsOf(done: readonly Done[]): readonly (Done & { readonly outcome: Extract<Outcome, { kind: 'finding' }> })[] {
  const order = Object.keys(severities) as Severity[];
  return done
    .flatMap(({ probe, outcome }) => (outcome.kind === 'finding' ? [{ probe, outcome }] : []))
    .sort((a, b) => order.indexOf(a.probe.severity) - order.indexOf(b.probe.severity));
}

/** 0: nothing was found, and all that a program can tell was told. 1: something was found that is more than advice. */
export function exitCodeFor(audit: Audit): number {
  if (audit.kind === 'impossible') return audit.exitCode;
  if (findingsOf(audit.done).some(({ probe }) => probe.severity !== 'advice')) return 1;
  return Math.max(...audit.done.map(({ outcome }) => (outcome.kind === 'unknown' ? outcome.exitCode : 0)), 0);
}

/** The first ask; an answer where there is nothing to audit. */
async function open(visit: Visit, options: AuditOptions): Promise<Audit | undefined> {
  try {
    const offer = await visit.offer();
    const { status } = offer.reply;
    if (status === 402) {
      options.onOffer?.(offer);
      return undefined;
    }
    const where = printable(`${visit.method} ${visit.target}`).slice(0, 120);
    const moved = status >= 300 && status < 400 ? ` to ${locationOf(offer.reply)}: audit that` : ': it asks for no payment';
    return { kind: 'impossible', why: `${where} was answered ${status}${moved}`, exitCode: 2 };
  } catch (error) {
    if (error instanceof Silence) return { kind: 'impossible', why: `No answer: ${error.message}`, exitCode: unreachableCode };
    throw error;
  }
}

async function runOne(probe: Probe, visit: Visit): Promise<Outcome> {
  try {
    return await probe.run(visit);
  } catch (error) {
    if (error instanceof Silence) return unknown(`no answer: ${error.message}`, unreachableCode);
    if (error instanceof NoToken) return unknown(error.message, error.exitCode);
    throw error;
  }
}
