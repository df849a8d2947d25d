/**
 * Requests over HTTP/2 that would be two, or another one, once somebody has written them as HTTP/1.1: refused by the session or by us; or
 * forwarded without what could be read otherwise.
 *
 * @see RFC 9113, sections 8.1.1, 8.2, 8.2.2, 8.3 and 10.3
 */
import type { ServerHttp2Stream } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { Http2Reply } from '../../src/gateway/listener/Http2Reply.ts';
import { type Closing, closeAll, letThrough, openStage, openTcp, openUpstream, valuesOf } from '../gateway/harness.ts';
import { askHttp2, block, flags, frame, kinds, openHttp2, openRawHttp2, requestLines } from '../gateway/http2.ts';
import { soon } from './soon.ts';

type Lines = readonly (readonly [name: string, value: string])[];

const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';
const withLines = (...lines: Lines): Lines => [...requestLines(), ...lines];
/** What every request has, with other values, or without one. */
const withPseudo = (changes: Readonly<Record<string, string | undefined>>): Lines =>
  requestLines().flatMap(([name, value]) => {
    const changed = name in changes ? changes[name] : value;
    return changed === undefined ? [] : [[name, changed] as const];
  });

/** Heads that are no request. */
const malformed: readonly (readonly [what: string, lines: Lines])[] = [
  ['Transfer-Encoding', withLines(['transfer-encoding', 'chunked'])],
  ['Connection', withLines(['connection', 'close'])],
  ['Connection that names a header', withLines(['connection', 'x-a'], ['x-a', 'b'])],
  ['Keep-Alive', withLines(['keep-alive', 'timeout=5'])],
  ['Proxy-Connection', withLines(['proxy-connection', 'keep-alive'])],
  ['Upgrade', withLines(['upgrade', 'websocket'])],
  ['TE beside trailers', withLines(['te', 'gzip'])],
  ['a name in upper case', withLines(['X-A', 'b'])],
  ['a length in upper case', withLines(['Content-Length', '5'])],
  ['two lengths', withLines(['content-length', '0'], ['content-length', '5'])],
  ['one length twice', withLines(['content-length', '0'], ['content-length', '0'])],
  ['a length that is no number', withLines(['content-length', '+1'])],
  ['a length without a body', withLines(['content-length', '5'])],
  ['two hosts', withLines(['host', 'b'])],
  ['two hosts, without an authority', [...withPseudo({ ':authority': undefined }), ['host', 'a'], ['host', 'b']]],
  ['no host at all', withPseudo({ ':authority': undefined })],
  ['two paths', withLines([':path', '/b'])],
  ['two methods', [[':method', 'GET'], ...requestLines()]],
  ['two authorities', [[':authority', 'a'], ...requestLines()]],
  ['two schemes', [[':scheme', 'http'], ...requestLines()]],
  ['a pseudo-header behind others', [...requestLines().slice(0, 3), ['x-a', 'b'], [':path', '/b']]],
  ['an unknown pseudo-header', [[':other', 'a'], ...requestLines()]],
  ['a pseudo-header of answers', [[':status', '200'], ...requestLines()]],
  ['an extended CONNECT that was not offered', [[':method', 'CONNECT'], [':protocol', 'websocket'], ...requestLines().slice(1)]],
  ['no method', withPseudo({ ':method': undefined })],
  ['no scheme', withPseudo({ ':scheme': undefined })],
  ['no path', withPseudo({ ':path': undefined })],
  ['an empty path', withPseudo({ ':path': '' })],
  ['a path that is none', withPseudo({ ':path': 'a' })],
  ['an absolute path of another host', withPseudo({ ':path': 'http://b/a' })],
  ['a path with a request in it', withPseudo({ ':path': `/a HTTP/1.1\r\nHost: a\r\n\r\n${hidden}` })],
  ['a path with a space', withPseudo({ ':path': '/a b' })],
  ['a path with a NUL', withPseudo({ ':path': '/a\0' })],
  ['a path with a fragment', withPseudo({ ':path': '/a#b' })],
  ['a method with a request in it', withPseudo({ ':method': `GET /hidden HTTP/1.1\r\nHost: a\r\n\r\nGET` })],
  ['a method in lower case', withPseudo({ ':method': 'get' })],
  ['a method that nobody knows', withPseudo({ ':method': 'SMUGGLE' })],
  [
    'a tunnel',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:443'],
    ],
  ],
  ['another scheme', withPseudo({ ':scheme': 'ftp' })],
  ['a scheme with a path in it', withPseudo({ ':scheme': 'http://b/c?' })],
  ['an authority with a name before it', withPseudo({ ':authority': 'user@a' })],
  ['an authority with a path', withPseudo({ ':authority': 'a/b' })],
  ['an authority with a line end', withPseudo({ ':authority': 'a\r\nX-A: b' })],
  ['an expectation that is not known', withLines(['expect', 'the-unexpected'])],
];

/** Lines that go no further, alone. */
const leftOut: readonly (readonly [what: string, name: string, value: string])[] = [
  ['a line end in a value', 'x-a', 'b\r\nX-Injected: yes'],
  ['a line feed in a value', 'x-a', 'b\nX-Injected: yes'],
  ['a carriage return in a value', 'x-a', 'b\rX-Injected: yes'],
  ['a NUL in a value', 'x-a', 'a\0b'],
  ['a request in a value', 'x-a', `b\r\n\r\n${hidden}`],
  ['a line end in a name', 'x-a: b\r\nx-injected', 'yes'],
  ['a colon in a name', 'x-injected:', 'yes'],
  ['a space in a name', 'x-injected a', 'yes'],
  ['a coding with a line end', 'transfer-encoding\r\n', 'chunked'],
  ['a length with another dash', 'content_length', '7'],
  ['a coding with another dash', 'transfer_encoding', 'chunked'],
  ['trailers that are announced', 'trailer', 'content-length'],
];

/** Registers the tests. */
export function smugglingOverHttp2(): void {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));

  describe('over HTTP/2, refused before anything is forwarded', () => {
    test.each(malformed)('%s', async (_, lines) => {
      let forwarded = '';
      const upstream = await openTcp(closing, (socket) =>
        socket.on('data', (chunk) => {
          forwarded += chunk.toString('latin1');
        }),
      );
      let checks = 0;
      const stage = await openStage(closing, {
        upstream,
        check: (...asked) => {
          checks++;
          return letThrough(...asked);
        },
      });
      const client = await openRawHttp2(closing, stage.port);
      client.write(frame(kinds.headers, flags.endHeaders | flags.endStream, 1, block(lines)));
      const refused = client.until(({ kind, stream }) => kind === kinds.goaway || (stream === 1 && (kind === kinds.reset || kind === kinds.headers)));
      expect(await soon(refused)).not.toBe('nothing happened');
      client.socket.end();
      await stage.close();
      expect(forwarded).toBe('');
      expect(checks).toBe(0);
    });

    test.each([
      ['more data than its length', [['content-length', '1']], [frame(kinds.data, flags.endStream, 1, Buffer.from('ab'))]],
      ['less data than its length', [['content-length', '5']], [frame(kinds.data, flags.endStream, 1, Buffer.from('ab'))]],
      [
        'more data in pieces',
        [['content-length', '3']],
        [frame(kinds.data, 0, 1, Buffer.from('ab')), frame(kinds.data, flags.endStream, 1, Buffer.from('ab'))],
      ],
      ['trailers that name a path', [], [frame(kinds.data, 0, 1, Buffer.from('ab')), frame(kinds.headers, 5, 1, block([[':path', '/b']]))]],
      ['trailers that end nothing', [], [frame(kinds.data, 0, 1, Buffer.from('ab')), frame(kinds.headers, 4, 1, block([['x-a', 'b']]))]],
      // Node 22 says nothing of it and waits: nothing goes on, and the time for a request ends it.
      ...(Number(process.versions.node.split('.')[0]) < 24
        ? []
        : [
            [
              'another frame within the head',
              [],
              [frame(kinds.headers, 0, 3, block(requestLines())), frame(kinds.data, flags.endStream, 1, Buffer.from('ab'))],
            ],
          ]),
    ] as [string, [string, string][], Buffer[]][])('a body with %s never ends as a whole request', async (_, lines, rest) => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port });
      const client = await openRawHttp2(closing, stage.port);
      client.write(frame(kinds.headers, flags.endHeaders, 1, block([...requestLines('/a', 'POST'), ...lines])), ...rest);
      const refused = client.until(({ kind, stream }) => kind === kinds.goaway || (stream === 1 && kind === kinds.reset));
      expect(await soon(refused)).not.toBe('nothing happened');
      client.socket.end();
      await stage.close();
      expect(upstream.seen).toEqual([]);
    });
  });

  test('over HTTP/2, a body that is taken back without an error never ends as a whole request', async () => {
    let forwarded = '';
    let isOver = false;
    const upstream = await openTcp(closing, (socket) => {
      socket
        .on('data', (chunk) => {
          forwarded += chunk.toString('latin1');
          isOver ||= forwarded.endsWith('0\r\n\r\n');
        })
        .on('close', () => {
          isOver = true;
        });
    });
    const stage = await openStage(closing, { upstream });
    const client = await openRawHttp2(closing, stage.port);
    client.write(frame(kinds.headers, flags.endHeaders, 1, block(requestLines('/a', 'POST'))), frame(kinds.data, 0, 1, Buffer.from('half')));
    while (!forwarded.includes('half')) await new Promise((resolve) => setImmediate(resolve));
    client.write(frame(kinds.reset, 0, 1, Buffer.alloc(4)));
    while (!isOver) await new Promise((resolve) => setImmediate(resolve));
    expect(forwarded).not.toMatch(/\r\n0\r\n/);
  });

  describe('over HTTP/2, forwarded as one request, written anew', () => {
    test.each(leftOut)('%s goes no further', async (_, name, value) => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port });
      const client = await openRawHttp2(closing, stage.port);
      const head = block([...requestLines('/a', 'POST'), ['content-length', '2'], [name, value], ['x-b', 'c']]);
      client.write(frame(kinds.headers, flags.endHeaders, 1, head), frame(kinds.data, flags.endStream, 1, Buffer.from('hi')));
      expect(await soon(client.until(({ kind, stream }) => kind === kinds.data && stream === 1))).not.toBe('nothing happened');
      expect(upstream.seen.map(({ method, url, body }) => [method, url, body.toString()])).toEqual([['POST', '/a', 'hi']]);
      const lines = upstream.seen[0]?.lines ?? [];
      expect(JSON.stringify(lines)).not.toMatch(/injected|hidden|x-a/i);
      expect(valuesOf(lines, 'content-length')).toEqual(['2']);
      expect(valuesOf(lines, 'transfer-encoding')).toEqual([]);
      expect(valuesOf(lines, 'x-b')).toEqual(['c']);
    });

    test('a request as the body of another', async () => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port });
      const session = openHttp2(closing, stage.port);
      for (const length of [undefined, String(hidden.length)]) {
        const answer = await askHttp2(session, { ':method': 'POST', ...(length !== undefined && { 'content-length': length }) }, hidden);
        expect(answer.status).toBe(200);
      }
      expect(upstream.seen.map(({ url, body }) => [url, body.toString()])).toEqual([
        ['/a', hidden],
        ['/a', hidden],
      ]);
    });

    test('the same host said twice', async () => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port });
      const client = await openRawHttp2(closing, stage.port);
      client.write(frame(kinds.headers, flags.endHeaders | flags.endStream, 1, block(withLines(['host', 'A']))));
      expect(await soon(client.until(({ kind, stream }) => kind === kinds.data && stream === 1))).not.toBe('nothing happened');
      expect(valuesOf(upstream.seen[0]?.lines ?? [], 'x-forwarded-host')).toEqual(['a']);
    });
  });

  test.each([
    ['X-A', 'b\r\nX-Injected: yes'],
    ['X-A', 'b\nX-Injected: yes'],
    ['X-A', 'a\0b'],
    ['X-A', 'h\u0125her'],
    ['X-A\r\nX-Injected', 'yes'],
    ['X A', 'b'],
    [':status', '200'],
  ])('a header that would end a line is not written over HTTP/2: %j %j', (name, value) => {
    const reply = new Http2Reply({} as ServerHttp2Stream, false, { onEnded: () => {}, onOver: () => {} });
    expect(() => reply.begin(200, ['X-B', 'c', name, value])).toThrow(/cannot be sent/);
    expect(reply.hasBegun).toBe(false);
  });

  test('what belongs to the connection of an upstream does not come back over HTTP/2', async () => {
    const port = await openTcp(closing, (socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok')),
    );
    const stage = await openStage(closing, { upstream: port });
    const answer = await askHttp2(openHttp2(closing, stage.port), {});
    expect(answer).toMatchObject({ status: 200, text: 'ok' });
    expect(Object.keys(answer.headers).filter((name) => /connection|keep-alive|x-hop|transfer/.test(name))).toEqual([]);
  });
}
