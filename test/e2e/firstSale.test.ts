/**
 * The first success, as a newcomer has it: the demo, and a price on a server of one's own, bought from another terminal.
 */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { startUpstream, type Upstream } from '../conformance/shop/upstream.ts';
import { type Desk, openDesk } from './processes.ts';

let desk: Desk | undefined;
let upstream: Upstream | undefined;
afterEach(async () => {
  await desk?.close();
  await upstream?.close();
  desk = undefined;
  upstream = undefined;
});

test('the demo shows a sale and ends well', async () => {
  desk = openDesk();
  const { code, stdout } = await desk.run('demo', '--once');
  expect(code).toBe(0);
  for (const text of [
    'HTTP/1.1 402 Payment Required',
    'WWW-Authenticate: LSAT macaroon=',
    '50 sat',
    'HTTP/1.1 200 OK',
    '"translation": "hola"',
    'Sold.',
    '2 HTTP requests, 1 payment',
  ]) {
    expect(stdout).toContain(text);
  }
  expect(stdout).not.toMatch(/[0-9a-f]{65}|:[0-9a-f]{64}/);
});

test('the README shows what the demo prints', async () => {
  desk = openDesk();
  const { stdout } = await desk.run('demo', '--once');
  const shown = /```\n( farebox demo[^`]*)```/.exec(readFileSync(new URL('../../README.md', import.meta.url), 'utf8'))?.[1];
  expect(general(shown ?? '')).toBe(general(stdout));
});

/** Without what is new in every run: ports, hashes, tokens, times. */
function general(text: string): string {
  return text
    .trim()
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/\d+ ms/g, 'N ms')
    .replace(/[\w+/]{8,}=*…/g, 'LONG…');
}

test('the demo stays up, and another terminal buys from it', async () => {
  desk = openDesk();
  const demo = desk.start('demo', '--json', '--port', '0');
  const { url } = await demo.says(({ kind }) => kind === 'listening');
  await demo.says(({ kind }) => kind === 'sold');
  const got = await desk.run('get', `${url}/api/v1/translate?text=bread&target=de`, '--max', '60 sat');
  expect([got.code, got.stdout.trim()]).toEqual([0, JSON.stringify({ translation: 'Brot', source: 'en', target: 'de' })]);
  expect(got.stderr).toContain('paid 50 sat, fee 1 sat');

  const pass = (await desk.run('get', `${url}/api/v1/words/es`, '--max', '110 sat', '--credential')).stdout.trim();
  const narrowed = (await desk.run('token', 'attenuate', pass, '--path', '/api/v1/words/es')).stdout.trim();
  const statusOf = async (path: string, authorization: string) => (await fetch(url + path, { headers: { authorization } })).status;
  expect(await Promise.all(['es', 'de'].map((language) => statusOf(`/api/v1/words/${language}`, pass)))).toEqual([200, 200]);
  expect(await Promise.all(['es', 'de'].map((language) => statusOf(`/api/v1/words/${language}`, narrowed)))).toEqual([200, 403]);
  expect((await demo.stop()).code).toBe(0);
});

test('a price on a server of your own: refused without a limit, bought with one, bought for another to use, seen in the sales', async () => {
  desk = openDesk();
  upstream = await startUpstream();
  const serve = desk.start('serve', upstream.url, '--price', '10 sat', '--listen', '127.0.0.1:0');
  const { url } = await serve.says(({ kind }) => kind === 'listening');

  const dear = await desk.run('get', `${url}/a`);
  expect([dear.code, dear.stdout]).toEqual([3, '']);
  expect(dear.stderr).toContain('10 sat');
  const tight = await desk.run('get', `${url}/a`, '--max', '10 sat');
  expect([tight.code, upstream.seen.length]).toEqual([3, 0]);

  const got = await desk.run('get', `${url}/a?x=1`, '--max', '12 sat', '--json');
  const answer = JSON.parse(got.stdout) as { status: number; payment: { amountMsat: string; feeMsat: string; reused: boolean } };
  expect([got.code, answer.status, answer.payment.amountMsat, answer.payment.feeMsat, answer.payment.reused]).toEqual([0, 200, '10000', '1000', false]);
  expect(upstream.seen.map((one) => `${one.method} ${one.url}`)).toEqual(['GET /a?x=1']);
  expect(upstream.seen[0]?.headers.authorization).toBeUndefined();

  const credential = (await desk.run('get', `${url}/b`, '--max', '12 sat', '--credential')).stdout.trim();
  expect(credential).toMatch(/^L402 [A-Za-z0-9+/]+=*:[0-9a-f]{64}$/);
  expect((await fetch(`${url}/b`, { headers: { authorization: credential } })).status).toBe(200);
  expect((await fetch(`${url}/b`, { headers: { authorization: credential } })).status).toBe(402);

  const sales = await desk.run('sales', '--json');
  expect([sales.code, sales.stdout]).toEqual([0, expect.stringContaining('20000')]);
  expect((await serve.stop()).code).toBe(0);
});

test('a port that is taken, an upstream that is no URL and a price without a unit are said clearly', async () => {
  desk = openDesk();
  upstream = await startUpstream();
  const taken = await desk.run('serve', upstream.url, '--price', '10 sat', '--listen', new URL(upstream.url).host);
  expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('something listens there already')]);
  const unpriced = await desk.run('serve', upstream.url, '--price', '10');
  expect([unpriced.code, unpriced.stderr]).toEqual([2, expect.stringContaining('"10 sat" or "10 msat"')]);
  const nowhere = await desk.run('serve', 'localhost', '--price', '10 sat');
  expect(nowhere.code).toBe(2);
});
