/**
 * The payment page of a whole gateway: as its configuration says, and to its end.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as Bolt11 from '../../core/Bolt11.ts';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import { createRootKeys } from '../../server/RootKeys.ts';
import { createMemoryStore } from '../../store/memory.ts';
import { createConfig } from '../Config.ts';
import { explain } from '../Explain.ts';
import { createGateway } from '../Gateway.ts';

const closing: (() => unknown)[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-page-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

function configOf(page: object | undefined, route: object = {}, upstream = 1, top: object = {}) {
  return createConfig(
    {
      listen: '127.0.0.1:0',
      store: 'memory',
      ...(page && { page }),
      ...top,
      services: [{ name: 'paper', upstream: `http://127.0.0.1:${upstream}`, routes: [{ path: '/x', price: '5 sat', ...route }] }],
    },
    { folder },
  );
}

/** A gateway that serves, and how a browser asks it. */
async function open(page: object | undefined, route: object = {}, top: object = {}) {
  const upstream = createServer((_, response) => void response.end('the article')).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const sandbox = createSandboxNetwork();
  const store = createMemoryStore();
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
  closing.push(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  closing.push(() => Promise.all([store.close(), sandbox.close()]));
  const config = configOf(page, route, (upstream.address() as AddressInfo).port, top);
  const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= gateway.close());
  closing.push(close);
  const { url } = await gateway.listen();
  const ask = (headers: { readonly [name: string]: string } = {}) => fetch(`${url}/x`, { headers: { accept: 'text/html', ...headers } });
  const pay = async (answer: Response) => {
    const invoice = /invoice="([^"]+)"/.exec(answer.headers.get('www-authenticate') ?? '')?.[1] as string;
    await sandbox.payer('phone').pay({ invoice, maxFeeMsat: 5000n as never, timeoutSeconds: 60 });
  };
  return { ask, pay, close, store };
}

const typeOf = (answer: Response) => answer.headers.get('content-type');
const ticketOf = (answer: Response) => answer.headers.get('set-cookie')?.split(';', 1)[0] as string;

test('browsers get it where nothing is said, and not where it is not to be shown', async () => {
  const { ask } = await open(undefined);
  expect(typeOf(await ask())).toBe('text/html; charset=utf-8');
  expect(typeOf(await ask({ accept: '*/*' }))).toBe('application/json');
  const other = await open({ show: false });
  const plain = await other.ask();
  expect([typeOf(plain), plain.headers.get('set-cookie')]).toEqual(['application/json', null]);
});

test('what is sold by the request is opened once, and then sold anew', async () => {
  const { ask, pay } = await open(undefined);
  const first = await ask();
  await pay(first);
  const bought = await ask({ cookie: ticketOf(first) });
  expect([await bought.text(), bought.headers.get('l402-payment'), bought.headers.get('set-cookie')]).toEqual(['the article', 'charged', null]);
  const again = await ask({ cookie: ticketOf(first) });
  const page = await again.text();
  expect([again.status, page.includes('has been used'), ticketOf(again) === ticketOf(first)]).toEqual([402, true, false]);
});

test('a ticket is for https alone where the person came by it, on the word of a proxy that is trusted', async () => {
  const isSecure = async (top: object, said: string) => {
    const { ask } = await open(undefined, {}, top);
    return / Secure(;|$)/.test((await ask({ 'x-forwarded-proto': said })).headers.get('set-cookie') ?? '');
  };
  const trusting = { trustedProxies: ['127.0.0.1'] };
  expect([await isSecure(trusting, 'https'), await isSecure(trusting, 'http'), await isSecure({}, 'https')]).toEqual([true, false, false]);
});

test('nobody is asked to pay for a ticket that was revoked meanwhile', async () => {
  const { ask, store } = await open(undefined);
  const first = await ask();
  const invoiceOf = (page: string) => /lightning:(\w+)/.exec(page)?.[1];
  const before = invoiceOf(await first.text());
  const cookie = ticketOf(first);
  expect(invoiceOf(await (await ask({ cookie })).text())).toBe(before);
  const value = Bolt11.peek(before as string).paymentHash;
  await store.deny({ kind: 'payment', value, expiresAt: 4_000_000_000 });
  // Each process hears of it by the store's feed.
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  const after = await ask({ cookie });
  expect([after.status, invoiceOf(await after.text()) === before]).toEqual([402, false]);
});

test('a gateway that ends is not held up by pages that wait', async () => {
  const { ask, close } = await open(undefined);
  const waiting = await ask({ cookie: ticketOf(await ask()), 'l402-page': 'wait' });
  const reader = (waiting.body as ReadableStream<Uint8Array>).getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: open\n\n');
  const closed = close();
  expect((await reader.read()).done).toBe(true);
  await closed;
});

test('where its head would be longer than proxies take, a browser gets what programs get', async () => {
  const { ask } = await open(undefined, { title: 'A'.repeat(300) });
  const answer = await ask();
  expect([answer.status, typeOf(answer), answer.headers.get('set-cookie')]).toEqual([402, 'application/json', null]);
});

describe('a configuration', () => {
  test('is completed, and said in words', () => {
    expect(configOf(undefined).page).toEqual({ name: undefined, logoPath: undefined, colour: '#f7931a', rate: undefined });
    const config = configOf({ name: 'The Toll House', logo: 'logo.svg', colour: '#0AF', rate: { currency: 'EUR', bitcoin: 95_000 } });
    expect(config.page).toEqual({ name: 'The Toll House', logoPath: join(folder, 'logo.svg'), colour: '#00aaff', rate: { currency: 'EUR', bitcoin: 95_000 } });
    expect(explain(config)).toContain(
      `people      whose browsers ask for HTML get a page to pay on: The Toll House, ${join(folder, 'logo.svg')}, 95000 EUR a bitcoin`,
    );
    expect(explain(configOf({ show: false }))).toContain('people      are asked to pay as programs are');
  });

  test.each([
    [{ colour: 'green' }, 'a colour is written as "#0b6e4f"'],
    [{ colour: '#12345' }, 'a colour is written as "#0b6e4f"'],
    [{ rate: { currency: 'euro', bitcoin: 1 } }, 'a currency is written in three capitals'],
    [{ rate: { currency: 'EUR' } }, '`bitcoin` is missing'],
    [{ color: '#fff' }, 'did you mean `colour`?'],
  ])('%o is a mistake', (page, message) => expect(() => configOf(page)).toThrow(message));

  test('a logo is a small picture that is there', async () => {
    writeFileSync(join(folder, 'large.svg'), 'x'.repeat(6145));
    writeFileSync(join(folder, 'logo.exe'), 'x');
    for (const [logo, message] of [
      ['none.svg', 'cannot be read (ENOENT)'],
      ['large.svg', 'has 6145 bytes, and 6144 are taken'],
      ['logo.exe', 'is no SVG, PNG, JPEG or WebP'],
    ] as const) {
      await expect(open({ logo })).rejects.toThrow(message);
    }
    writeFileSync(join(folder, 'small.png'), 'x'.repeat(6144));
    const { ask } = await open({ logo: 'small.png' });
    expect(await (await ask()).text()).toContain('<img src="data:image/png;base64,eHh4');
  });
});
