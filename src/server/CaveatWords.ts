/**
 * Caveats in plain English: what each one allows, and who wrote it.
 *
 * @see docs/wire.md, "The token"
 */
import * as Amount from '../core/Amount.ts';
import * as Caveat from '../core/Caveat.ts';
import * as Preimage from '../core/Preimage.ts';
import { formatAt, formatRelative } from '../core/Time.ts';
import { read as readCapabilities } from './policies/capabilities.ts';
import * as services from './policies/services.ts';
import * as sold from './policies/sold.ts';
import * as topUp from './policies/topUp.ts';

/** One caveat of a token. */
export type CaveatWords = {
  /** `minted` by the seller, or added by a `holder`; `unknown` where nothing tells the two apart. */
  readonly by: 'minted' | 'holder' | 'unknown';
  /** Empty where the caveat cannot be read. */
  readonly condition: string;
  /** As it stands; a preimage is left out. */
  readonly value: string;
  /** What it means, continuing "good …" where it narrows. */
  readonly means: string;
  /** Unix seconds, where it says until when the token is good. */
  readonly endsAt?: number;
};

/** What the words hang on besides the caveats. */
export type Surroundings = { readonly nowAt: number; readonly paymentHash: Preimage.PaymentHash | undefined };

/** The services that a token names, none where it is not one of L402's. */
export function servicesOf(caveats: readonly string[]): readonly string[] {
  const first = caveats[0] === undefined ? undefined : parse(caveats[0]);
  return first?.condition === services.condition ? (services.read(first.value) ?? []).map(({ name }) => name) : [];
}

/** Every caveat in order. Everything behind the first `<service>_terms` came from a holder; a token without one was not made here. */
export function describe(caveats: readonly string[], surroundings: Surroundings): readonly CaveatWords[] {
  const names = servicesOf(caveats);
  const ends = new Set(names.map(sold.termsCondition));
  const last = caveats.findIndex((text) => ends.has(parse(text)?.condition ?? ''));
  return caveats.map((text, index) => {
    const by = last < 0 ? 'unknown' : index <= last ? 'minted' : 'holder';
    const caveat = parse(text);
    if (caveat === undefined) {
      const value = isPreimage(text.trim(), surroundings) ? hidden : text;
      return { by, condition: '', value, means: 'cannot be read, so a gateway refuses the token' };
    }
    if (isProof(caveat, surroundings)) {
      const condition = isPreimage(caveat.condition, surroundings) ? hidden : caveat.condition;
      return { by, condition, value: hidden, means: 'carries the proof of payment' };
    }
    return { by, ...caveat, ...wordsFor(caveat, names, surroundings.nowAt) };
  });
}

/** A condition as it can be shown: what stands where one should may be a preimage. */
export function withoutProof(condition: string): string {
  return condition.replace(/[0-9a-f]{9,}/gi, (digits) => `${digits.slice(0, 8)}…`);
}

type Words = Pick<CaveatWords, 'means' | 'endsAt'>;
type Reader = (value: string, nowAt: number) => Words;

const hidden = '(not shown)';

/** Whether a caveat holds a secret: named so, or the preimage itself on either side. */
function isProof({ condition, value }: Caveat.Caveat, surroundings: Surroundings): boolean {
  return condition.toLowerCase() === 'preimage' || isPreimage(value, surroundings) || isPreimage(condition, surroundings);
}

function isPreimage(text: string, { paymentHash }: Surroundings): boolean {
  return paymentHash !== undefined && /^[0-9a-f]{64}$/i.test(text) && Preimage.proves(Preimage.parse(text), paymentHash);
}

function wordsFor({ condition, value }: Caveat.Caveat, names: readonly string[], nowAt: number): Words {
  const ofHolder = fromHolders.get(condition);
  if (ofHolder) return ofHolder(value, nowAt);
  for (const name of names) {
    const minted = condition.startsWith(`${name}_`) ? fromService.get(condition.slice(name.length + 1)) : undefined;
    if (minted === undefined) continue;
    const words = minted(value, nowAt);
    return names.length === 1 ? words : { ...words, means: `at the service ${name}: ${words.means}` };
  }
  return { means: `a gateway of Farebox does not know "${withoutProof(condition)}", and refuses the token` };
}

const until: Reader = (value, nowAt) => {
  const endsAt = Caveat.parseTime(value);
  if (endsAt === undefined) return { means: 'a time that cannot be read, so a gateway refuses the token' };
  return { means: `until ${formatAt(endsAt)} (${formatRelative(endsAt, nowAt)})`, endsAt };
};

const methods: Reader = (value) => {
  const listed = [...new Set(value.split(',').map((one) => one.trim()))].flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]));
  return { means: `with ${listed.join(', ').replace(/, ([^,]*)$/, ' and $1')} only` };
};

const below: Reader = (value) => {
  const path = value.replace(/\/?\*?$/, '');
  return { means: path === '' ? 'on every path' : `on ${path} and everything below it` };
};

const unreadable = 'a limit that cannot be read, so a gateway refuses the token';

const label: Reader = () => ({ means: "a holder's own label; it narrows nothing" });

/** Conditions whose name stands for itself. */
const fromHolders: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    services.condition,
    (value) => {
      const named = services.read(value);
      if (named === undefined) return { means: 'a list that cannot be read, so a gateway refuses the token' };
      return { means: `for the service ${named.map(({ name, tier }) => (tier === 0 ? name : `${name} (tier ${tier})`)).join(' and ')}` };
    },
  ],
  ['scope', below],
  ['path_prefix', below],
  ['method', methods],
  ['expires', until],
  ['valid_until', until],
  ['n_uses', (value) => ({ means: /^\d+$/.test(value) ? `for ${value} requests at most, counted together wherever this part is handed on` : unreadable })],
  [
    'max_sats',
    (value) => ({ means: /^\d+$/.test(value) ? `for ${value} sat of requests at most, counted together wherever this part is handed on` : unreadable }),
  ],
  ['part', () => ({ means: 'a word that tells this part from others with the same limits' })],
  ['token_id', label],
  ['budget_id', label],
  [topUp.condition, (value) => ({ means: `for nothing but adding to the balance ${value.slice(0, 8)}…, once` })],
]);

/** Conditions behind `<service>_`. */
const fromService: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['capabilities', (value) => ({ means: `for what it may do: ${readCapabilities(value).join(', ') || 'nothing'}` })],
  ['method', methods],
  ['path', (value) => ({ means: value.endsWith('/*') ? `on everything below ${value.slice(0, -1)}` : `on ${value} exactly` })],
  ['priced', () => ({ means: 'with the very inputs that its price was made from' })],
  ['valid_until', until],
  ['price', (value) => ({ means: `sold for ${value}` })],
  ['terms', (value) => ({ means: termsWords(value) })],
]);

function termsWords(value: string): string {
  const { kind, units } = sold.readTerms(value) ?? {};
  if (value === 'per-request') return 'for one request';
  if (value === 'pass') return 'for any number of requests';
  if (kind === 'bucket' && units !== undefined) return `for ${units} requests, or fewer that weigh more`;
  if (kind === 'credit' && units !== undefined && units <= Amount.maxMsat)
    return `for ${Amount.format(Amount.fromMsat(units))} of requests, at the price of each`;
  if (kind === 'bucket-topup' && units !== undefined) return `adds ${units} requests to a bucket`;
  if (kind === 'credit-topup' && units !== undefined && units <= Amount.maxMsat) return `adds ${Amount.format(Amount.fromMsat(units))} to a credit`;
  return `sold under the terms "${value}"`;
}

function parse(text: string): Caveat.Caveat | undefined {
  try {
    return Caveat.parse(text);
  } catch {
    return undefined;
  }
}
