/**
 * Answers of upstreams, good and bad, as bytes; and what a reader made of one.
 */
import fc from 'fast-check';
import { FareboxError } from '../../src/core/Errors.ts';
import { type ParserLimits, ResponseParser } from '../../src/gateway/upstream/ResponseParser.ts';

/** What was made of an answer. */
export type Read = {
  /** Statuses and headers of what came before the head. */
  readonly informational: readonly (readonly [number, ...string[]])[];
  readonly status: number | undefined;
  readonly headers: readonly string[];
  /** One character a byte. */
  readonly body: string;
  readonly trailers: readonly string[];
  /** `short`: there is to be more. `refused`: with what was wrong. */
  readonly end: 'whole' | 'short' | `refused: ${string}`;
  /** Whether the connection could be used again. */
  readonly isReusable: boolean;
};

/** Reads an answer that comes in these pieces; `ends`: then the connection does. */
export function readAnswer(
  pieces: readonly Buffer[],
  options: { readonly method?: string; readonly ends?: boolean; readonly limits?: ParserLimits } = {},
): Read {
  const parser = new ResponseParser(options.limits);
  const informational: [number, ...string[]][] = [];
  let status: number | undefined;
  let headers: readonly string[] = [];
  let trailers: readonly string[] = [];
  let body = '';
  let isWhole = false;
  parser.expect(options.method ?? 'GET', {
    onInformational: (code, lines) => informational.push([code, ...lines]),
    onHead: (code, lines) => {
      if (status !== undefined) throw new Error('a second head');
      status = code;
      headers = lines;
    },
    onChunk: (bytes, start, end) => {
      if (start >= end) throw new Error('an empty chunk');
      body += bytes.toString('latin1', start, end);
    },
    onEnd: (lines) => {
      if (isWhole) throw new Error('a second end');
      isWhole = true;
      trailers = lines;
    },
  });
  let end: Read['end'] = 'short';
  try {
    for (const piece of pieces) parser.read(piece);
    if (options.ends) parser.end();
    if (isWhole) end = 'whole';
  } catch (error) {
    if (!FareboxError.is(error, 'UPSTREAM_MALFORMED')) throw error;
    // What stands behind an answer is looked at by nobody.
    if (isWhole) throw new Error('refused behind its end');
    end = `refused: ${String(error.details.what)}`;
  }
  return { informational, status, headers, body, trailers, end, isReusable: parser.isReusable };
}

/** Cuts bytes at these places, in whatever order. */
export function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((one, other) => one - other);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length)).filter(({ length }) => length > 0);
}

const word = fc.stringMatching(/^[A-Za-z0-9-]{1,12}$/);
const latin1 = (codes: fc.Arbitrary<number>, maxLength: number) => fc.array(codes, { maxLength }).map((all) => String.fromCharCode(...all));
const value = latin1(fc.oneof(fc.integer({ min: 32, max: 126 }), fc.integer({ min: 128, max: 255 })), 20).map((text) => text.replace(/^ +| +$/g, ''));
const header = fc.tuple(
  fc.oneof(
    word.map((name) => `X-${name}`),
    fc.constantFrom('Set-Cookie', 'Via', 'ETag'),
  ),
  value,
);
const body = fc.oneof(latin1(fc.nat(255), 60), fc.constantFrom('', 'hello', 'HTTP/1.1 200 OK\r\n\r\n', 'x'.repeat(5000)));

/** Cuts a body into chunks with some extensions. */
const chunks = fc.tuple(body, fc.array(fc.nat(60), { maxLength: 4 }), fc.constantFrom('', ';a', ';a=b;c="d"'), fc.constantFrom('', '0', '00'));

/** An answer that every reader must read, and what it says. */
export const goodAnswer = fc
  .record({
    informational: fc.array(fc.tuple(fc.constantFrom(100, 102, 103), fc.array(header, { maxLength: 2 })), { maxLength: 2 }),
    status: fc.constantFrom(200, 201, 204, 206, 301, 304, 404, 418, 500, 599),
    reason: fc.constantFrom(' OK', ' ', ' not as \xfcsual'),
    headers: fc.array(header, { maxLength: 5 }),
    framing: fc.constantFrom('length', 'chunks', 'end'),
    method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST'),
    written: chunks,
    trailers: fc.array(header, { maxLength: 2 }),
  })
  .map(({ informational, status, reason, headers, framing, method, written: [text, places, extension, zeros], trailers }) => {
    const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
    const lines = (all: readonly (readonly [string, string])[]) => all.map(([name, text]) => `${name}: ${text}\r\n`).join('');
    const frame =
      status === 204 ? '' : framing === 'length' ? `Content-Length: ${text.length}\r\n` : framing === 'chunks' ? 'Transfer-Encoding: chunked\r\n' : '';
    const pieces = cut(Buffer.from(text, 'latin1'), places).map(
      (piece) => `${zeros}${piece.length.toString(16)}${extension}\r\n${piece.toString('latin1')}\r\n`,
    );
    const chunked = `${pieces.join('')}0${extension}\r\n${lines(trailers)}\r\n`;
    const head = `HTTP/1.1 ${status}${reason}\r\n${lines(headers)}${frame}\r\n`;
    const before = informational.map(([code, all]) => `HTTP/1.1 ${code} Wait\r\n${lines(all)}\r\n`).join('');
    return {
      bytes: Buffer.from(`${before}${head}${hasBody ? (framing === 'chunks' ? chunked : text) : ''}`, 'latin1'),
      method,
      ends: hasBody && framing === 'end',
      means: {
        informational: informational.map(([code, all]): [number, ...string[]] => [code, ...all.flat()]),
        status,
        headers: [...headers.flat(), ...(frame === '' ? [] : frame.trimEnd().split(': '))],
        body: hasBody ? text : '',
        trailers: hasBody && framing === 'chunks' ? trailers.flat() : [],
        end: 'whole',
        isReusable: !(hasBody && framing === 'end'),
      } satisfies Read,
    };
  });

/** What turns a good answer into a bad one, or into another good one. */
const spoil = fc.oneof(
  fc.tuple(
    fc.nat(),
    fc.nat(3),
    fc.constantFrom('\n', '\r', '\0', ' ', '\t', ':', ';', '0', 'f', '\r\n', '\r\n ', '\r\n\r\n', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n'),
  ),
  fc.tuple(fc.nat(), fc.nat(40), fc.constant('')),
);

/** An answer that somebody may have tampered with. */
export const anyAnswer = fc.tuple(goodAnswer, fc.array(spoil, { maxLength: 3 }), fc.boolean()).map(([answer, changes, ends]) => {
  let text = answer.bytes.toString('latin1');
  for (const [place, taken, put] of changes) {
    const at = place % (text.length + 1);
    text = text.slice(0, at) + put + text.slice(at + taken);
  }
  return { bytes: Buffer.from(text, 'latin1'), method: answer.method, ends: answer.ends || ends };
});
