/** Caveats held against requests, and credentials verified under keys that are known. */
import * as Amount from '../../../src/core/Amount.ts';
import * as Caveat from '../../../src/core/Caveat.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import { toHex } from '../../../src/core/internal/bytes.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import { noDenials } from '../../../src/server/Denials.ts';
import { createIntrospect } from '../../../src/server/Introspection.ts';
import * as Offer from '../../../src/server/Offer.ts';
import * as Price from '../../../src/server/Price.ts';
import * as Caveats from '../../../src/server/policies/Caveats.ts';
import type { PolicyContext } from '../../../src/server/policies/Policy.ts';
import { pass } from '../../../src/server/terms/Pass.ts';
import { createVerifier } from '../../../src/server/Verifier.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { linesOf, must, same, type Target, unless } from '../Target.ts';
import { goodToken, mint, mintedCaveats, nowAt, paymentHash, preimage, rootKeys } from './samples.ts';

const context: PolicyContext = {
  service: 'api',
  tier: 0,
  method: 'GET',
  path: '/data/a',
  pattern: '/data/*',
  priced: '',
  nowAt,
  capabilities: [],
  preimage,
};

const requests: readonly Partial<PolicyContext>[] = [
  {},
  { method: 'POST' },
  { path: '/data/a/b', capabilities: ['read'] },
  { path: '/data/b' },
  { path: '/other', pattern: undefined },
  { nowAt: nowAt + 1800 },
  { nowAt: nowAt + 3601 },
  { service: 'other' },
  { tier: 1 },
  { priced: 'aa' },
];

const caveatWords = [
  ...['scope=', 'path_prefix=', 'expires=', 'valid_until=', 'method=', 'token_id=', 'budget_id=', 'preimage=', 'services='],
  ...['api_capabilities=', 'api_path=', 'api_method=', 'api_valid_until=', 'api_price=', 'api_terms=', 'api_priced=', 'other_path='],
  ...['/data', '/data/*', '/*', 'GET', 'POST', 'HEAD', 'api:0', 'api:1', ',other:0', 'read', 'write', 'pass', 'per-request', '50 sat', preimage],
  ...[String(nowAt + 1800), String(nowAt + 3600), String(nowAt + 9999), '2027-01-15T08:00:00Z', ' = ', '"', "'", '\n', ','],
];

/** A plan: caveats that a holder adds, a line each. */
const attenuation: Target = {
  name: 'attenuation',
  form: 'text',
  longest: 600,
  batch: 60,
  seeds: [
    'scope = "/data/a"',
    'method=GET,POST\nmethod=GET',
    `expires="2027-01-15T08:10:00Z"\nvalid_until=${nowAt + 60}`,
    'services=api:0,other:0',
    'api_capabilities=read\napi_path=/data/a\napi_valid_until=1800000100',
    `preimage=${preimage}\ntoken_id=x`,
    'api_price=1 sat',
    'api_terms=pass',
  ],
  words: caveatWords,
  run: (input) => {
    const added = linesOf(input);
    const outcomes = requests.map((request) => {
      const held = [0, Math.min(1, added.length - 1), added.length - 1, added.length].map((kept) =>
        Caveats.check([...mintedCaveats, ...added.slice(0, kept)], { ...context, ...request }),
      );
      for (let at = 1; at < held.length; at++) checkNarrower(held[at - 1] as Outcome, held[at] as Outcome);
      return held[3] as Outcome;
    });
    return outcomes;
  },
};

type Outcome = ReturnType<typeof Caveats.check>;

/** What holds with more caveats holds with fewer, and says no more of its bearer. */
function checkNarrower(wider: Outcome, narrower: Outcome): void {
  if (narrower.kind === 'fails') return;
  must(wider.kind === 'holds', 'a caveat widens a token');
  must(narrower.validUntil <= wider.validUntil && narrower.tier <= wider.tier, 'a caveat makes a token last longer, or stand higher');
  must(
    narrower.capabilities.every((one) => wider.capabilities.includes(one)),
    'a caveat adds a capability',
  );
  same([narrower.amountMsat, narrower.terms, narrower.mintedUntil], [wider.amountMsat, wider.terms, wider.mintedUntil], 'what was sold');
}

/** A plan: all caveats of a token, as somebody with another key could mint it. */
const caveats: Target = {
  name: 'caveats',
  form: 'text',
  longest: 1500,
  batch: 60,
  seeds: [
    mintedCaveats.join('\n'),
    [...mintedCaveats, 'scope=/data'].join('\n'),
    ['services=api:0,other:3', ...mintedCaveats.slice(1), 'other_path=/x'].join('\n'),
  ],
  words: caveatWords,
  run: (input) => {
    const all = linesOf(input);
    return requests.map((request) => {
      const strict = Caveats.check(all, { ...context, ...request });
      const lax = Caveats.check(all, { ...context, ...request }, true);
      if (strict.kind === 'holds') same(lax, strict, 'what holds strictly holds laxly');
      if (strict.kind === 'holds')
        must(
          all.every((text) => unless(() => Caveat.parse(text), 'CAVEAT_MALFORMED') !== undefined),
          'a caveat that cannot be read holds',
        );
      must(strict.kind === 'fails' || (strict.amountMsat >= 0n && strict.validUntil <= strict.mintedUntil), 'facts that are none');
      return strict;
    });
  },
};

const foreign = Macaroon.format(Macaroon.mint(new Uint8Array(32), Macaroon.parse(goodToken).identifier, mintedCaveats));
const shown: { readonly [name: string]: string } = {
  T: goodToken,
  H: toHex(Macaroon.encode(mint([...mintedCaveats, `preimage=${preimage}`]))),
  N: Macaroon.format(mint([...mintedCaveats, 'method=GET', 'scope=/data'])),
  F: foreign,
  P: preimage,
  W: '00'.repeat(32),
};

const verify = createVerifier(rootKeys);
const { preimage: _, ...demand } = context;

/** A plan: header lines, in which `{T}` is a good token, `{P}` its preimage, `{W}` a wrong one, `{F}` a foreign token, `{H}` one in hex, `{N}` a narrowed one. */
const verifier: Target = {
  name: 'verifier',
  form: 'text',
  longest: 500,
  batch: 50,
  seeds: [
    'authorization: L402 {T}:{P}',
    'authorization: Bearer x, LSAT {N}:{P}',
    'l402-authorization: L402 {F},{T}:{P}',
    'macaroon: {H}',
    'authorization: L402 {T}:{W}\nmacaroon: {H}',
    'authorization: L402 {F}:{P}\ngrpc-metadata-macaroon: 00',
  ],
  words: [
    'authorization: ',
    'l402-authorization: ',
    'macaroon: ',
    'grpc-metadata-macaroon: ',
    'L402 ',
    'LSAT ',
    '{T}',
    '{P}',
    '{N}',
    '{F}',
    '{H}',
    '{W}',
    ':',
    ',',
    '\n',
    '"',
  ],
  run: (input) => {
    const lines = linesOf(input).map((line) => line.replace(/\{([THNFPW])\}/g, (_, name: string) => shown[name] as string));
    const valuesOf = (name: string) => lines.flatMap((line) => (line.toLowerCase().startsWith(`${name}:`) ? [line.slice(name.length + 1).trim()] : []));
    const view = {
      method: 'GET',
      target: '/',
      clientAddress: '',
      header: (name: string) => valuesOf(name)[0],
      headerLines: valuesOf,
      readBody: async () => undefined,
    };
    const outcome = verify(view, demand);
    if (outcome.kind === 'verified') {
      same(outcome.principal.paymentHash, paymentHash, 'whose payment');
      must(input.includes('{P}') || input.includes('{H}'), 'verified without its preimage');
      must(/\{[TNH]\}/.test(input), 'verified without a token of ours');
    } else if (outcome.kind === 'failed') {
      must(
        !outcome.error.message.includes(preimage.slice(0, 16)) && !JSON.stringify(outcome.error.details).includes(preimage.slice(0, 16)),
        'a preimage in an error',
      );
      must(outcome.error.message.length < 5000, 'a long message');
    }
    return outcome.kind === 'failed' ? { ...outcome.error.details, code: outcome.error.code } : outcome;
  },
};

const introspect = createIntrospect({
  keys: rootKeys,
  denials: noDenials,
  store: undefined,
  clock: FixedClock.create(nowAt),
  skipUnknownCaveats: false,
  takesOf: () => 1n,
});
const offer = Offer.create({ service: 'api', route: '/data/*', pattern: '/data/*', price: Price.fixed('50 sat'), terms: pass({ seconds: 3600 }) });

/** What a service hands over, in which `{T}` and its like stand for what they do above: never said to be good where the gateway refuses it. */
const introspected: Target = {
  name: 'introspected',
  form: 'text',
  longest: 400,
  batch: 50,
  seeds: ['L402 {T}:{P}', '{T}:{P}', '{T}', ' LSAT {N}:{P}\n', '{H}', '{F}:{P}', '{T},{T}:{P}', '{T}:{W}'],
  words: ['L402 ', 'LSAT ', '{T}', '{P}', '{N}', '{F}', '{H}', '{W}', ':', ',', ' ', '\n', '02'],
  run: async (input) => {
    const text = input.replace(/\{([THNFPW])\}/g, (_, name: string) => shown[name] as string);
    const { preimage: _, nowAt: __, ...demand } = context;
    const said = await introspect(text, { demand, offer, priceMsat: Amount.fromSat(50) });
    if (said.kind === 'unknown') return said;
    must(said.why === undefined || FareboxError.is(said.why), 'an error of ours');
    const told = JSON.stringify(said, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
    must(!told.includes(preimage), 'a preimage is told');
    if (said.why !== undefined) return said.why.code;
    const line = text.trim();
    const bare = line.replace(/^(L402|LSAT)[ \t]+/i, '');
    // A token that holds its proof itself is sent in a header of its own, in hex.
    const alone = bare.includes(':') ? undefined : bare.startsWith('02') ? bare : toHex(Macaroon.encode(Macaroon.parse(bare)));
    const header = alone === undefined ? (['authorization', bare === line ? `L402 ${line}` : line] as const) : (['macaroon', alone] as const);
    const lines = (name: string) => (name === header[0] ? [header[1]] : []);
    const view = {
      method: 'GET',
      target: '/',
      clientAddress: '',
      header: (name: string) => lines(name)[0],
      headerLines: lines,
      readBody: async () => undefined,
    };
    must(createVerifier(rootKeys)(view, context).kind === 'verified', 'said to be good, and refused');
    return said.tokenId;
  },
};

export const targets: readonly Target[] = [attenuation, caveats, verifier, introspected];
