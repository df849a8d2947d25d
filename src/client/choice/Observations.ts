/**
 * What was seen of each provider: its last answers, how long they took and what they cost. Bounded: a provider is judged by the last twenty times.
 */
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';

/** One time that a provider was asked. */
export type Observation = {
  /** It gave an answer that could be used. */
  readonly ok: boolean;
  /** From the question to the end of the answer. */
  readonly ms: number;
};

/** What is known of one provider. */
export type Seen = {
  /** The last times, the newest last. */
  readonly times: readonly Observation[];
  /** What its last invoice asked; undefined where there was none. */
  readonly priceMsat: Msat | undefined;
};

/** Keeps observations beyond this process, such as in a file. What several processes write at once may be lost: it is no money. */
export type ObservationStore = {
  /** What was saved last; undefined for nothing. What cannot be read counts as nothing. */
  readonly load: () => unknown | Promise<unknown>;
  /** JSON keeps it as it is. */
  readonly save: (value: unknown) => void | Promise<void>;
};

/** All that was seen. */
export type Observations = {
  readonly of: (service: string, provider: string) => Seen;
  readonly noteTime: (service: string, provider: string, observation: Observation) => void;
  readonly notePrice: (service: string, provider: string, priceMsat: Msat) => void;
  readonly toJSON: () => unknown;
};

/** Starts with what was saved; what cannot be read of it is left out. */
export function create(saved: unknown): Observations {
  const all = new Map<string, Seen>(readSaved(saved));
  const of = (service: string, provider: string) => all.get(keyOf(service, provider)) ?? nothing;
  const put = (service: string, provider: string, seen: Seen) => {
    const key = keyOf(service, provider);
    // The one that was seen last stands last: what falls out is what was not seen for longest.
    all.delete(key);
    all.set(key, seen);
    const [oldest] = all.keys();
    if (all.size > mostProviders && oldest !== undefined) all.delete(oldest);
  };
  return {
    of,
    noteTime: (service, provider, observation) => {
      const { times, priceMsat } = of(service, provider);
      put(service, provider, { times: [...times, observation].slice(-mostTimes), priceMsat });
    },
    notePrice: (service, provider, priceMsat) => put(service, provider, { times: of(service, provider).times, priceMsat }),
    toJSON: () => ({
      version: 1,
      seen: [...all].map(([key, { times, priceMsat }]) => ({ key, times, ...(priceMsat === undefined ? {} : { priceMsat: priceMsat.toString() }) })),
    }),
  };
}

const mostTimes = 20;
const mostProviders = 10_000;
const nothing: Seen = { times: [], priceMsat: undefined };

function keyOf(service: string, provider: string): string {
  return `${service}\n${provider}`;
}

function readSaved(saved: unknown): readonly (readonly [string, Seen])[] {
  const { version, seen } = fieldsOf(saved);
  if (version !== 1 || !Array.isArray(seen)) return [];
  return seen.slice(-mostProviders).flatMap((one: unknown) => {
    const { key, times, priceMsat } = fieldsOf(one);
    if (typeof key !== 'string' || !Array.isArray(times)) return [];
    const price = typeof priceMsat === 'string' && /^\d{1,18}$/.test(priceMsat) ? Amount.fromMsat(BigInt(priceMsat)) : undefined;
    return [[key, { times: times.flatMap(observationIn).slice(-mostTimes), priceMsat: price }] as const];
  });
}

function observationIn(value: unknown): readonly Observation[] {
  const { ok, ms } = fieldsOf(value);
  return typeof ok === 'boolean' && typeof ms === 'number' && Number.isFinite(ms) && ms >= 0 ? [{ ok, ms }] : [];
}

function fieldsOf(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
