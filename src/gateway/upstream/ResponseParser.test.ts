import { describe, expect, test } from 'vitest';
import { readAnswer } from '../../../test/gateway/answers.ts';
import { ResponseParser } from './ResponseParser.ts';

const read = (text: string, options?: Parameters<typeof readAnswer>[1]) => readAnswer([Buffer.from(text, 'latin1')], options);
const ok = (...lines: readonly string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
const chunked = (body: string) => ok('Transfer-Encoding: chunked') + body;

describe('read', () => {
  test.each([
    ['a length', `${ok('Content-Length: 5')}hello`, 'hello', true],
    ['a length of nothing', ok('Content-Length: 0'), '', true],
    ['chunks', chunked('5\r\nhello\r\n0\r\n\r\n'), 'hello', true],
    ['chunks in capitals, with zeros and extensions', chunked('000A;a="b";c\r\nhellohello\r\n00;d\r\n\r\n'), 'hellohello', true],
    ['the coding in capitals', `${ok('TRANSFER-ENCODING: Chunked ')}0\r\n\r\n`, '', true],
    ['no reason, and no space before it', 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok', 'ok', true],
    ['bytes beyond ASCII in a reason', 'HTTP/1.1 200 gr\xfc\xdf\r\nContent-Length: 2\r\n\r\nok', 'ok', true],
    ['the end of the connection', `${ok()}to the end`, 'to the end', false],
    ['a connection that is to end', `${ok('Connection: x, Close', 'Content-Length: 2')}ok`, 'ok', false],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok', false],
    ['HTTP/1.0 that is kept', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok', 'ok', true],
    ['a last request', `${ok('Keep-Alive: timeout=5, max=0', 'Content-Length: 2')}ok`, 'ok', false],
    ['something behind the answer', `${ok('Content-Length: 2')}okay`, 'ok', false],
    ['a second answer behind the answer', `${ok('Content-Length: 2')}ok${ok('Content-Length: 2')}no`, 'ok', false],
    ['204 with a length, which some send and some do not', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n', '', false],
    ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n', '', true],
  ])('%s', (_, text, body, isReusable) => {
    expect(read(text, { ends: !isReusable })).toMatchObject({ body, end: 'whole', isReusable });
  });

  test('HEAD, whatever it says of a body', () => {
    for (const line of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'X-A: b']) {
      expect(read(ok(line), { method: 'HEAD' })).toMatchObject({ body: '', end: 'whole', isReusable: true });
    }
  });

  test('answers before the answer', () => {
    const text = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('Content-Length: 2')}ok`;
    expect(read(text)).toMatchObject({ informational: [[100], [103, 'Link', '</a>']], status: 200, body: 'ok', end: 'whole' });
  });

  test('headers and trailers, as they were written and without the space around them', () => {
    const { headers, trailers } = read(`${ok('X-A: \t b c\t ', 'x-a:', 'Transfer-Encoding: chunked')}0\r\nX-T:t \r\n\r\n`);
    expect([headers, trailers]).toEqual([
      ['X-A', 'b c', 'x-a', '', 'Transfer-Encoding', 'chunked'],
      ['X-T', 't'],
    ]);
  });

  test('how long a connection is kept', () => {
    const parser = new ResponseParser();
    const sink = { onInformational: () => {}, onHead: () => {}, onChunk: () => {}, onEnd: () => {} };
    for (const [value, ms] of [
      ['timeout=5', 5000],
      ['max=9, timeout="72"', 72_000],
      ['max=3', undefined],
    ] as const) {
      parser.expect('GET', sink);
      parser.read(Buffer.from(ok(`Keep-Alive: ${value}`, 'Content-Length: 0')));
      expect(parser.keepAliveMs).toBe(ms);
    }
  });
});

describe('refused', () => {
  const last = '0\r\n\r\n';
  const bad: readonly (readonly string[])[] = [
    ['both lengths', `${ok('Content-Length: 5', 'Transfer-Encoding: chunked')}${last}`, 'both lengths'],
    ['two lengths', `${ok('Content-Length: 5', 'Content-Length: 6')}hello`, 'several lengths'],
    ['one length twice', `${ok('Content-Length: 5', 'content-length: 5')}hello`, 'several lengths'],
    ...['+5', '-5', '5,5', '0x5', '5 5', '', '9999999999999999', '5.0', '5;a'].map((length) => [
      `the length ${JSON.stringify(length)}`,
      `${ok(`Content-Length: ${length}`)}hello`,
      'a length that is no number',
    ]),
    ...['gzip', 'gzip, chunked', 'chunked, chunked', 'identity', 'chunked;a', 'xchunked', '', '\x0bchunked'].map((coding) => [
      `the coding ${JSON.stringify(coding)}`,
      `${ok(`Transfer-Encoding: ${coding}`)}${last}`,
      coding.startsWith('\x0b') ? 'a line that is no header' : 'a transfer coding beside chunked',
    ]),
    ['the coding twice', `${ok('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}${last}`, 'a transfer coding beside chunked'],
    ['chunks in HTTP/1.0', `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${last}`, 'chunks in HTTP/1.0'],
    ['a line feed alone behind the status', 'HTTP/1.1 200 OK\nX-A: b\r\n\r\n', 'a line feed alone'],
    ['a line feed alone behind a header', 'HTTP/1.1 200 OK\r\nX-A: b\n\r\n', 'a line feed alone'],
    ['a line feed alone at the end of the head', 'HTTP/1.1 200 OK\r\nX-A: b\r\n\n', 'a line feed alone'],
    ['a carriage return in a header', ok('X-A: b\rX-B: c'), 'a line that is no header'],
    ['a carriage return in the status', 'HTTP/1.1 200 OK\rX-A: b\r\n\r\n', 'a first line that is none of HTTP/1'],
    ['a NUL in a header', ok('X-A: b\0c'), 'a line that is no header'],
    ['a control in a header', ok('X-A: b\x1bc'), 'a line that is no header'],
    ['a folded line', ok('X-A: b', ' c'), 'a folded line'],
    ['a line folded by a tab', ok('X-A: b', '\tc: d'), 'a folded line'],
    ['a space before the colon', ok('X-A : b'), 'a line that is no header'],
    ['no name', ok(': b'), 'a line that is no header'],
    ['no colon', ok('X-A'), 'a line that is no header'],
    ['a name with a slash', ok('X/A: b'), 'a line that is no header'],
    ...[
      'HTTP/1.2 200 OK',
      'HTTP/2 200 OK',
      'http/1.1 200 OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 20 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/1.1 099 OK',
      'SSH-2.0-x',
      '',
    ].map((line) => [`the first line ${JSON.stringify(line)}`, `${line}\r\n\r\n`, 'a first line that is none of HTTP/1']),
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n', 'another protocol that nobody asked for'],
    ['a body before the answer', 'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello', 'a body where none can be'],
    ['chunks before the answer', `HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n${last}`, 'a body where none can be'],
    ['a size of nothing', chunked('\r\nhello\r\n'), 'a chunk without a size'],
    ['a size without digits', chunked(';a\r\n'), 'a chunk without a size'],
    ...['5 ', '5\t', '0x5', '5,', '5\0'].map((size) => [
      `the size ${JSON.stringify(size)}`,
      chunked(`${size}\r\nhello\r\n${last}`),
      'a chunk whose size is no number',
    ]),
    ['a size before which there is a space', chunked(` 5\r\nhello\r\n${last}`), 'a chunk without a size'],
    ['a size beyond measure', chunked('1000000000000\r\n'), 'a chunk beyond measure'],
    ['a line feed behind a size', chunked('5\nhello\r\n'), 'a chunk whose size is no number'],
    ['a carriage return behind a size', chunked('5\rhello\r\n'), 'a carriage return alone'],
    ['a line feed in an extension', chunked('5;a\nhello\r\n'), 'an extension that ends a line'],
    ['a NUL in an extension', chunked('5;a\0\r\nhello\r\n'), 'an extension that ends a line'],
    ['data longer than its size', chunked('5\r\nhello!\r\n'), 'a chunk longer than its size'],
    ['a line feed behind the data', chunked('5\r\nhello\n0\r\n\r\n'), 'a chunk longer than its size'],
    ['a carriage return behind the data', chunked('5\r\nhello\r0\r\n\r\n'), 'a carriage return alone'],
    ['a folded trailer', chunked('0\r\nX-A: b\r\n c\r\n\r\n'), 'a folded line'],
    ['a trailer that is none', chunked('0\r\nX-A\r\n\r\n'), 'a line that is no header'],
  ];
  test.each(bad)('%s', (_, text = '', reason = '') => {
    expect(read(text, { ends: true }).end).toBe(`refused: ${reason}`);
  });

  test.each([
    ['a head', `HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(70_000)}`, 'a head beyond measure'],
    ['a first line', 'x'.repeat(70_000), 'a head beyond measure'],
    ['a head of many lines', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(257)}`, 'more lines than there may be'],
    ['trailers', chunked(`0\r\nX-A: ${'b'.repeat(20_000)}`), 'trailers beyond measure'],
    ['trailers of many lines', chunked(`0\r\n${'X-A: b\r\n'.repeat(257)}`), 'more lines than there may be'],
    ['an extension', chunked(`5;${'a'.repeat(2000)}`), 'an extension beyond measure'],
    ['zeros before a size', chunked('0'.repeat(20)), 'a chunk beyond measure'],
    ['what comes before the answer', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(101), 'more answers before the answer than there may be'],
  ])('%s beyond measure, before it ends', (_, text, reason) => {
    expect(read(text).end).toBe(`refused: ${reason}`);
  });

  test('to the byte', () => {
    const limits = { headBytes: 40, lines: 3, trailerBytes: 10, informationals: 1, extensionBytes: 4 };
    const head = `HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(14)}\r\n\r\n`;
    expect(head).toHaveLength(40);
    expect(read(head, { limits, ends: true }).end).toBe('whole');
    expect(read(head.replace('b', 'bb'), { limits, ends: true }).end).toBe('refused: a head beyond measure');
    const coded = 'HTTP/1.1 200 \r\ntransfer-encoding:chunked\r\n\r\n';
    const wide = { ...limits, headBytes: coded.length };
    expect(read(`${coded}0;abc\r\nX-A: b\r\n\r\n`, { limits: wide }).end).toBe('whole');
    expect(read(`${coded}0;abcd\r\nX-A: b\r\n\r\n`, { limits: wide }).end).toBe('whole');
    expect(read(`${coded}0;abcde\r\nX-A: b\r\n\r\n`, { limits: wide }).end).toBe('refused: an extension beyond measure');
    expect(read(`${coded}0\r\nX-A: bb\r\n\r\n`, { limits: wide }).end).toBe('refused: trailers beyond measure');
  });
});

describe('not whole', () => {
  test.each([
    ['nothing', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['half a body', `${ok('Content-Length: 5')}hel`],
    ['half a chunk', chunked('5\r\nhel')],
    ['no last chunk', chunked('5\r\nhello\r\n')],
    ['half of the trailers', chunked('0\r\nX-A: b\r\n')],
    ['nothing behind an answer before the answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('%s', (_, text) => {
    expect(read(text, { ends: true })).toMatchObject({ end: 'short', isReusable: false });
  });
});

test('chunks of a byte each cost no more a byte than a long one', () => {
  const bytes = Buffer.from(chunked('1\r\nx\r\n'.repeat(200_000)));
  // Where each looked through the text behind it, this took minutes.
  expect(readAnswer([bytes]).body).toHaveLength(200_000);
});
