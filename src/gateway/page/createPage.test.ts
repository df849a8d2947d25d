import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { RequestView } from '../../http/RequestView.ts';
import { create as createOffer } from '../../server/Offer.ts';
import { fixed } from '../../server/Price.ts';
import { bucket } from '../../server/terms/Bucket.ts';
import { credit } from '../../server/terms/Credit.ts';
import { pass } from '../../server/terms/Pass.ts';
import { perRequest } from '../../server/terms/PerRequest.ts';
import type { Terms } from '../../server/terms/Terms.ts';
import { createPage, type PageLook, readableOn } from './createPage.ts';
import { languageFor, languages } from './PageText.ts';

const plain: PageLook = { name: undefined, logo: undefined, colour: '#f7931a', rate: undefined };
const invoice = 'lnbc50n1qqq';

/** A page as text, and its headers. */
function draw({
  look = {},
  terms = perRequest() as Terms,
  amount = '5 sat',
  language = 'en',
  headers = {} as { [name: string]: string },
  title = 'News',
  more = {},
} = {}) {
  const asked: { readonly [name: string]: string } = { 'accept-language': language, host: 'a.example', ...headers };
  const request = { method: 'GET', target: '/', header: (name: string) => asked[name], headerLines: () => [] } as unknown as RequestView;
  const offer = createOffer({ service: 'api', route: 'r', price: fixed(Amount.parse(amount)), terms, title });
  const payable = { invoice, expiresInSeconds: 600 };
  const page = createPage({ ...plain, ...look })({
    request,
    offer,
    path: '/x',
    amountMsat: Amount.parse(amount),
    payable,
    paymentHash: 'ab'.repeat(32),
    why: undefined,
    ...more,
  });
  const text = typeof page.body === 'string' ? page.body : gunzipSync(page.body).toString();
  return {
    text,
    headers: new Map(page.headers),
    isCompressed: typeof page.body !== 'string',
    words: text.replace(/<(style|script)>[\s\S]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' '),
  };
}

describe('what a payment buys', () => {
  test.each([
    ['en', perRequest(), 'Opens this once.'],
    ['en', pass({ seconds: 5400 }), 'Opens this in this browser for 90 minutes.'],
    ['de', pass({ seconds: 86_400 }), 'Öffnet dies in diesem Browser für 1 Tag.'],
    ['en', bucket({ units: 1500 }), 'Pays for 1,500 requests from this browser.'],
    ['de', credit({ creditMsat: Amount.parse('10000 sat') }), 'Ein Guthaben von 10.000 sat für diesen Browser.'],
  ] as const)('%s: %#', (language, terms, words) => expect(draw({ language, terms }).words).toContain(words));
});

test('the title is said without how much of it, which is said in words of its own', () => {
  expect(draw({ terms: pass({ seconds: 86_400 }) }).text).toContain('<h1><bdi>News</bdi></h1>');
});

test('a price in a currency is about as much, and never nothing', () => {
  const rate = { currency: 'EUR', bitcoin: 95_000 };
  expect(draw({ look: { rate }, amount: '2500 sat' }).words).toContain('about €2.38');
  expect(draw({ look: { rate }, amount: '1 sat' }).words).toContain('about €0.00095');
  expect(draw({ amount: '1500 msat' }).words).toContain('1.5 sat');
});

test('where it could not be found out, nothing is shown to pay', () => {
  const { text, words } = draw({ more: { payable: undefined } });
  expect([text.includes(invoice), text.includes('lightning:'), words.includes('do not pay again')]).toEqual([false, false, true]);
});

test.each([
  ['en', 'Open it now'],
  ['de', 'Jetzt öffnen'],
  ['ar', 'افتحه الآن'],
])('%s: what is paid for and asked for from elsewhere is one link to the same place', (language, words) => {
  const { text } = draw({ language, more: { payable: undefined, isPaidFor: true } });
  expect(text.match(/<a [^>]*>[^<]*/g)).toEqual([`<a class="button main" href="">${words}`]);
  expect([text.includes('<script'), text.includes('lnbc'), text.includes('<h1><bdi>News</bdi></h1>')]).toEqual([false, false, true]);
});

test('what was used up is said, and other faults are left to programs', () => {
  const why = (code: 'CREDENTIAL_USED' | 'CREDENTIAL_REVOKED') => draw({ more: { why: new FareboxError(code, 'x') } }).words.includes('has been used');
  expect([why('CREDENTIAL_USED'), why('CREDENTIAL_REVOKED')]).toEqual([true, false]);
});

test('it is compressed where the browser takes that', () => {
  const isCompressed = (accepted: string) => draw({ headers: { 'accept-encoding': accepted } }).isCompressed;
  expect(['gzip, deflate, br', 'br;q=1, GZIP;q=0.5', 'gzip;q=0', 'gzip;q=0.0, br', 'br', ''].map(isCompressed)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('a browser is answered in the language that it asks for most', () => {
  const asked = ['de-AT,de;q=0.9,en;q=0.8', 'ar', 'fr,de;q=0.5', 'en;q=0.2,ar;q=0.4', 'fr', '', '*', 'de;q=0', 'constructor', 'DE'];
  expect(asked.map(languageFor)).toEqual(['de', 'ar', 'de', 'ar', 'en', 'en', 'en', 'en', 'en', 'de']);
});

test('every language has every word, with the same places to fill', () => {
  const places = (words: object) => Object.entries(words).map(([name, text]) => [name, String(text).match(/\{\w+\}/g)]);
  const [first, ...others] = Object.values(languages);
  for (const words of others) expect(places(words)).toEqual(places(first as object));
});

test('what stands on the colour can be read', () => {
  expect(['#000000', '#ffffff', '#f7931a', '#0b6e4f', '#777777'].map(readableOn)).toEqual(['#fff', '#000', '#000', '#fff', '#000']);
});
