/**
 * What a thief brings along: tokens altered in every way that needs no key, keys for the tests that ask what a key would be worth, and
 * bytes on a wire. And what it means that he gets nothing.
 */
import { connect } from 'node:net';
import { afterEach, expect } from 'vitest';
import * as Challenge from '../../src/core/Challenge.ts';
import * as Identifier from '../../src/core/Identifier.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import type { Network } from '../../src/lightning/Lightning.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import {
  type Ask,
  type Bought,
  credential,
  fetchOverHttp2,
  type Got,
  masterKey,
  openShop,
  routesOn,
  type Shop,
  type ShopName,
  type StandName,
  stands,
} from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { anyKind, isFar, opening, patienceWith } from './stores.ts';

/** What is bought and attacked, where a test names nothing else: 50 sat, one request. */
export const path = '/api/v1/translate?text=hello&target=es';

/** The stands that every row runs against; on a server one, as the stores are the same behind all of them. */
export const names: readonly StandName[] = isFar ? ['gateway'] : (Object.keys(stands) as StandName[]);

/** The same, and the gateway over HTTP/2: for the rows in which it matters how a request is written. */
export const wires: readonly ShopName[] = isFar ? names : [...names, 'gateway over HTTP/2'];

const open: Shop[] = [];
afterEach(async () => {
  for (const shop of open.splice(0)) await shop.close();
});

/** Opens a shop that is closed when the test ends. */
export async function enter(name: ShopName, overrides: Parameters<typeof openShop>[1] = {}, given: Parameters<typeof openShop>[2] = {}): Promise<Shop> {
  const store = given.store ?? opening(anyKind);
  const shop = await openShop(name, { ...patienceWith(store), ...overrides }, { ...given, store, ...(isFar && { routes: patient(given.routes ?? routesOn) }) });
  open.push(shop);
  return shop;
}

/** Routes that go by the last list of what was revoked: where a test's clock leaps, a server that has been asked seems to be away. */
function patient(routes: (upstream: Upstream) => readonly StandRoute[]): (upstream: Upstream) => readonly StandRoute[] {
  return (upstream) => routes(upstream).map((route) => ({ ...route, options: { outage: 'passes-only', ...route.options } }));
}

/** A request with these values of `Authorization`. */
export function auth(value: string | string[], more: { readonly [name: string]: string } = {}): Ask {
  return { headers: { ...more, authorization: value } };
}

/** The token with caveats behind its own, as anybody can write them, and the same proof. */
export function narrowed(bought: Pick<Bought, 'macaroon' | 'preimage'>, ...caveats: readonly string[]): string {
  return credential(Macaroon.format(Macaroon.attenuate(bought.macaroon, caveats)), bought.preimage).authorization;
}

/** The token with parts changed and everything else, the signature too, left as it was. */
export function changed(bought: Pick<Bought, 'macaroon' | 'preimage'>, parts: Partial<Macaroon.Macaroon>): string {
  return credential(Macaroon.format({ ...bought.macaroon, ...parts }), bought.preimage).authorization;
}

/** Asks unpaid, and pays nothing. */
export async function challengeOf(shop: Shop, target: string = path, ask: Ask = {}): Promise<{ token: string; macaroon: Macaroon.Macaroon; invoice: string }> {
  const got = await shop.get(target, ask);
  const challenge = Challenge.choose(Challenge.parse(got.lines));
  if (!challenge) throw new Error(`no challenge: ${got.status} ${got.body}`);
  return { token: challenge.token, macaroon: Macaroon.parse(challenge.token), invoice: challenge.invoice };
}

/** Writes a paid token as the seller's mint would, with caveats of one's own choice: for what no thief can do, and a mistake of ours could. */
export function mintWith(
  caveats: readonly string[],
  { secret = 'ab', mintedAt = 1_800_000_000, network = 'sandbox' as Network, realm = 'test', master = masterKey } = {},
): Omit<Bought, 'invoice'> {
  const keys = createRootKeys({ masters: [master], network, realm });
  const preimage = Preimage.parse(secret.repeat(32));
  const identifier = Identifier.encode(
    Identifier.create(Preimage.hash(preimage), keys.mintingAt(mintedAt), mintedAt, new Uint8Array(Identifier.randomLength).fill(5)),
  );
  const rootKey = keys.derive(keys.mintingAt(mintedAt), identifier);
  if (rootKey === undefined) throw new TypeError('the ring has no key');
  return credential(Macaroon.format(Macaroon.mint(rootKey, identifier, caveats)), preimage);
}

/** The code in a problem body, '' where there is none. */
export function codeOf({ body }: Pick<Got, 'body'>): string {
  try {
    return (JSON.parse(body) as { code?: string }).code ?? '';
  } catch {
    return '';
  }
}

/** What a refusal looks like. `asks`: what the store may be asked for it; default: nothing. */
export type Refusal = { readonly status: number; readonly code: string; readonly asks?: readonly string[] };

/**
 * Holds one request against what "refused" means: the status and the code; nothing forwarded, nothing charged; an invoice and a challenge
 * with 402 alone; the store not even asked, unless the case needs it.
 * @see docs/wire.md, "The credential"
 */
export async function expectRefused(shop: Shop, act: () => Promise<Got>, { status, code, asks = [] }: Refusal, what = ''): Promise<Got> {
  const before = await rested(shop);
  const got = await act();
  const after = await standing(shop);
  expect(
    {
      status: got.status,
      code: codeOf(got),
      challenges: got.lines,
      invoices: after.invoices - before.invoices,
      forwarded: after.forwarded - before.forwarded,
      charged: after.charged - before.charged,
      asked: after.asked.slice(before.asked.length),
    },
    what,
  ).toEqual({
    status,
    code,
    challenges: status === 402 ? [expect.stringMatching(/^LSAT /), expect.stringMatching(/^L402 /)] : status === 401 ? [`L402 error="${code}"`] : [],
    invoices: status === 402 ? 1 : 0,
    forwarded: 0,
    charged: 0,
    asked: asks,
  });
  return got;
}

/** Sees a request served and charged once. */
export async function expectServed(shop: Shop, act: () => Promise<Got>, what = ''): Promise<Got> {
  const before = await standing(shop);
  const got = await act();
  const after = await standing(shop);
  expect(
    {
      status: got.status,
      payment: got.headers['l402-payment'],
      forwarded: after.forwarded - before.forwarded,
      charged: after.charged - before.charged,
    },
    what,
  ).toEqual({ status: 200, payment: 'charged', forwarded: 1, charged: 1 });
  return got;
}

/**
 * What becomes of a request that must be refused: the code of its refusal; `SERVED`, or `FORWARDED` as soon as the upstream has seen it, so
 * that an attack that works is noticed although the upstream would never answer.
 */
export async function refusalOf(shop: Shop, target: string, ask: Ask): Promise<string> {
  const seen = shop.upstream.sees(shop.upstream.seen.length + 1).then(() => 'FORWARDED' as const);
  const got = shop.get(target, ask);
  const first = await Promise.race([got, seen]);
  if (first !== 'FORWARDED') return first.status < 400 ? 'SERVED' : codeOf(first);
  shop.upstream.release();
  await got;
  return first;
}

/** Asks again while it is told that the credential is in use: what was given back is free when the one that had it has said so. */
export async function askUntilFree(shop: Shop, target: string, ask: Ask): Promise<Got> {
  for (let tries = 0; ; tries++) {
    const got = await shop.get(target, ask);
    if (codeOf(got) !== 'CREDENTIAL_IN_USE' || tries === 100) return got;
  }
}

/** What has been forwarded, invoiced, charged and asked so far. */
export async function standing(shop: Shop): Promise<{ forwarded: number; invoices: number; charged: number; asked: readonly string[] }> {
  const kinds = await shop.ledger();
  const count = (kind: string) => kinds.filter((one) => one === kind).length;
  return { forwarded: shop.upstream.seen.length, invoices: shop.invoices(), charged: count('earned') - count('reversed'), asked: [...shop.asked()] };
}

/** The same when nothing more comes of what was before: a server hears of a pass that was used behind the answer. */
async function rested(shop: Shop): ReturnType<typeof standing> {
  for (let found = await standing(shop); ; ) {
    if (!isFar) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
    const next = await standing(shop);
    if (next.charged === found.charged) return next;
    found = next;
  }
}

/** Writes bytes on a connection and reads until the other side closes it. */
export async function sendRaw(shop: Shop, bytes: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(shop.url).port) });
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

/** Asks with a request line and a `Host` as they are given, which no HTTP library would send. */
export async function askRaw(shop: Shop, target: string, headers: readonly string[] = [], { method = 'GET', host = '127.0.0.1' } = {}): Promise<Got> {
  if (shop.isHttp2) {
    const named: Record<string, string[]> = { host: [host] };
    for (const line of headers) {
      const name = line.slice(0, line.indexOf(':')).toLowerCase();
      named[name] = [...(named[name] ?? []), line.slice(line.indexOf(':') + 1)];
    }
    return fetchOverHttp2(shop.url, target, { method, headers: named });
  }
  const text = await sendRaw(shop, [`${method} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, '', ''].join('\r\n'));
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const lines = head.split('\r\n').slice(1);
  const valuesOf = (name: string) => lines.filter((line) => line.toLowerCase().startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim());
  const body = rest.join('\r\n\r\n');
  const chunked = valuesOf('transfer-encoding').length > 0;
  return {
    status: Number(head.split(' ')[1] ?? 0),
    headers: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])),
    lines: valuesOf('www-authenticate'),
    body: chunked ? (/^[0-9a-f]+\r\n([\s\S]*?)\r\n0\r\n/.exec(body)?.[1] ?? '') : body,
    whole: true,
  };
}
