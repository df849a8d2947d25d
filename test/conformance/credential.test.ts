/**
 * Every line of wire.md §2's table, over sockets, behind each stand: one table of cases, the same answers.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { toBase64Url, toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Preimage } from '../../src/core/Preimage.ts';
import type { PaywallOptions } from '../../src/server/PaywallOptions.ts';
import type { Store } from '../../src/store/Store.ts';
import { type Bought, credential, type Got, openShop, type Shop, type StandName, stands } from './shop/shop.ts';

const path = '/api/v1/translate?text=hello&target=es';
const names = Object.keys(stands) as StandName[];

let shop: Shop | undefined;
afterEach(async () => {
  await shop?.close();
  shop = undefined;
});

const auth = (value: string | string[]) => ({ headers: { authorization: value } });
const narrowed = (bought: Bought, ...caveats: string[]) =>
  credential(Macaroon.format(Macaroon.attenuate(bought.macaroon, caveats)), bought.preimage).authorization;
const retoken = (bought: Bought, token: string) => `L402 ${token}:${bought.preimage}`;
const flip = (text: string, at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
const codeOf = ({ body }: Got) => (JSON.parse(body) as { code: string }).code;

/** What a credential does to a request: how it is sent, after it was bought on `path` for GET. */
type Case = readonly [line: string, send: (bought: Bought, shop: Shop) => Promise<Got> | Got, status: number, code: string];

const accepted: readonly Case[] = [
  ['as received', (b, s) => s.get(path, auth(b.authorization)), 200, ''],
  ['the legacy scheme', (b, s) => s.get(path, auth(b.authorization.replace('L402', 'LSAT'))), 200, ''],
  ['a lower-case scheme and several spaces', (b, s) => s.get(path, auth(b.authorization.replace('L402 ', 'l402    '))), 200, ''],
  ['URL-safe base64 without padding', (b, s) => s.get(path, auth(retoken(b, toBase64Url(Macaroon.encode(b.macaroon))))), 200, ''],
  ['an upper-case preimage', (b, s) => s.get(path, auth(`L402 ${b.token}:${b.preimage.toUpperCase()}`)), 200, ''],
  ['two lines, the good one second', (b, s) => s.get(path, auth(['Bearer x', b.authorization])), 200, ''],
  ['two lines, a forged one first', (b, s) => s.get(path, auth([retoken(b, flip(b.token, 200)), b.authorization])), 200, ''],
  ['two values joined by a comma', (b, s) => s.get(path, auth(`LSAT AAAA:${b.preimage}, ${b.authorization}`)), 200, ''],
  ['two tokens before one preimage', (b, s) => s.get(path, auth(`L402 AAAA,${b.token}:${b.preimage}`)), 200, ''],
  [
    'in L402-Authorization, beside another Authorization',
    (b, s) => s.get(path, { headers: { authorization: 'Bearer x', 'l402-authorization': b.authorization } }),
    200,
    '',
  ],
  ['a hex macaroon with its preimage inside', (b, s) => s.get(path, { headers: { macaroon: hexWithPreimage(b) } }), 200, ''],
  ['a hex macaroon as gRPC gateways name it', (b, s) => s.get(path, { headers: { 'grpc-metadata-macaroon': hexWithPreimage(b) } }), 200, ''],
  ['re-serialised with a preimage caveat', (b, s) => s.get(path, auth(narrowed(b, `preimage=${b.preimage}`))), 200, ''],
  ['narrowed, and within', (b, s) => s.get(path, auth(narrowed(b, 'scope = "/api/v1/translate"', 'expires = "2100-01-01T00:00:00Z"', 'method=GET'))), 200, ''],
  [
    'narrowed twice, the second time further',
    (b, s) => s.get(path, auth(narrowed(b, 'path_prefix=/api', 'path_prefix=/api/v1', 'token_id=a', 'budget_id=b'))),
    200,
    '',
  ],
  ['its invoice has expired since it was paid', (b, s) => [s.clock.advance(3_600_000), s.get(path, auth(b.authorization))][1] as Promise<Got>, 200, ''],
  ['HEAD counts as GET', (b, s) => s.get(path, { method: 'HEAD', ...auth(b.authorization) }), 200, ''],
];

const paysAgain: readonly Case[] = [
  ['no credential', (_, s) => s.get(path), 402, 'PAYMENT_REQUIRED'],
  ['a scheme that we do not speak', (_, s) => s.get(path, auth('Bearer abc')), 402, 'PAYMENT_REQUIRED'],
  ['made under a master key that we do not have', (b, s) => s.get(path, auth(foreign(b))), 402, 'CREDENTIAL_UNKNOWN_KEY'],
  ['expired', (b, s) => [s.clock.advance(87_001_000), s.get(path, auth(b.authorization))][1] as Promise<Got>, 402, 'CREDENTIAL_EXPIRED'],
  ['revoked', revoked, 402, 'CREDENTIAL_REVOKED'],
  ['used up', usedUp, 402, 'CREDENTIAL_USED'],
  ['not for this service', (b, s) => s.get('/other', auth(b.authorization)), 402, 'CREDENTIAL_WRONG_SERVICE'],
  ['not for this route', (b, s) => s.get('/api/v1/premium', auth(b.authorization)), 402, 'CREDENTIAL_WRONG_SERVICE'],
  ['not for this method', (b, s) => s.get(path, { method: 'POST', body: 'x', ...auth(b.authorization) }), 402, 'CREDENTIAL_WRONG_SERVICE'],
];

const refused: readonly Case[] = [
  ['malformed: not base64', (b, s) => s.get(path, auth(`L402 !!!:${b.preimage}`)), 401, 'CREDENTIAL_MALFORMED'],
  ['malformed: not a macaroon', (b, s) => s.get(path, auth(`L402 AAAA:${b.preimage}`)), 401, 'MACAROON_MALFORMED'],
  ['malformed: five tokens', (b, s) => s.get(path, auth(`L402 ${Array(5).fill(b.token).join(',')}:${b.preimage}`)), 401, 'CREDENTIAL_MALFORMED'],
  [
    'malformed: another identifier',
    (b, s) => s.get(path, auth(retoken(b, Macaroon.format(Macaroon.mint(new Uint8Array(32), new Uint8Array(20), []))))),
    401,
    'IDENTIFIER_MALFORMED',
  ],
  [
    'tampered: a caveat changed',
    (b, s) => s.get(path, auth(retoken(b, changed(b, { caveats: b.macaroon.caveats.map((c) => c.replace('GET', 'PUT')) })))),
    401,
    'CREDENTIAL_TAMPERED',
  ],
  [
    'tampered: a caveat taken out',
    (b, s) => s.get(path, auth(retoken(b, changed(b, { caveats: b.macaroon.caveats.slice(0, -1) })))),
    401,
    'CREDENTIAL_TAMPERED',
  ],
  ['tampered: the signature', (b, s) => s.get(path, auth(retoken(b, changed(b, { signature: new Uint8Array(32) })))), 401, 'CREDENTIAL_TAMPERED'],
  ['a wrong preimage', (b, s) => s.get(path, auth(`L402 ${b.token}:${'ab'.repeat(32)}`)), 401, 'CREDENTIAL_UNPAID'],
  ['no preimage', (b, s) => s.get(path, auth(`L402 ${b.token}`)), 401, 'CREDENTIAL_MALFORMED'],
  ['a hex macaroon without its preimage', (b, s) => s.get(path, { headers: { macaroon: toHex(Macaroon.encode(b.macaroon)) } }), 401, 'CREDENTIAL_MALFORMED'],
  ['narrowed: another scope', (b, s) => s.get(path, auth(narrowed(b, 'scope = "/api/v1/premium"'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed: expired', (b, s) => s.get(path, auth(narrowed(b, 'expires = "2020-01-01T00:00:00Z"'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed: an unreadable time', (b, s) => s.get(path, auth(narrowed(b, 'valid_until=1h'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed: another method', (b, s) => s.get(path, auth(narrowed(b, 'method=POST'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed: a condition that is not known', (b, s) => s.get(path, auth(narrowed(b, 'expirse=2100-01-01T00:00:00Z'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed: a caveat without an equals sign', (b, s) => s.get(path, auth(narrowed(b, 'anything'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed, then widened', (b, s) => s.get(path, auth(narrowed(b, 'path_prefix=/api/v1', 'path_prefix=/api'))), 403, 'CREDENTIAL_NARROWED'],
  ['narrowed: another preimage inside', (b, s) => s.get(path, auth(narrowed(b, `preimage=${'ab'.repeat(32)}`))), 403, 'CREDENTIAL_NARROWED'],
  ['another service appended', (b, s) => s.get('/other', auth(narrowed(b, 'services=other:0', 'other_terms=pass'))), 402, 'CREDENTIAL_WRONG_SERVICE'],
];

function changed(bought: Bought, parts: Partial<Macaroon.Macaroon>): string {
  return Macaroon.format({ ...bought.macaroon, ...parts });
}

function hexWithPreimage(bought: Bought): string {
  return toHex(Macaroon.encode(Macaroon.attenuate(bought.macaroon, [`preimage=${bought.preimage}`])));
}

/** The same token as another seller's key would have made it. */
function foreign(bought: Bought): string {
  const identifier = Uint8Array.from(bought.macaroon.identifier);
  identifier.set([1, 2, 3, 4], 34);
  return retoken(bought, Macaroon.format(Macaroon.mint(new Uint8Array(32).fill(9), identifier, bought.macaroon.caveats)));
}

async function revoked(bought: Bought, open: Shop): Promise<Got> {
  const changes = open.store.changes({ signal: new AbortController().signal })[Symbol.asyncIterator]();
  const next = changes.next();
  const paymentHash = toHex(bought.macaroon.identifier.subarray(2, 34));
  await open.store.deny({ kind: 'payment', value: paymentHash, expiresAt: 2_000_000_000 });
  await next;
  await changes.return?.();
  return open.get(path, auth(bought.authorization));
}

async function usedUp(bought: Bought, open: Shop): Promise<Got> {
  await open.get(path, auth(bought.authorization));
  await open.ended('delivered');
  return open.get(path, auth(bought.authorization));
}

describe.each(names)('%s', (name) => {
  const openOne = async (overrides?: Partial<PaywallOptions>, given?: { store: Store }) => {
    shop = await openShop(name, overrides, given);
    return shop;
  };

  test.each(accepted)('accepts: %s', async (_, send, status) => {
    const open = await openOne();
    const got = await send(await open.buy(path), open);
    expect([got.status, got.headers['l402-payment']]).toEqual([status, 'charged']);
    expect(open.upstream.seen.map(({ url }) => url)).toEqual([path]);
    expect(await open.ledger()).toEqual(['received', 'earned']);
  });

  test.each(paysAgain)('402 with a new challenge: %s', async (line, send, status, code) => {
    const open = await openOne();
    const bought = await open.buy(path);
    const before = open.invoices();
    const got = await send(bought, open);
    expect([got.status, codeOf(got), got.lines.length, open.invoices() - before]).toEqual([status, code, 2, 1]);
    expect(open.upstream.seen.length).toBe(line === 'used up' ? 1 : 0);
  });

  test.each(refused)('no invoice: %s', async (_, send, status, code) => {
    const open = await openOne();
    const bought = await open.buy(path);
    const before = open.invoices();
    const got = await send(bought, open);
    expect([got.status, codeOf(got)]).toEqual([status, code]);
    if (status === 401) expect(got.lines).toEqual([`L402 error="${code}"`]);
    if (status === 403) expect(got.lines).toEqual([]);
    if (status !== 402) expect(open.invoices()).toBe(before);
    expect([open.upstream.seen.length, await open.ledger()]).toEqual([0, []]);
  });

  test('402: not for the priced input as minted', async () => {
    const open = await openOne();
    const bought = await open.buy('/priced?model=mini');
    const got = await open.get('/priced?model=large', auth(bought.authorization));
    expect([got.status, codeOf(got)]).toEqual([402, 'CREDENTIAL_WRONG_SERVICE']);
    expect((await open.get('/priced?model=mini', auth(bought.authorization))).status).toBe(200);
  });

  test('409: the same credential while its first call is under way, and 402 for nobody', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const first = open.get(`${path}&do=hold`, auth(bought.authorization));
    await open.upstream.sees(1);
    const before = open.invoices();
    const second = await open.get(path, auth(bought.authorization));
    expect([second.status, codeOf(second), second.headers['retry-after'], second.lines, open.invoices() - before]).toEqual([
      409,
      'CREDENTIAL_IN_USE',
      '1',
      [],
      0,
    ]);
    open.upstream.release();
    expect([(await first).status, open.upstream.seen.length]).toEqual([200, 1]);
  });

  test.each([
    ['another path', `${path}&x=1`, 'POST', 'one'],
    ['another body', path, 'POST', 'two'],
  ])('422: the same credential and Idempotency-Key with another request: %s', async (_, url, method, body) => {
    const open = await openOne();
    const headers = { 'idempotency-key': 'k1', 'content-type': 'text/plain' };
    const bought = await open.buy(path, { method: 'POST', body: 'one', headers });
    const paid = { ...headers, authorization: bought.authorization };
    expect((await open.get(path, { method: 'POST', body: 'one', headers: paid })).status).toBe(200);
    await open.ended('delivered');
    const got = await open.get(url, { method, body, headers: paid });
    expect([got.status, codeOf(got), got.lines]).toEqual([422, 'IDEMPOTENCY_CONFLICT', []]);
    const same = await open.get(path, { method: 'POST', body: 'one', headers: paid });
    expect([same.status, codeOf(same)]).toEqual([402, 'CREDENTIAL_USED']);
    expect(open.upstream.seen.length).toBe(1);
  });

  test('429: over the limit on minting', async () => {
    const open = await openOne({ mintLimits: { perClientPerMinute: 2 } });
    await open.get(path);
    await open.get(path);
    const got = await open.get(path);
    expect([got.status, codeOf(got), got.headers['retry-after'], got.lines, open.invoices()]).toEqual([429, 'RATE_LIMITED', '30', [], 2]);
  });

  test('503: the node cannot answer, and the decision needs it', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    await open.sandbox.setFault({ node: 'seller', kind: 'node-down' });
    const got = await open.get(path);
    expect([got.status, codeOf(got), got.headers['retry-after'], got.lines]).toEqual([503, 'LIGHTNING_UNAVAILABLE', '5', []]);
    expect((await open.get(path, auth(bought.authorization))).status).toBe(200);
  });

  test('503: the store cannot answer, and the decision needs it; a pass does not need it', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const pass = await open.buy('/pass');
    await open.store.close();
    const got = await open.get(path, auth(bought.authorization));
    expect([got.status, codeOf(got), got.headers['retry-after'], got.lines]).toEqual([503, 'STORE_UNAVAILABLE', '5', []]);
    expect((await open.get('/pass', auth(pass.authorization))).status).toBe(200);
    expect((await open.get(path)).status).toBe(402);
  });

  test('503: what was revoked is not known, and so nothing is served and nothing sold; free again within a second', async () => {
    const open = await openOne();
    const [bought, pass] = [await open.buy(path), await open.buy('/steady')];
    const { denials } = open.store;
    Object.assign(open.store, { denials: () => Promise.reject(new Error('gone')) });
    const later = async (ms: number) => {
      for (let left = ms; left > 0; left -= 400) {
        open.clock.advance(Math.min(400, left));
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await later(59_000);
    const meanwhile = [await open.get('/steady', auth(pass.authorization)), await open.get('/steady'), await open.get(path)];
    expect(meanwhile.map(({ status }) => status)).toEqual([200, 402, 503]);
    await later(2000);
    const before = open.invoices();
    for (const got of [await open.get('/steady', auth(pass.authorization)), await open.get(path, auth(bought.authorization)), await open.get(path)]) {
      expect([got.status, codeOf(got), got.headers['retry-after'], got.lines]).toEqual([503, 'STORE_UNAVAILABLE', '5', []]);
    }
    // What hashing alone decides is decided.
    expect((await open.get(path, auth(`${bought.authorization.slice(0, -1)}x`))).status).toBe(401);
    expect([open.invoices() - before, open.upstream.seen.length]).toEqual([0, 1]);
    Object.assign(open.store, { denials });
    await later(1000);
    expect([(await open.get('/steady', auth(pass.authorization))).status, (await open.get(path)).status]).toEqual([200, 402]);
  });

  test('503: what is minted now is revoked, by its key or its time', async () => {
    const open = await openOne();
    await open.store.deny({ kind: 'minted-before', value: '1800000060', expiresAt: 2_000_000_000 });
    await new Promise((resolve) => setImmediate(resolve));
    const got = await open.get(path);
    expect([got.status, codeOf(got), got.headers['retry-after'], got.lines, open.invoices()]).toEqual([503, 'KEYS_REVOKED', '5', [], 0]);
    open.clock.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect((await open.get(path)).status).toBe(402);
  });

  test('compat: what the reference proxy answers to a credential that is not valid', async () => {
    const open = await openOne({ compat: { invalidCredential: 402 } });
    const bought = await open.buy(path);
    const got = await open.get(path, auth(`L402 ${bought.token}:${'ab'.repeat(32)}`));
    expect([got.status, codeOf(got), got.lines.length]).toEqual([402, 'CREDENTIAL_UNPAID', 2]);
  });

  test('compat: a condition that is not known is passed over', async () => {
    const open = await openOne({ compat: { unknownCaveats: 'skip' } });
    const bought = await open.buy(path);
    expect((await open.get(path, auth(narrowed(bought, 'anything=else')))).status).toBe(200);
  });

  test('the marker of a use outlives every form of its token: one narrowed to expire early does not free the others', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const soon = Math.floor(open.clock.nowMs() / 1000) + 5;
    expect((await open.get(path, auth(narrowed(bought, `valid_until=${soon}`)))).status).toBe(200);
    await open.ended('delivered');
    open.clock.advance(3 * 3_600_000);
    await open.store.prune();
    const got = await open.get(path, auth(bought.authorization));
    expect([got.status, codeOf(got), open.upstream.seen.length]).toEqual([402, 'CREDENTIAL_USED', 1]);
  });

  test('a forged token with the right shape costs neither store nor node', async () => {
    const open = await openOne();
    const bought = await open.buy(path);
    const before = open.invoices();
    await open.store.close();
    const forged = credential(changed(bought, { signature: new Uint8Array(32).fill(1) }), bought.preimage as Preimage);
    const got = await open.get(path, auth(forged.authorization));
    expect([got.status, codeOf(got), open.invoices()]).toEqual([401, 'CREDENTIAL_TAMPERED', before]);
  });
});
