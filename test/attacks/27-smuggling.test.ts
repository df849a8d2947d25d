/**
 * Request smuggling and header injection: bytes that two servers in a row could read as one request or as two. The gateway refuses them, or
 * sends on what it has understood, written anew; and nothing that is echoed can end a line.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { createConfig, parseConfig } from '../../src/gateway/Config.ts';
import { type Closing, closeAll, letThrough, openRaw, openStage, openTcp, openUpstream, type Seen, valuesOf } from '../gateway/harness.ts';
import { smugglingOverHttp2 } from './smugglingHttp2.ts';
import { enter, names, path, sendRaw } from './thief.ts';
import { agreed, enterLive, handshake, key, live, statusOf } from './webSockets.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';
const post = (...rest: readonly string[]) => ['POST /a HTTP/1.1', 'Host: a', ...rest, '', ''].join('\r\n');
const get = (...rest: readonly string[]) => ['GET /a HTTP/1.1', 'Host: a', ...rest, '', ''].join('\r\n');
const chunked = (body: string) => post('Transfer-Encoding: chunked') + body;
const last = '0\r\n\r\n';

type Case = readonly [what: string, bytes: string];

/** Two lengths, or none that can be read. */
const lengths: readonly Case[] = [
  ['Content-Length and chunked', `${post('Content-Length: 4', 'Transfer-Encoding: chunked')}${last}${hidden}`],
  ['chunked and Content-Length', `${post('Transfer-Encoding: chunked', 'Content-Length: 5')}${last}${hidden}`],
  ['both, waiting to be asked', `${post('Content-Length: 5', 'Transfer-Encoding: chunked', 'Expect: 100-continue')}${last}${hidden}`],
  ['both, and TE', `${post('TE: chunked', 'Content-Length: 5', 'Transfer-Encoding: chunked')}${last}${hidden}`],
  ['both, the coding hidden behind identity', `${post('Content-Length: 5', 'Transfer-Encoding: identity', 'Transfer-Encoding: chunked')}${last}${hidden}`],
  ['Content-Length and identity', `${post('Content-Length: 3', 'Transfer-Encoding: identity')}abc${hidden}`],
  ['both on GET', `${get('Content-Length: 5', 'Transfer-Encoding: chunked')}${last}${hidden}`],
  ['two lengths', `${post('Content-Length: 1', 'Content-Length: 2')}ab`],
  ['two lengths in other letter case', `${post('content-length: 1', 'CONTENT-LENGTH: 2')}ab`],
  ['one length twice', `${post('Content-Length: 1', 'Content-Length: 1')}a`],
  ['a list of lengths', `${post('Content-Length: 1, 1')}a`],
  ...['+1', '-1', '0x1', '1_0', '1.0', '1e1', '1 1', '', '"1"', '1;1', '\u00b9', '99999999999999999999999'].map(
    (length): Case => [`the length ${JSON.stringify(length)}`, `${post(`Content-Length: ${length}`)}${'a'.repeat(10)}`],
  ),
];

/** A coding that some read as chunked and others do not. */
const codings: readonly Case[] = [
  ...[
    'xchunked',
    'chunkedx',
    'chunked, chunked',
    'chunked, identity',
    'identity, chunked',
    'gzip, chunked',
    'chunked, gzip',
    'identity',
    'chunked;q=1',
    '"chunked"',
    "'chunked'",
    '\x0bchunked',
    'chunked\x0b',
    '\x0cchunked',
    '',
    ',chunked',
    'chunked,',
    'ch unked',
    '\u00e7hunked',
  ].map((coding): Case => [`Transfer-Encoding ${JSON.stringify(coding)}`, `${post(`Transfer-Encoding: ${coding}`)}${last}${hidden}`]),
  ['the coding said twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}${last}${hidden}`],
  ['the coding said twice in other letter case', `${post('Transfer-Encoding: chunked', 'transfer-encoding: CHUNKED')}${last}${hidden}`],
  ['a space before the colon', `${post('Transfer-Encoding : chunked')}${last}${hidden}`],
  ['a tab before the colon', `${post('Transfer-Encoding\t: chunked')}${last}${hidden}`],
  ['a NUL in the name', `${post('Transfer-\0Encoding: chunked')}${last}${hidden}`],
  ['a folded coding', `${post('Transfer-Encoding:', ' chunked')}${last}${hidden}`],
  ['a coding folded in two', `${post('Transfer-Encoding: chun', '\tked')}${last}${hidden}`],
  ['chunks in HTTP/1.0', `POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${last}${hidden}`],
  ['chunks in HTTP/1.0 that is kept alive', `POST /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${last}${hidden}`],
];

/** Where a line ends. */
const lines: readonly Case[] = [
  ['line feeds alone', 'GET /a HTTP/1.1\nHost: a\n\n'],
  ['a line feed behind the request line', 'GET /a HTTP/1.1\nHost: a\r\n\r\n'],
  ['a line feed between headers', get('X-A: b\nX-C: d')],
  ['a line feed at the end', 'GET /a HTTP/1.1\r\nHost: a\r\n\n'],
  ['a line feed that hides a length', `${post('X-A: b\nContent-Length: 3')}abc`],
  ['a carriage return alone', get('X-A: b\rX-C: d')],
  ['a carriage return that hides a coding', `${post('X-A: b\rTransfer-Encoding: chunked')}${last}`],
  ['two carriage returns', 'GET /a HTTP/1.1\r\r\nHost: a\r\n\r\n'],
  ['a folded line', get('X-A: b', ' c')],
  ['a line folded by a tab', get('X-A: b', '\tc')],
  ['a folded first header', 'GET /a HTTP/1.1\r\n Host: a\r\n\r\n'],
  ['a NUL in a value', get('X-A: a\0b')],
  ['a NUL in a name', get('X-\0A: b')],
  ['a NUL in the path', 'GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a NUL in the method', 'GE\0T /a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a name with a space', get('X A: b')],
  ['no name', get(': b')],
  ['no colon', get('X-A')],
  ['a name in parentheses', get('(X): b')],
  ['tabs in the request line', 'GET\t/a\tHTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a request line in the target', 'GET /a HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no version', 'GET /a\r\nHost: a\r\n\r\n'],
  ['HTTP/0.9', 'GET /a HTTP/0.9\r\nHost: a\r\n\r\n'],
  ['HTTP/1.2', 'GET /a HTTP/1.2\r\nHost: a\r\n\r\n'],
  ['HTTP/1.10', 'GET /a HTTP/1.10\r\nHost: a\r\n\r\n'],
  ['http in lower case', 'GET /a http/1.1\r\nHost: a\r\n\r\n'],
  ['a method in lower case', 'get /a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['what is nearly the beginning of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\n'],
  ['the beginning of HTTP/2 behind an empty line', '\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
];

/** Whom the request is for. */
const targets: readonly Case[] = [
  ['no host', 'GET /a HTTP/1.1\r\n\r\n'],
  ['two hosts', get('Host: b')],
  ['one host twice', get('Host: a')],
  ['a host with a path', 'GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a host with a user', 'GET /a HTTP/1.1\r\nHost: me@a\r\n\r\n'],
  ['a list of hosts', 'GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['a target with a user', 'GET http://me@a/a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target of another scheme', 'GET ftp://a/a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target without a host', 'GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with a backslash for a slash', 'GET http:\\\\a/a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target with a port beyond measure', 'GET http://a:999999/a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['the target of OPTIONS', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a tunnel', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a WebSocket in a list', get('Connection: Upgrade', 'Upgrade: h2c, WebSocket/13')],
];

describe('refused before anything is forwarded', () => {
  test.each([...lengths, ...codings, ...lines, ...targets])('%s', async (_, bytes) => {
    const { forwarded, answered, checks } = await attack(bytes);
    expect(answered).toMatch(/^HTTP\/1\.1 (?:400|501) /);
    expect(answered.match(/HTTP\/1\.1 \d{3} /g)).toHaveLength(1);
    expect(forwarded).toBe('');
    expect(checks).toBe(0);
  });
});

/** Chunks that some read and others do not. The head is in order, so that the request has begun; it must never end. */
const chunks: readonly Case[] = [
  ...['zz', '0x2', '+2', '-2', ' 2', '\t2', '2 ', '2\t', '2 ;a', '', '2\0', '2,2', '2.0', '"2"', '1ffffffffffffffff', '100000000000000000002', '2\x0b'].map(
    (size): Case => [`the size ${JSON.stringify(size)}`, chunked(`${size}\r\nab\r\n${last}${hidden}`)],
  ),
  ['a tab behind the coding', `${post('Transfer-Encoding: chunked\t')}2\r\nab\r\n${last}${hidden}`],
  ['a line feed behind the size', chunked(`2\nab\r\n${last}${hidden}`)],
  ['a carriage return behind the size', chunked(`2\rab\r\n${last}${hidden}`)],
  ['a line feed in an extension', chunked(`2;a\nab\r\n${last}${hidden}`)],
  ['a line feed in a quoted extension', chunked(`2;a="\n"\r\nab\r\n${last}${hidden}`)],
  ['a NUL in an extension', chunked(`2;a\0\r\nab\r\n${last}${hidden}`)],
  ['an extension without an end', chunked(`2;${'a'.repeat(20_000)}\r\nab\r\n${last}${hidden}`)],
  ['more data than the size', chunked(`2\r\nabc\r\n${last}${hidden}`)],
  ['less data than the size', chunked(`4\r\nab\r\n${last}${hidden}`)],
  ['no line end behind the data', chunked(`2\r\nab${last}${hidden}`)],
  ['a line feed behind the data', chunked(`2\r\nab\n${last}${hidden}`)],
  ['a line feed behind the last chunk', chunked(`2\r\nab\r\n0\n\n${hidden}`)],
  ['a folded trailer', chunked(`2\r\nab\r\n0\r\nX-A: b\r\n c\r\n\r\n${hidden}`)],
  ['a trailer with a NUL', chunked(`2\r\nab\r\n0\r\nX-A: b\0\r\n\r\n${hidden}`)],
  ['a trailer with a length', chunked(`2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n${hidden}`)],
  ['a trailer with a coding', chunked(`2\r\nab\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n${hidden}`)],
  ['trailers beyond measure', chunked(`2\r\nab\r\n0\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n${hidden}`)],
];

describe('broken off, and never whole', () => {
  test.each(chunks)('%s', async (_, bytes) => {
    const { forwarded, answered } = await attack(bytes);
    // What came of the body before may be on its way; its end is not, nor is what stood behind it.
    expect(forwarded).not.toMatch(/\r\n0\r\n\r\n$/);
    expect(forwarded).not.toContain('hidden');
    expect(answered).not.toMatch(/^HTTP\/1\.1 2/);
  });

  test('and a payment is given back', async () => {
    for (const bad of ['zz\r\nab\r\n', '2\nab\r\n', '2\r\nabc\r\n']) {
      const shop = await enter('gateway');
      const { authorization } = await shop.buy(path, { method: 'POST' });
      const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`;
      const client = await openRaw(closing, Number(new URL(shop.url).port));
      client.write(head);
      // In the midst of it: the claim is held, and the upstream reads.
      while (!shop.asked().includes('claim')) await new Promise((resolve) => setImmediate(resolve));
      client.write(bad + last + hidden);
      await client.closed;
      await shop.ended('released client-left');
      expect(shop.upstream.seen).toEqual([]);
      expect(await shop.ledger()).not.toContain('earned');
      expect((await shop.get(path, { method: 'POST', headers: { authorization }, body: 'hi' })).status).toBe(200);
    }
  });
});

/** Read by all alike, once it is written anew: one request with one body. */
const understood: readonly (readonly [what: string, bytes: string, body: string])[] = [
  ['a request as the body of another', `${post(`Content-Length: ${hidden.length}`)}${hidden}`, hidden],
  ['a request as the body of GET', `${get(`Content-Length: ${hidden.length}`)}${hidden}`, hidden],
  ['a request in a chunk', chunked(`${hidden.length.toString(16)}\r\n${hidden}\r\n${last}`), hidden],
  ['the coding in capitals', `${post('Transfer-Encoding: CHUNKED')}2\r\nhi\r\n${last}`, 'hi'],
  ['spaces around the coding', `${post('Transfer-Encoding:  chunked ')}2\r\nhi\r\n${last}`, 'hi'],
  ['two spaces in the request line', 'POST  /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi', 'hi'],
  ['leading zeros in a size', chunked(`0002\r\nhi\r\n000\r\n\r\n`), 'hi'],
  ['an extension', chunked(`2;a="b;c";d\r\nhi\r\n0;e\r\n\r\n`), 'hi'],
  ['many extensions', chunked(`${`1;${'a'.repeat(300)}\r\nx\r\n`.repeat(100)}${last}`), 'x'.repeat(100)],
  ['TE, which asks for trailers and no more', `${post('Content-Length: 2', 'TE: chunked, trailers')}hi`, 'hi'],
  ['a length that Connection names', `${post(`Content-Length: ${hidden.length}`, 'Connection: Content-Length')}${hidden}`, hidden],
  [
    'a coding that Connection names',
    `${post('Transfer-Encoding: chunked', 'Connection: Transfer-Encoding')}${hidden.length.toString(16)}\r\n${hidden}\r\n${last}`,
    hidden,
  ],
  ['a host that Connection names', `${post('Content-Length: 2', 'Connection: Host, close')}hi`, 'hi'],
  ['a second length with another dash', `${post(`Content-Length: ${hidden.length}`, 'Content_Length: 0')}${hidden}`, hidden],
  ['a coding with another dash', `${post('Content-Length: 5', 'Transfer_Encoding: chunked')}${last}`, last],
  ['HTTP/2 in clear', `${post('Content-Length: 2', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')}hi`, 'hi'],
  [
    'trailers that route and authenticate',
    chunked(`2\r\nhi\r\n0\r\nHost: b\r\nAuthorization: Bearer x\r\nX-HTTP-Method-Override: GET\r\nX-A: b\r\n\r\n`),
    'hi',
  ],
  ['a method that changes on the way', `${post('Content-Length: 2', 'X-HTTP-Method-Override: GET')}hi`, 'hi'],
];

describe('forwarded as one request, written anew', () => {
  test.each(understood)('%s', async (_, bytes, body) => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port });
    const client = await openRaw(closing, stage.port);
    client.write(bytes);
    await client.until(/^HTTP\/1\.1 200 [\s\S]*ok/);
    // One more, so that whatever was left over of the first would be read before it.
    client.socket.destroy();
    expect(await askAfter(stage.port)).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.seen.map(({ method, url, body: got }) => [method, url, got.toString('latin1')])).toEqual([
      [bytes.slice(0, bytes.indexOf(' ')), '/a', body],
      ['GET', '/after', ''],
    ]);
    expectFramedOnce(upstream.seen[0]);
  });

  test('a request sent ahead behind a paid one is paid for by itself', async () => {
    const shop = await enter('gateway');
    const { authorization } = await shop.buy(path);
    const ahead = `GET ${path} HTTP/1.1\r\nHost: a\r\n`;
    const text = await sendRaw(
      shop,
      `${ahead}Authorization: ${authorization}\r\n\r\n${ahead}\r\n${ahead}Authorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 \d{3} /g)).toEqual(['HTTP/1.1 200 ', 'HTTP/1.1 402 ', 'HTTP/1.1 402 ']);
    expect(shop.upstream.seen.length).toBe(1);
  });
});

/** Bytes that would end a line and begin another, where somebody prints them as they are. */
const injected = '\r\nX-Injected: yes\r\n\r\nHTTP/1.1 200 OK\r\n';
const escaped = encodeURIComponent(injected);

describe.each(names)('what is echoed behind %s', (name) => {
  test('cannot end a line', async () => {
    const shop = await enter(name);
    const { authorization } = await shop.buy(path);
    const asks = [
      `GET /api/v1/translate${escaped} HTTP/1.1`,
      `GET /deep/${escaped} HTTP/1.1`,
      `GET /deep/%0aX-Injected:%20yes HTTP/1.1`,
      `GET /deep/%E5%98%8A%E5%98%8DX-Injected:yes HTTP/1.1`,
      `GET ${path}&x=${escaped} HTTP/1.1`,
      `GET /nowhere/${escaped} HTTP/1.1`,
      `GET ${path} HTTP/1.1\r\nIdempotency-Key: a%0d%0aX-Injected: yes`,
      `GET ${path} HTTP/1.1\r\nIdempotency-Key: \u560a\u560dX-Injected: yes`,
      `GET ${path} HTTP/1.1\r\nAuthorization: ${authorization}\r\nIdempotency-Key: a\u010d\u010aX-Injected: yes`,
      `GET ${path} HTTP/1.1\r\nAuthorization: L402 a%0d%0aX-Injected: yes`,
      `GET ${path} HTTP/1.1\r\nAccept: application/problem+json;${escaped}`,
      `OPTIONS ${path} HTTP/1.1\r\nOrigin: http://a${escaped}\r\nAccess-Control-Request-Method: GET${escaped}\r\nAccess-Control-Request-Headers: a%0d%0a, \u010d\u010aX-Injected`,
      `OPTIONS ${path} HTTP/1.1\r\nOrigin: null\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: a\tb\xe9`,
      `HEAD ${path} HTTP/1.1\r\nL402-Price: 1 sat%0d%0aX-Injected: yes`,
    ];
    for (const ask of asks) {
      const text = await sendRaw(shop, `${ask}\r\nHost: a\r\nConnection: close\r\n\r\n`);
      expect([ask, text]).toEqual([ask, expect.stringMatching(/^HTTP\/1\.1 (?:200|204|400|401|402|404) [\s\S]*\r\n\r\n/)]);
      expect([ask, text.match(/^X-Injected/im), text.match(/^HTTP\/1\.1 /gm)?.length]).toEqual([ask, null, 1]);
    }
  });
});

describe('what the seller writes', () => {
  test('a title, a name or a price that would end a line stops the gateway before it starts', () => {
    const service = (more: object, route: object = {}) => ({
      listen: '127.0.0.1:0',
      services: [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', price: '1 sat', ...route }], ...more }],
    });
    expect(() => createConfig(service({}))).not.toThrow();
    for (const config of [
      service({ title: `a${injected}b` }),
      service({ name: `a${injected}b` }),
      service({ host: `a${injected}b` }),
      service({ capabilities: [`a${injected}b`] }),
      service({}, { title: 'a\nb' }),
      service({}, { description: `a${injected}b` }),
      service({}, { price: `1 sat${injected}` }),
      service({}, { path: `/a${injected}` }),
      service({}, { methods: [`GET${injected}`] }),
    ])
      expect(() => createConfig(config)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test.each(['express', 'hono'] as const)('a title with line ends in it stays in the body behind %s', async (name) => {
    const title = `Translate${injected}now`;
    const shop = await enter(
      name,
      {},
      { routes: ({ url }) => [{ methods: ['GET'], path: '/api/v1/translate', upstream: url, options: { price: '50 sat', title } }] },
    );
    const text = await sendRaw(shop, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 402 /);
    expect([text.match(/^X-Injected/im), text.match(/^HTTP\/1\.1 /gm)?.length]).toEqual([null, 1]);
  });
});

/** Answers by which an upstream, or whoever has it in hand, would write the client another answer than its own. */
const answers: readonly (readonly [what: string, head: string, served: boolean])[] = [
  ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', false],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 60\r\nContent-Length: 2\r\n\r\nok', false],
  ['a coding beside chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', false],
  ['a carriage return in a value', 'HTTP/1.1 302 Found\r\nLocation: /b\rX-Injected: yes\r\nContent-Length: 2\r\n\r\nok', false],
  ['a line feed in a value', 'HTTP/1.1 302 Found\r\nLocation: /b\nX-Injected: yes\r\nContent-Length: 2\r\n\r\nok', false],
  ['a NUL in a value', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok', false],
  ['a folded value', 'HTTP/1.1 200 OK\r\nX-A: a\r\n X-Injected: yes\r\nContent-Length: 2\r\n\r\nok', false],
  ['a reason with an answer in it', 'HTTP/1.1 200 OK\rX-Injected: yes\r\nContent-Length: 2\r\n\r\nok', false],
  [
    'a second answer behind the first',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Injected: yes\r\nContent-Length: 8\r\n\r\npoisoned',
    true,
  ],
];

describe.each(['farebox', 'undici'] as const)('an upstream that answers, asked by %s,', (upstreamClient) => {
  test.each(answers)('%s', async (_, answer, served) => {
    let asked = 0;
    let connections = 0;
    const port = await openTcp(closing, (socket) => {
      connections++;
      socket.on('data', (chunk: Buffer) => {
        if (!chunk.toString('latin1').endsWith('\r\n\r\n')) return;
        if (++asked === 1) socket.write(answer, 'latin1');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine');
      });
    });
    const stage = await openStage(closing, { upstream: port, top: { upstreamClient } });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.closed;
    expect(client.received()).toMatch(served ? /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nok$/ : /^HTTP\/1\.1 502 /);
    expect([client.received().match(/^X-Injected/im), client.received().match(/HTTP\/1\.1 \d{3} /g)?.length]).toEqual([null, 1]);
    // The next client gets its own answer, and nobody else's.
    expect(await askAfter(stage.port)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\nmine$/);
    expect(connections).toBe(2);
  });
});

describe('headers that the operator has set', () => {
  const rules = (side: string, given: object, environment: Readonly<Record<string, string>> = {}) => {
    const route = `{ path: /a, price: 1 sat, ${side}: ${JSON.stringify(given)} }`;
    return () => parseConfig(`services:\n  - name: a\n    upstream: http://x\n    routes:\n      - ${route}\n`, { environment, folder: '/srv' });
  };

  test.each(['a\r\nX-A: b', 'a\nX-A: b', 'a\rX-A: b', 'a\r\n\r\nGET /hidden HTTP/1.1', 'a\0b', 'a\u010a', 'a\u0085'])('%j ends no line', (value) => {
    for (const side of ['requestHeaders', 'responseHeaders']) {
      for (const rule of ['set', 'add']) {
        expect(rules(side, { [rule]: { 'X-Key': value } }), `${side} ${rule}`).toThrow(/CONFIG_INVALID|can stand in no header|YAML|bad character|control/i);
        expect(rules(side, { [rule]: { 'X-Key': `\${KEY}` } }, { KEY: value }), `${side} ${rule}, out of the environment`).toThrow(/cannot be used|no header/);
      }
      expect(rules(side, { set: { [`X-Key: a${value}`]: 'b' } })).toThrow();
      expect(rules(side, { remove: [value] })).toThrow();
    }
  });

  test.each(['Transfer-Encoding', 'transfer_encoding', 'Content-Length', 'content_length', 'Connection', 'Upgrade', 'TE', 'Trailer', 'Keep-Alive'])(
    '%s frames a message or belongs to its connection: no rule names it',
    (name) => {
      for (const side of ['requestHeaders', 'responseHeaders']) {
        for (const given of [{ set: { [name]: 'a' } }, { add: { [name]: 'a' } }, { remove: [name] }]) {
          expect(rules(side, given), `${side} ${Object.keys(given)[0]}`).toThrow(/belongs to one connection|the gateway's to say/);
        }
      }
    },
  );

  test('a client’s own line under a name that is set does not go on, however it is spelled', async () => {
    const upstream = await openUpstream(closing);
    const service = { requestHeaders: { set: { 'X-Api-Key': 'ours' } } };
    const stage = await openStage(closing, { upstream: upstream.port, service });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nX-Api-Key: theirs\r\nx_api-key: theirs\r\nX-API_KEY: theirs\r\nConnection: close, x-api-key\r\n\r\n');
    await client.closed;
    const lines = upstream.seen[0]?.lines.filter(([name]) => name.toLowerCase().replaceAll('_', '-') === 'x-api-key');
    expect(lines).toEqual([['X-Api-Key', 'ours']]);
  });
});

/** Sends bytes to a gateway that would let everything through, and reads until it closes. */
async function attack(bytes: string): Promise<{ forwarded: string; answered: string; checks: number }> {
  let forwarded = '';
  const port = await openTcp(closing, (socket) =>
    socket.on('data', (chunk: Buffer) => {
      forwarded += chunk.toString('latin1');
    }),
  );
  let checks = 0;
  const stage = await openStage(closing, {
    upstream: port,
    top: { limits: { headerLines: 5000 } },
    check: (...asked) => {
      checks++;
      return letThrough(...asked);
    },
  });
  const client = await openRaw(closing, stage.port);
  client.write(bytes);
  client.socket.end();
  await client.closed;
  await stage.close();
  return { forwarded, answered: client.received(), checks };
}

/** A plain request on a connection of its own. */
async function askAfter(port: number): Promise<string> {
  const client = await openRaw(closing, port);
  client.write('GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await client.closed;
  return client.received();
}

/** One length or chunks, and nothing that another server could take for either; no way to another protocol. */
function expectFramedOnce(seen: Seen | undefined): void {
  const told = (seen?.lines ?? []).map(([header]) => header.toLowerCase().replaceAll('_', '-'));
  expect(told.filter((header) => header === 'content-length' || header === 'transfer-encoding')).toHaveLength(1);
  expect(told.filter((header) => /^(?:upgrade|http2-settings|trailer|x-http-method-override|authorization|x-a)$/.test(header))).toEqual([]);
  expect(valuesOf(seen?.lines ?? [], 'te').every((value) => value === 'trailers')).toBe(true);
  expect(valuesOf(seen?.lines ?? [], 'host')).toHaveLength(1);
}

smugglingOverHttp2();
describe('behind the handshake of a WebSocket', () => {
  const refusal = 'HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nnono';

  test.each([
    ['is not paid for', undefined, refusal, 402],
    ['is refused', 'paid', refusal, 403],
    ['is answered as if it had not been asked', 'paid', refusal.replace('403 No', '200 OK'), 200],
    ['gets the answer to another one', 'paid', agreed.replace(/Accept: .*\r\n/, 'Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n'), 502],
    ['is answered for another protocol', 'paid', agreed.replace('websocket', 'h2c'), 502],
  ])('that %s nothing is sent on, and nothing is a request', async (_, paid, how, status) => {
    const { shop, answer, dial, received, heads } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    answer(how);
    const client = await dial(live, paid && authorization, hidden);
    expect(await statusOf(client)).toBe(status);
    client.write(hidden);
    client.socket.end();
    await client.closed;
    expect(client.received().match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect([heads.length, received().includes('hidden')]).toEqual([paid === undefined ? 0 : 1, false]);
  });

  test('nothing is sent on before the upstream has agreed', async () => {
    const { shop, answer, dial, received, reached, sockets } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    answer(() => {});
    const client = await dial(live, authorization, hidden);
    await reached(1);
    client.write(hidden);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([received().includes('hidden'), client.received()]).toEqual([false, '']);
    sockets[0]?.write(agreed);
    while (!received().endsWith(hidden + hidden)) await new Promise((resolve) => setImmediate(resolve));
  });

  test.each([
    ['in a list', handshake('/live').replace('Upgrade: websocket', 'Upgrade: websocket, h2c')],
    ['twice', handshake('/live', 'Upgrade: websocket')],
    ['that Connection does not name', handshake('/live').replace('Connection: Upgrade', 'Connection: close')],
    ['by another method', handshake('/live').replace('GET', 'POST')],
    ['with a body', `${handshake('/live', `Content-Length: ${hidden.length}`)}${hidden}`],
    ['with a body in chunks', `${handshake('/live', 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`],
    ['with both lengths', `${handshake('/live', 'Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n${hidden}`],
    ['with two keys', handshake('/live', `Sec-WebSocket-Key: ${key}`)],
    ['with no key', handshake('/live').replace(/Sec-WebSocket-Key.*\r\n/, '')],
  ])('that two could read differently: %s: refused, and nobody is asked to pay', async (_, bytes) => {
    const { forwarded, answered, checks } = await attack(bytes);
    expect(answered).toMatch(/^HTTP\/1\.1 (?:400|501) /);
    expect([answered.match(/HTTP\/1\.1 \d{3} /g)?.length, forwarded, checks]).toEqual([1, '', 0]);
  });

  test('sent behind a request, the answer to that comes first', async () => {
    const { shop, answer, port, sockets, reached } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    const pass = (await shop.buy('/feed')).authorization;
    answer(() => {});
    const client = await openRaw(closing, port);
    client.write(`GET /feed HTTP/1.1\r\nHost: a\r\nAuthorization: ${pass}\r\n\r\n${handshake(live, `Authorization: ${authorization}`)}`);
    await reached(1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([sockets.length, client.received()]).toEqual([1, '']);
    sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst');
    await reached(2);
    sockets[1]?.write(agreed);
    expect((await client.until(/101[\s\S]*\r\n\r\n/)).match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 101']);
  });

  test('an upstream that was asked for none says 101 to nobody', async () => {
    const { shop, dial, port } = await enterLive(closing);
    const { authorization } = await shop.buy(live);
    const client = await openRaw(closing, port);
    client.write(`GET ${live} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
    expect(await statusOf(client)).toBe(502);
    expect(await statusOf(await dial(live, authorization))).toBe(101);
  });
});
