import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import * as Macaroon from '../core/Macaroon.ts';
import { answer } from '../testing/LyingServer.ts';
import { openShop, perRequest, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { type AgentToolsOptions, agentToolsOf, createAgentTools, type HandedOn, handOnToFolder } from './tools.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup({ tools: toolOptions, ...options }: ShopOptions & { tools?: Partial<AgentToolsOptions> } = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  const tools = createAgentTools({ client: shop.client, clock: shop.clock, allowPrivate: ['127.0.0.1'], ...toolOptions });
  const call = (name: string, input: unknown) => {
    const tool = tools.find((one) => one.name === name);
    if (!tool) throw new Error(`there is no tool ${name}`);
    return tool.run(input);
  };
  return { ...shop, tools, call };
}

describe('quote', () => {
  it('says the price, what it buys and whether the budget covers it, and pays nothing', async () => {
    const { server, call, payer, url } = await setup();
    sellOnce(server);
    const { text, structured, isError } = await call('quote', { url });
    expect(text).toMatch(
      /^GET http:\/\/127\.0\.0\.1:\d+\/v1\/translate costs 50 sat\. It buys one answer\. The budget covers it, and leaves 10 sat for the fee/,
    );
    expect(structured).toMatchObject({ kind: 'priced', price: '50 sat', priceMsat: '50000', feeRoom: '10 sat', allowed: true, terms: 'per-request' });
    expect([isError, payer.paid]).toEqual([false, []]);
  });
});

describe('fetch', () => {
  it('buys, and says what was paid and what came, the answer between two lines that only it has', async () => {
    const { server, call, payer, url } = await setup();
    sellOnce(server);
    const { text, structured, isError } = await call('fetch', { url, max: '60 sat' });
    const [, number] = /^\[outside ([0-9a-f]{32})\]$/m.exec(text) ?? [];
    expect(text.split('\n').slice(-3)).toEqual([`[outside ${number}]`, '{"ok":true}', `[end of outside ${number}]`]);
    expect(text).toMatch(/^Paid 50 sat and a fee of 0 sat \(payment [0-9a-f]{64}\)\.\nStatus 200, application\/json, 11 bytes\./);
    expect(structured).toMatchObject({ status: 200, payment: { amount: '50 sat', reused: false }, untrusted: { content: '{"ok":true}' } });
    expect([isError, payer.paid.length]).toEqual([false, 1]);
  });

  it('pays no more than max, which stands within the operator’s limits and cannot raise them', async () => {
    const { server, call, payer, url } = await setup();
    sellOnce(server);
    const low = await call('fetch', { url, max: '20 sat' });
    expect(low.text).toMatch(
      /^BUDGET_EXCEEDED: This costs 50 sat, and `max` of this call is 20 sat, fee included\. Nothing was paid\.\nWhere it is worth that/,
    );
    server.handle((_, response) => server.challenge(response, server.offer({ amountMsat: Amount.fromSat(500) })));
    const high = await call('fetch', { url, max: '1 BTC' });
    expect(high.text).toMatch(/^BUDGET_EXCEEDED: .*60 sat/);
    expect(high.text).toContain('no tool can change one');
    expect([low.isError, high.isError, payer.paid]).toEqual([true, true, []]);
  });

  it('sends what it is asked to, except for what is not for a model to send', async () => {
    const { server, call, url } = await setup();
    server.handle((_, response) => answer(response));
    await call('fetch', { url, method: 'POST', headers: [{ name: 'Content-Type', value: 'text/plain' }], body: 'hello' });
    expect(server.requests.map(({ method, headers, body }) => [method, headers['content-type'], String(Buffer.from(body))])).toEqual([
      ['POST', 'text/plain', 'hello'],
    ]);
    for (const name of ['Authorization', 'cookie', 'Host', 'L402-Topup', 'Proxy-Authorization', 'X-Forwarded-For', 'Macaroon', 'Transfer-Encoding']) {
      const { structured, isError } = await call('fetch', { url, headers: [{ name, value: 'ask' }] });
      expect([name, isError, structured.error]).toMatchObject([name, true, { code: 'INPUT_MALFORMED' }]);
    }
    expect(server.requests.length).toBe(1);
  });

  it.each([
    ['nothing', undefined],
    ['no object', 'https://example.com'],
    ['a property too many', { url: 'http://127.0.0.1/', maxPerRequest: '1 BTC' }],
    ['a property of objects', JSON.parse('{"url":"http://127.0.0.1/","__proto__":{}}')],
    ['another scheme', { url: 'file:///etc/passwd' }],
    ['a user', { url: 'http://me:you@127.0.0.1/' }],
    ['an amount without a unit', { url: 'http://127.0.0.1/', max: '50' }],
    ['a body of a GET', { url: 'http://127.0.0.1/', body: 'x' }],
    ['a method that is none', { url: 'http://127.0.0.1/', method: 'CONNECT' }],
    ['a line break in a header', { url: 'http://127.0.0.1/', headers: [{ name: 'X-A', value: 'a\r\nAuthorization: b' }] }],
  ])('takes no input with %s', async (_, input) => {
    const { call, server } = await setup();
    const { structured, isError } = await call('fetch', input);
    expect(isError).toBe(true);
    expect(structured.error).toMatchObject({ code: 'INPUT_MALFORMED' });
    expect(server.requests).toEqual([]);
  });
});

describe('what was bought', () => {
  it('is listed newest first, with what it cost, and without anything secret', async () => {
    const { server, call, store, url } = await setup({ tools: { handOn: () => 'nowhere' } });
    sellOnce(server);
    await call('fetch', { url });
    await call('fetch', { url: `${server.origin}/v1/translate?text=bye` });
    const receipts = await call('list_receipts', { limit: 1 });
    expect(receipts.text).toMatch(
      /^100 sat for 2 payments, fees included\.\nThe newest 1 of them:\n.* {2}50 sat and a fee of 0 sat {2}GET http:.*\/v1\/translate {2}answered/,
    );
    expect(receipts.structured).toMatchObject({ count: 2, spent: '100 sat', receipts: [{ amount: '50 sat', outcome: 'answered' }] });
    const all = JSON.stringify([receipts, await call('list_receipts', {}), await call('list_credentials', {}), await call('show_budget', {})]);
    for (const { preimage, token } of await store.list()) for (const secret of [preimage, token]) expect(all).not.toContain(secret);
    expect(await call('list_receipts', { since: '2099-01-01' })).toMatchObject({ text: 'Nothing has been paid for.', structured: { count: 0 } });
  });

  it('and is still good is listed by server, and a credential is named and not shown', async () => {
    const { server, call, url } = await setup();
    const caveats = ['services=shop:0', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    await call('fetch', { url });
    const listed = await call('list_credentials', { url });
    expect(listed.text).toMatch(/^1 credential:\npayment [0-9a-f]{64}: any number of calls until it ends, until .*; bought for 50 sat with GET http/);
    expect(await call('list_credentials', { url: 'https://api.example/' })).toMatchObject({ structured: { count: 0 } });
    expect(await call('quote', { url })).toMatchObject({ structured: { kind: 'covered', boughtFor: '50 sat' } });
    expect((await call('fetch', { url })).text).toMatch(/^Nothing more was paid: a credential bought before was good for this/);
  });
});

describe('show_budget', () => {
  it('says every limit, what is left of it, who may be paid and whether spending was stopped', async () => {
    const { server, call, store, url } = await setup({
      maxTotal: '1000 sat',
      budgets: [{ name: 'task', limits: [{ per: 'day', max: '200 sat' }], allow: ['127.0.0.1'] }],
    });
    sellOnce(server);
    await call('fetch', { url });
    const { text, structured } = await call('show_budget', {});
    expect(text.split('\n').slice(0, 4)).toEqual([
      'Everything: at most 60 sat for one request, fees included.',
      'Everything: at most 1000 sat altogether, fees included; 50 sat spent, 950 sat left.',
      expect.stringMatching(/^Budget task: at most 200 sat a day, fees included; 50 sat spent, 150 sat left until /),
      'Pays 127.0.0.1 alone.',
    ]);
    expect(structured).toMatchObject({
      network: 'sandbox',
      stopped: false,
      limits: [{ per: 'request' }, { per: 'total', left: '950 sat' }, { budget: 'task', left: '150 sat' }],
    });
    await store.stopSpending('it is in a loop');
    expect((await call('show_budget', {})).text).toMatch(/^Nothing is paid at all now: spending has been stopped \(it is in a loop\)\./);
  });
});

describe('narrow_credential', () => {
  const caveats = ['services=shop:0', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];

  it('is there only where the operator has said where credentials go; it goes there, and the model hears what the place is called', async () => {
    const handed: HandedOn[] = [];
    const { server, call, clock, tools, url } = await setup({ tools: { handOn: (one) => `file ${handed.push(one)}` } });
    expect((await setup()).tools.map(({ name }) => name)).not.toContain('narrow_credential');
    expect(tools.at(-1)?.name).toBe('narrow_credential');
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    await call('fetch', { url });
    const { structured } = await call('list_credentials', {});
    const { paymentHash } = (structured.credentials as { paymentHash: string }[])[0] as { paymentHash: string };
    const result = await call('narrow_credential', { paymentHash, helper: 'reader', path: '/v1/papers', uses: 3, expiresInSeconds: 600 });
    expect(result.text).toMatch(/^A narrowed copy of the credential of payment [0-9a-f]{64} is at file 1\. It is good at http:/);
    expect(handed).toMatchObject([{ label: 'reader', origin: server.origin, narrowing: { path: '/v1/papers', uses: 3, expiresAt: nowAt(clock) + 600 } }]);
    expect(JSON.stringify(result)).not.toContain(handed[0]?.authorization.slice(5, 40));
    for (const input of [{}, { path: '/v2' }, { uses: 0 }, { methods: ['POST'] }, { expiresInSeconds: 31_536_000 }, { maxSpend: '1 msat' }]) {
      expect([input, await call('narrow_credential', { paymentHash, helper: 'reader', ...input })]).toMatchObject([
        input,
        { structured: { error: { code: 'INPUT_MALFORMED' } } },
      ]);
    }
    expect(await call('narrow_credential', { paymentHash: '0'.repeat(64), helper: 'reader', uses: 1 })).toMatchObject({
      structured: { error: { code: 'JOURNAL_CONFLICT' } },
    });
    expect(handed.length).toBe(1);
  });

  it('into a folder: a file that nobody else can read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'farebox-'));
    closing.push(() => rm(folder, { recursive: true }));
    const inside = join(folder, 'credentials');
    const handed = {
      authorization: 'L402 abc:def',
      origin: 'https://api.example',
      paymentHash: '0'.repeat(64),
      narrowing: { uses: 1 },
      label: 'reader',
    } as HandedOn;
    const place = await handOnToFolder(inside)(handed);
    expect(place).toMatch(/credentials\/reader-[0-9a-f]{12}\.credential$/);
    expect([await readFile(place, 'utf8'), (await stat(place)).mode & 0o777, (await stat(inside)).mode & 0o777]).toEqual(['L402 abc:def\n', 0o600, 0o700]);
  });
});

describe('buy_credit', () => {
  const credit = ['services=shop:0', 'shop_valid_until=1800086400', 'shop_terms=credit:1000000'];

  it('buys what is sold as credit with the first call, and nothing that is not', async () => {
    const { server, call, payer, url } = await setup();
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats: credit }))));
    expect(await call('buy_credit', { url, max: '55 sat' })).toMatchObject({ isError: false, structured: { kind: 'bought', payment: { amount: '50 sat' } } });
    const other = await setup();
    sellOnce(other.server);
    const refused = await other.call('buy_credit', { url: other.url });
    expect(refused.text).toMatch(/^CHALLENGE_REFUSED: One payment buys one answer there, and no balance is kept for it\. Nothing was paid\. Use fetch\./);
    expect([payer.paid.length, other.payer.paid.length]).toEqual([1, 0]);
  });

  it('adds to the balance that is kept', async () => {
    const { server, call, payer, url } = await setup();
    let account = '';
    server.handle(({ paid, headers }, response) => {
      if (headers['l402-topup'] === undefined) return paid ? answer(response) : server.challenge(response, server.offer({ caveats: credit }));
      const token = /^L402 ([^:]+):/.exec(headers.authorization ?? '')?.[1] ?? '';
      const { caveats, identifier } = Macaroon.parse(token);
      if (caveats.some((one) => one.startsWith('topup='))) return answer(response, 200, {}, { toppedUp: true, credit: '1000 sat' });
      account = Identifier.useKeyOf(identifier);
      server.challenge(response, server.offer({ caveats: [...credit.slice(0, 2), 'shop_terms=credit-topup:1000000', `topup=${account}`] }));
    });
    await call('fetch', { url });
    const { text, structured } = await call('buy_credit', { url });
    expect(text).toMatch(/^Paid 50 sat .* The seller says that 1000 sat was added to the balance\.$/);
    expect(structured).toMatchObject({ kind: 'topped-up', toppedUp: true, added: '1000 sat', payment: { amount: '50 sat' } });
    expect([payer.paid.length, account]).toEqual([2, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });
});

describe('an answer', () => {
  it('is cut where it is longer than a model is shown, and read to its end all the same', async () => {
    const { server, call, url, store } = await setup({ tools: { maxAnswerChars: 100 } });
    server.handle(({ paid }, response) =>
      paid
        ? void response.writeHead(200, { 'content-type': 'text/plain' }).end('é'.repeat(1000))
        : server.challenge(response, server.offer({ caveats: perRequest })),
    );
    const { text, structured } = await call('fetch', { url });
    expect(structured).toMatchObject({ isCut: true, bytes: 2000, encoding: 'text', untrusted: { content: 'é'.repeat(100) } });
    expect(text).toContain('only the first 100 characters of it are shown, and asking again may cost again');
    expect((await store.list()).map(({ state, usable }) => [state, usable])).toEqual([['redeemed', false]]);
  });

  it.each([
    ['bytes in base64', 'image/png', Buffer.from([0x89, 0x50, 0, 1]), 'base64', 'iVAAAQ=='],
    ['text of another charset', 'text/plain; charset=iso-8859-1', Buffer.from([0xe9]), 'text', 'é'],
    ['what says nothing and is text', '', Buffer.from('plain'), 'text', 'plain'],
    ['what says nothing and is none', '', Buffer.from([0xff, 0xfe, 0]), 'base64', '//4A'],
    ['a charset that nobody knows', 'text/plain; charset=none', Buffer.from('x'), 'base64', 'eA=='],
  ])('shows %s', async (_, type, body, encoding, content) => {
    const { server, call, url } = await setup();
    server.handle((__, response) => void response.writeHead(200, type === '' ? {} : { 'content-type': type }).end(body));
    expect(await call('fetch', { url })).toMatchObject({ structured: { encoding, untrusted: { content } } });
  });

  it('that does not come is told of in a word, without a stack or anybody’s text', async () => {
    const { server, call } = await setup();
    server.handle((_, response) => void response.socket?.destroy());
    const { text, isError } = await call('fetch', { url: server.origin });
    expect(isError).toBe(true);
    expect(text).toMatch(/^REQUEST_FAILED: The server could not be reached, or its answer could not be read( \(\w+\))?\. Nothing was paid for it\.$/);
  });

  it('that is given up is told of as that', async () => {
    const { tools, url } = await setup();
    const fetch = tools.find(({ name }) => name === 'fetch');
    expect(await fetch?.run({ url }, { signal: AbortSignal.abort() })).toMatchObject({ isError: true, structured: { error: { code: 'REQUEST_ABORTED' } } });
  });
});

describe('the tools', () => {
  it('have names with the operator’s prefix, and say which of them only look', async () => {
    const { tools } = await setup({ tools: { prefix: 'farebox_' } });
    expect(tools.map(({ name, readOnly }) => [name, readOnly])).toEqual([
      ['farebox_quote', false],
      ['farebox_fetch', false],
      ['farebox_buy_credit', false],
      ['farebox_list_receipts', true],
      ['farebox_show_budget', true],
      ['farebox_list_credentials', true],
    ]);
  });

  it('are not made with options that say two things, or nothing', async () => {
    const { client } = await openShop();
    expect(() => createAgentTools({ client, fetch, allow: ['a.example'] })).toThrow(TypeError);
    expect(() => createAgentTools({ client, allow: ['http://a.example'] })).toThrow(TypeError);
    expect(() => createAgentTools({ client, maxAnswerChars: 1 })).toThrow(RangeError);
    expect(() => createAgentTools({ client, prefix: 'a b' })).toThrow(RangeError);
    expect(() => createAgentTools({ client: {} as never })).toThrow(TypeError);
  });
});

describe('tools of an MCP client', () => {
  it('are taken over page by page, their words and answers marked as from outside, their errors told', async () => {
    const calls: unknown[] = [];
    const tools = await agentToolsOf(
      {
        listTools: async ({ cursor } = {}) =>
          cursor === undefined
            ? { tools: [{ name: 'first one', description: 'says\nmuch', inputSchema: { type: 'object' } }], nextCursor: '2' }
            : {
                tools: [
                  { name: 'second', inputSchema: { type: 'object' } },
                  { name: 'first_one', inputSchema: { type: 'object' } },
                ],
              },
        callTool: async (params, _, options) => {
          calls.push([params, options]);
          if (params.name === 'second') throw new FareboxError('BUDGET_EXCEEDED', 'It is too much.');
          return {
            content: [
              { type: 'text', text: 'hola' },
              { type: 'image', mimeType: 'image/png', data: 'AAAA' },
            ],
            structuredContent: { a: 1 },
          };
        },
      },
      { server: 'words' },
    );
    expect(tools.map(({ name, description }) => [name, description])).toEqual([
      ['words_first_one', 'A tool of the server words, in its own words: says\\u{a}much'],
      ['words_second', 'A tool of the server words, in its own words: '],
    ]);
    const result = await tools[0]?.run({ text: 'hello' });
    expect(result?.text).toMatch(
      /came from the server words\.[\s\S]*\n\[outside [0-9a-f]{32}\]\nhola\n\(image of type image\/png, 3 bytes\)\n\[end of outside/,
    );
    expect(result?.structured).toMatchObject({ untrusted: { structuredContent: { a: 1 } } });
    expect(calls).toEqual([[{ name: 'first one', arguments: { text: 'hello' } }, {}]]);
    expect(await tools[1]?.run({})).toMatchObject({ isError: true, structured: { error: { code: 'BUDGET_EXCEEDED' } } });
  });
});
