/**
 * The page that people pay on: opened by somebody else's payment, by a ticket that was forged, borrowed from another site or not paid for, or turned
 * against whoever looks at it. A ticket is worth what a credential is, and is held to the same.
 */
import { createHash } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import { toBase64Url } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createPage } from '../../src/gateway/page/createPage.ts';
import type { RequestView } from '../../src/http/RequestView.ts';
import type { Receiver } from '../../src/lightning/Lightning.ts';
import { create as createOffer } from '../../src/server/Offer.ts';
import { fixed } from '../../src/server/Price.ts';
import { format as formatTicket, nameOf } from '../../src/server/page/Tickets.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import { type Got, masterKey, type Shop } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import { type Closing, closeAll, openUpstream, type Seen } from '../gateway/harness.ts';
import { enter, standing } from './thief.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const markup = '</title><img src=x onerror="alert(1)">\'';
const look = { name: markup, logo: undefined, colour: '#f7931a', rate: undefined };

/** A shop with a page, in front of an upstream whose answers say that everybody may keep them. */
async function openShop(
  receiver?: (real: Receiver) => Receiver,
): Promise<{ shop: Shop; seen: readonly Seen[]; looked: () => number; logged: readonly unknown[] }> {
  const upstream = await openUpstream(closing, (_, response) => {
    response.setHeader('Cache-Control', 'public, max-age=3600').setHeader('Surrogate-Control', 'max-age=3600').end('the article');
  });
  const url = `http://127.0.0.1:${upstream.port}`;
  const terms = pass({ seconds: 3600 });
  const routes = (): readonly StandRoute[] => [
    { methods: ['GET'], path: '/cheap', upstream: url, options: { price: '5 sat', service: 'paper', title: markup, terms } },
    { methods: ['GET'], path: '/dear', upstream: url, options: { price: '900 sat', service: 'paper', terms } },
    { methods: ['GET'], path: '/once', upstream: url, options: { price: '5 sat', service: 'once' } },
    {
      methods: ['GET', 'POST'],
      path: '/bulk',
      upstream: url,
      options: { price: '5 sat', service: 'bulk', terms: bucket({ units: 5, servicePriceMsat: 5000n as never }) },
    },
  ];
  let looked = 0;
  const counting = (real: Receiver): Receiver => ({
    ...(receiver?.(real) ?? real),
    lookupInvoice: (...asked) => {
      looked++;
      return (receiver?.(real) ?? real).lookupInvoice(...asked);
    },
  });
  const logged: unknown[] = [];
  const log = (outcome: unknown) => void logged.push(outcome);
  const shop = await enter('gateway', { page: { draw: createPage(look) } }, { routes, receiver: counting, log });
  shop.paywall.events.on(log);
  return { shop, seen: upstream.seen, looked: () => looked, logged };
}

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const cookieOf = ({ headers }: Got) => (headers['set-cookie'] ?? []).map((line) => line.split(';', 1)[0] as string).join('; ');
const tokenOf = ({ lines }: Got) => /macaroon="([^"]+)"/.exec(lines.join())?.[1] as string;
const invoiceOf = ({ lines }: Got) => /invoice="([^"]+)"/.exec(lines.join())?.[1] as string;
const nameIn = (cookie: string) => cookie.split('=', 1)[0] as string;
const plain = (token: string) => toBase64Url(Macaroon.encode(Macaroon.parse(token)));

/** A person who opens a page, and what they show afterwards. */
async function visit(shop: Shop, path = '/cheap', host = 'paper.example') {
  const page = await shop.get(path, { headers: { ...html, host } });
  expect(page.status).toBe(402);
  const cookie = cookieOf(page);
  const look = (shown = cookie, where = path, at = host, method = 'GET') => {
    shop.clock.advance(1000);
    return shop.get(where, { method, headers: { ...html, host: at, cookie: shown } });
  };
  return { page, cookie, look };
}

type Visit = Awaited<ReturnType<typeof visit>>;

/** Nothing was served, and nothing was told of what is for sale but a challenge. */
async function expectShut(shop: Shop, act: () => Promise<Got>, what: string, status = 402): Promise<Got> {
  const before = await standing(shop);
  const got = await act();
  const after = await standing(shop);
  expect([what, got.status, got.body.includes('the article'), after.charged - before.charged]).toEqual([what, status, false, 0]);
  return got;
}

test("a stranger's payment opens the stranger's page, and never mine", async () => {
  const { shop } = await openShop();
  const [mine, other] = [await visit(shop), await visit(shop)];
  await shop.pay(other.page);
  const still = await expectShut(shop, () => mine.look(), 'my ticket, unpaid');
  expect(invoiceOf(still)).toBe(invoiceOf(mine.page));
  const [name, value] = mine.cookie.split('=', 2) as [string, string];
  const [, myToken, myInvoice, mySeal] = value.split('.');
  const [, theirToken, theirInvoice, theirSeal] = (other.cookie.split('=', 2)[1] as string).split('.');
  const patchworks = [
    ['w', theirToken, theirInvoice, mySeal],
    ['w', myToken, theirInvoice, mySeal],
    ['w', theirToken, myInvoice, theirSeal],
    ['w', myToken, myInvoice, theirSeal],
    ['p', myToken, mySeal],
    ['p', theirToken, mySeal],
    ['p', theirToken, theirSeal],
  ];
  for (const pieces of patchworks) await expectShut(shop, () => mine.look(`${name}=${pieces.join('.')}`), pieces.join('.'));
  expect((await other.look()).body).toBe('the article');
});

test('a challenge without its ticket opens nothing, paid or not', async () => {
  const { shop } = await openShop();
  const { page, cookie, look } = await visit(shop);
  await shop.pay(page);
  const token = plain(tokenOf(page));
  const seal = 'A'.repeat(43);
  const name = cookie.split('=', 1)[0];
  const guesses = [`p.${token}`, `p.${token}.${seal}`, `w.${token}.${invoiceOf(page)}.${seal}`, `p.${token}.`, token, tokenOf(page)];
  for (const guess of guesses) await expectShut(shop, () => look(`${name}=${guess}`), guess);
  // Nor does one that a program was given.
  const program = await shop.get('/cheap', { headers: { host: 'paper.example' } });
  expect(cookieOf(program)).toBe('');
});

test('a ticket is shown as paid by a mark of its own, which whoever waits cannot write', async () => {
  const { shop } = await openShop();
  const { page, cookie, look } = await visit(shop);
  const [, token, , seal] = cookie.split('=', 2)[1]?.split('.') ?? [];
  await expectShut(shop, () => look(`${nameIn(cookie)}=p.${token}.${seal}`), 'the mark that it waits');
  await shop.pay(page);
  const kept = cookieOf(await look());
  expect(kept.startsWith(`${nameIn(cookie)}=p.`)).toBe(true);
  expect((await look(kept)).body).toBe('the article');
});

test('nobody is asked to pay for what was revoked meanwhile', async () => {
  const { shop } = await openShop();
  const { page, look } = await visit(shop);
  expect(invoiceOf(await look())).toBe(invoiceOf(page));
  await shop.store.deny({ kind: 'payment', value: Bolt11.peek(invoiceOf(page)).paymentHash, expiresAt: 4_000_000_000 });
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  const next = await expectShut(shop, () => look(), 'a revoked ticket');
  expect([next.lines.length, invoiceOf(next) === invoiceOf(page)]).toEqual([2, false]);
});

test('what could not be found out is not read as paid, nor as unpaid', async () => {
  let answer: () => ReturnType<Receiver['lookupInvoice']> = () => Promise.reject(new Error('no route to the node'));
  const { shop } = await openShop((real) => ({ ...real, lookupInvoice: () => answer() }));
  const { look, page } = await visit(shop);
  for (const what of ['away', 'absent', 'less'] as const) {
    if (what === 'absent') answer = async () => ({ kind: 'absent' });
    if (what === 'less') answer = async () => ({ kind: 'paid', amountMsat: 4999n as never, settledAt: 0 });
    const got = await expectShut(shop, () => look(), what, 503);
    expect([got.body.includes(invoiceOf(page)), got.lines, got.headers['retry-after']]).toEqual([false, [], '5']);
  }
});

test('a ticket is good at the site, for the route, the method and the time that it was sold for', async () => {
  const { shop } = await openShop();
  const { page, cookie, look } = await visit(shop);
  await shop.pay(page);
  for (const host of ['other.example', 'paper.example:8080', 'paper.example.evil.example']) await expectShut(shop, () => look(cookie, '/cheap', host), host);
  await expectShut(shop, () => look(cookie, '/dear'), 'a dearer route');
  await expectShut(shop, () => look(cookie.replace('farebox_paper', 'farebox_bulk'), '/bulk'), 'another service');
  const keys = { masters: [masterKey], network: 'sandbox', realm: 'test' } as const;
  const of = (over: object) =>
    `${nameOf('paper', tokenOf(page))}=${formatTicket(createRootKeys({ ...keys, ...over }), 'paper.example', { token: tokenOf(page) })}`;
  expect((await look(of({}))).body).toBe('the article');
  await expectShut(shop, () => look(of({ network: 'regtest' })), 'another network');
  await expectShut(shop, () => look(of({ realm: 'other' })), 'another realm');
  shop.clock.advance(2 * 86_400_000);
  await expectShut(shop, () => look(), 'later');
});

test('a page of another site makes nobody spend what they have bought', async () => {
  const { shop } = await openShop();
  const { page, look, cookie } = await visit(shop, '/bulk');
  await shop.pay(page);
  for (const method of ['POST', 'OPTIONS', 'DELETE']) {
    const got = await look(cookie, '/bulk', 'paper.example', method);
    expect([method, got.body.includes('the article')]).toEqual([method, false]);
  }
  expect(page.headers['set-cookie']?.[0]).toMatch(/; HttpOnly; SameSite=Lax$/);
  expect((await look()).body).toBe('the article');
});

test('a page of another site spends nothing of what is counted, whether its link is followed or only guessed at', async () => {
  const { shop } = await openShop();
  for (const path of ['/bulk', '/once']) {
    const { page, cookie } = await visit(shop, path);
    await shop.pay(page);
    const ask = (more: { readonly [name: string]: string }) => shop.get(path, { headers: { ...html, host: 'paper.example', cookie, ...more } });
    const elsewhere = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none', 'sec-purpose': 'prefetch;prerender' },
      { purpose: 'prefetch' },
      { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'image', accept: 'image/*' },
    ];
    for (const more of elsewhere) {
      const got = await expectShut(shop, () => ask(more), JSON.stringify(more), 403);
      expect([got.lines, got.headers['set-cookie'], got.headers['cache-control']]).toEqual([[], undefined, 'no-store']);
      expect([got.body.match(/<a [^>]*href="[^"]*"/g), got.body.includes('<script'), got.body.includes('lnb')]).toEqual([
        ['<a class="button main" href=""'],
        false,
        false,
      ]);
    }
    expect((await ask({ 'sec-fetch-site': 'same-origin' })).body).toBe('the article');
  }
  // A pass is used up by nobody's looking.
  const { page, cookie } = await visit(shop);
  await shop.pay(page);
  const linked = await shop.get('/cheap', { headers: { ...html, host: 'paper.example', cookie, 'sec-fetch-site': 'cross-site' } });
  expect(linked.body).toBe('the article');
});

test('a newer page takes nothing from an older one: each waits for its own invoice, and whichever is paid opens', async () => {
  const { shop } = await openShop();
  const pages = [await visit(shop), await visit(shop)] as const;
  const [older, newer] = pages;
  const cookie = pages.map((one) => one.cookie).join('; ');
  expect(nameIn(older.cookie)).not.toBe(nameIn(newer.cookie));
  const hashOf = ({ page }: { readonly page: Got }) => Bolt11.peek(invoiceOf(page)).paymentHash;
  const told = async (named: string, shown: string) => {
    shop.clock.advance(1000);
    return (await shop.get('/cheap', { headers: { host: 'paper.example', cookie: shown, 'l402-page': `state ${named}` } })).body;
  };
  expect(older.page.body).toContain(` data-payment="${hashOf(older)}"`);
  await shop.pay(older.page);
  expect([await told(hashOf(older), cookie), await told(hashOf(newer), cookie)]).toEqual(['data: paid\n\n', 'data: open\n\n']);
  expect([await told(hashOf(older), newer.cookie), await told(hashOf(older), '')]).toEqual(['data: gone\n\n', 'data: none\n\n']);
  expect((await older.look(cookie)).body).toBe('the article');
  expect((await newer.look(newer.cookie)).status).toBe(402);
});

test('of what one browser keeps, what was paid is tried until it opens, and only what nobody has paid is dropped', async () => {
  const { shop } = await openShop();
  const visits: Visit[] = [];
  for (let number = 0; number < 2; number++) {
    visits.push(await visit(shop, '/once'));
    shop.clock.advance(1000);
  }
  const [spent, good] = visits as [Visit, Visit];
  await shop.pay(spent.page);
  expect((await spent.look()).body).toBe('the article');
  await shop.pay(good.page);
  // One that was used up stands before and behind it in turn.
  expect((await good.look(`${spent.cookie}; ${good.cookie}`)).body).toBe('the article');
  const dropped = ({ headers }: Got) => (headers['set-cookie'] ?? []).filter((line) => line.endsWith('; Max-Age=0'));
  const next = await spent.look(`${spent.cookie}; ${good.cookie}`);
  expect([next.status, dropped(next).map(nameIn).sort()]).toEqual([402, [nameIn(spent.cookie), nameIn(good.cookie)].sort()]);
  // Four that are for something else: the oldest of those that nobody has paid makes room.
  const others: Visit[] = [];
  for (let number = 0; number < 4; number++) {
    others.push(await visit(shop));
    shop.clock.advance(1000);
  }
  await shop.pay((others[0] as Visit).page);
  const fifth = await spent.look(others.map(({ cookie }) => cookie).join('; '), '/dear');
  expect([fifth.status, dropped(fifth).map(nameIn)]).toEqual([402, [nameIn((others[1] as Visit).cookie)]]);
});

test('a stranger with many tickets keeps nobody else from hearing of a payment', async () => {
  const strangers = new Set<string>();
  const heldUp: (() => void)[] = [];
  const { shop } = await openShop((real) => ({
    ...real,
    lookupInvoice: async (hash, signal) => {
      if (strangers.has(hash)) await new Promise<void>((go) => heldUp.push(go));
      return real.lookupInvoice(hash, signal);
    },
  }));
  const offer = createOffer({ service: 'paper', route: '/x', price: fixed(5000n as never), terms: pass({ seconds: 3600 }) });
  const ask = (clientAddress: string, cookie: string, more: { readonly [name: string]: string } = {}) => {
    const headers: { readonly [name: string]: string } = { accept: 'text/html', host: 'paper.example', ...(cookie && { cookie }), ...more };
    const header = (name: string) => headers[name];
    const headerLines = (name: string) => (headers[name] === undefined ? [] : [headers[name] as string]);
    const view: RequestView = { method: 'GET', target: '/x', clientAddress, header, headerLines, readBody: async () => undefined };
    return shop.paywall.check(view, { path: '/x', query: '', authority: undefined }, offer);
  };
  const buy = async (clientAddress: string) => {
    const decision = await ask(clientAddress, '');
    if (decision.kind !== 'challenge') throw new Error(decision.kind);
    const of = (wanted: string) => decision.answer.headers.filter(([name]) => name === wanted).map(([, value]) => value);
    const invoice = /invoice="([^"]+)"/.exec(of('WWW-Authenticate').join())?.[1] as string;
    return { cookie: nameOfLine(of('Set-Cookie')), invoice, paymentHash: Bolt11.peek(invoice).paymentHash };
  };
  const nameOfLine = (lines: readonly string[]) => lines[0]?.split(';', 1)[0] as string;
  const tickets = [];
  for (let number = 0; number < 40; number++) tickets.push(await buy(`2001:db8::${number}`));
  const waits = tickets.map(
    ({ cookie }, number) =>
      () =>
        ask(`2001:db8::${number}`, cookie, { 'l402-page': 'wait' }),
  );
  for (const { paymentHash } of tickets) strangers.add(paymentHash);
  const running = waits.map((wait) => wait());
  const payer = await buy('192.0.2.1');
  expect((await ask('192.0.2.1', payer.cookie)).kind).toBe('challenge');
  strangers.clear();
  for (const go of heldUp.splice(0)) go();
  await Promise.all(running);
  const gone = new AbortController();
  const following: Promise<unknown>[] = [];
  for (const wait of waits) {
    const decision = await wait();
    if (decision.kind === 'answer' && decision.follow) following.push(decision.follow(gone.signal)[Symbol.asyncIterator]().next());
  }
  expect(following.length).toBe(16);
  gone.abort();
  await Promise.all(following);
});

test('a ticket goes no further than the gateway, and no cache keeps what it has opened', async () => {
  const { shop, seen } = await openShop();
  for (const path of ['/cheap', '/once']) {
    const { page, look, cookie } = await visit(shop, path);
    await shop.pay(page);
    const got = await look(`theme=dark; ${cookie}; lang=de`);
    expect([got.body, got.headers['cache-control'], got.headers.vary, got.headers['surrogate-control']]).toEqual([
      'the article',
      'private, no-cache',
      'Cookie',
      undefined,
    ]);
    expect(seen.at(-1)?.lines.filter(([name]) => name.toLowerCase() === 'cookie')).toEqual([['cookie', 'theme=dark; lang=de']]);
    expect(page.headers['cache-control']).toBe('no-store');
  }
});

test('no page ever has a preimage in it, not even of its own payment', async () => {
  const { shop } = await openShop();
  const [mine, other] = [await visit(shop), await visit(shop)];
  const paid = [await shop.pay(mine.page), await shop.pay(other.page)];
  const answers = [mine.page, await mine.look(), await shop.get('/cheap', { headers: { host: 'paper.example', cookie: mine.cookie, 'l402-page': 'state' } })];
  expect(answers.at(-1)?.body).toBe('data: paid\n\n');
  const text = JSON.stringify(answers);
  for (const { preimage } of paid) for (const spelt of [preimage, Buffer.from(preimage, 'hex').toString('base64url')]) expect(text).not.toContain(spelt);
});

test('no ticket stands in a log, an event, the ledger, or an address', async () => {
  const { shop, seen, logged } = await openShop();
  const { page, cookie, look } = await visit(shop);
  await look();
  await look(`${cookie}x`);
  await shop.pay(page);
  const kept = cookieOf(await look());
  await look(kept, '/dear');
  const ledger = await shop.store.ledger({ after: 0, limit: 100 });
  const text = JSON.stringify([logged, ledger, seen, page.body], (_, one: unknown) =>
    typeof one === 'bigint' ? String(one) : Buffer.isBuffer(one) ? one.toString('latin1') : one,
  );
  for (const secret of [cookie, kept].flatMap((one) => [one.split('.').at(-1) as string, (one.split('.')[1] as string).slice(-60)]))
    expect(text).not.toContain(secret);
  expect(logged.length).toBeGreaterThan(5);
});

test('whoever has no ticket is told of nobody’s payment', async () => {
  const { shop } = await openShop();
  const { page } = await visit(shop);
  await shop.pay(page);
  const forged = `${nameOf('paper', tokenOf(page))}=w.${plain(tokenOf(page))}.${invoiceOf(page)}.${'A'.repeat(43)}`;
  for (const cookie of ['', forged]) {
    const got = await shop.get('/cheap', { headers: { host: 'paper.example', cookie, 'l402-page': 'wait' } });
    expect([got.status, got.body, Object.keys(got.headers).filter((name) => name.startsWith('access-control'))]).toEqual([200, 'data: none\n\n', []]);
  }
});

test('words of operators and of URLs are text, and the page runs nothing but its own script', async () => {
  const { shop } = await openShop();
  const { page } = await visit(shop);
  expect(page.body).not.toContain('<img');
  expect(page.body).toContain('&#60;img src=x onerror=&#34;alert(1)&#34;&#62;&#39;');
  const policy = String(page.headers['content-security-policy']);
  const digests = [...page.body.matchAll(/<(script|style)>([\s\S]*?)<\/\1>/g)].map(
    ([, kind, text]) =>
      `${kind}-src 'sha256-${createHash('sha256')
        .update(text as string)
        .digest('base64')}'`,
  );
  expect(digests).toHaveLength(2);
  const wanted = ["default-src 'none'", ...digests, 'img-src data:', "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"];
  expect(policy.split('; ').sort()).toEqual([...wanted].sort());
  expect(page.body).not.toMatch(/ (?:on\w+|style)="/);
});

test('tickets that are none, and pages that ask again and again, cost the wallet nothing more', async () => {
  const { shop, looked } = await openShop();
  const { cookie } = await visit(shop);
  const garbage = ['', 'w', 'p.', `p.${'A'.repeat(200)}.${'A'.repeat(43)}`, `${cookie.split('=')[1]?.slice(0, -1)}`, '%00', '"'];
  const flood = Array.from({ length: 50 }, (_, index) => `farebox_paper_${String(index).padStart(16, 'f')}=${garbage[index % garbage.length]}`).join('; ');
  await expectShut(shop, () => shop.get('/cheap', { headers: { ...html, host: 'paper.example', cookie: flood } }), 'garbage');
  expect(looked()).toBe(0);
  const before = shop.invoices();
  const headers = { ...html, host: 'paper.example', cookie };
  const ask = { headers: { ...headers, 'l402-page': 'state' } };
  await Promise.all(Array.from({ length: 20 }, (_, index) => shop.get('/cheap', index % 2 === 0 ? ask : { headers })));
  for (let times = 0; times < 3; times++) await shop.get('/cheap', ask);
  expect([looked(), shop.invoices()]).toEqual([1, before]);
});

test('machines see no difference: the same lines, and JSON unless HTML is asked for', async () => {
  const { shop } = await openShop();
  const plainly = await shop.get('/cheap', { headers: { host: 'paper.example' } });
  const any = await shop.get('/cheap', { headers: { host: 'paper.example', accept: '*/*', 'accept-language': 'de' } });
  const json = await shop.get('/cheap', { headers: { host: 'paper.example', accept: 'application/json, text/html;q=0.9' } });
  const { page } = await visit(shop);
  for (const got of [plainly, any, json]) {
    expect(JSON.parse(got.body)).toMatchObject({ message: 'Payment required', amount: 5 });
    expect(Object.keys(got.headers).sort()).toEqual(Object.keys(plainly.headers).sort());
  }
  const shape = ({ lines }: Got) => lines.map((line) => line.replace(/macaroon="[^"]+"|token="[^"]+"|invoice="[^"]+"/g, '…'));
  expect([shape(page), page.headers['l402-price'], page.headers['cache-control']]).toEqual([shape(plainly), '5 sat', 'no-store']);
  expect(Bolt11.peek(invoiceOf(page)).amountMsat).toBe(5000n);
  const head = page.lines.join('').length + Object.entries({ ...page.headers, 'www-authenticate': '' }).join('').length;
  expect(head).toBeLessThan(4096);
});
