/** RFC 9112, section 7: chunks, their extensions and what comes behind them. */
import { type Case, chunked, get, hidden, read } from './Case.ts';

const last = '0\r\n\r\n';
const posted = (body: string) => ({ method: 'POST', body });

/** Begun, and never to be whole: what an upstream has seen of it ends in a connection that breaks. */
function broken(what: string, body: string): Case {
  return { what, bytes: chunked(body), answers: ['refused'], understood: [], ends: true };
}

export const section7: readonly Case[] = [
  read('7.1 several chunks', chunked(`2\r\nhe\r\n3\r\nllo\r\n${last}`), posted('hello')),
  read('7.1 no chunk but the last', chunked(last), posted('')),
  read('7.1 chunks that come byte by byte', [...chunked(`2\r\nhe\r\n3\r\nllo\r\n${last}`)], posted('hello')),
  read('7.1 a size in small letters', chunked(`a\r\n0123456789\r\n${last}`), posted('0123456789')),
  read('7.1 a size in capitals', chunked(`A\r\n0123456789\r\n${last}`), posted('0123456789')),
  read('7.1 zeros before a size', chunked(`0005\r\nhello\r\n0000\r\n\r\n`), posted('hello')),
  read('7.1 line ends in the data', chunked(`9\r\n\r\n0\r\n\r\n\r\n\r\n${last}`), posted('\r\n0\r\n\r\n\r\n')),
  read('7.1 a chunk of 70,000 bytes', chunked(`${(70_000).toString(16)}\r\n${'a'.repeat(70_000)}\r\n${last}`), posted('a'.repeat(70_000))),
  read('7.1.1 an extension', chunked(`5;a=b\r\nhello\r\n${last}`), posted('hello')),
  read('7.1.1 an extension in quotes', chunked(`5;a="b;c, 0"\r\nhello\r\n${last}`), posted('hello')),
  read('7.1.1 an extension of the last chunk', chunked('5\r\nhello\r\n0;a\r\n\r\n'), posted('hello')),
  read('7.1.2 trailers', chunked('5\r\nhello\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n', 'Trailer: X-A'), posted('hello')),
  read('7.1.2 trailers that would route, frame and authenticate', chunked('5\r\nhello\r\n0\r\nHost: b\r\nAuthorization: c\r\n\r\n'), {
    ...posted('hello'),
    headers: { authorization: null },
  }),
  read('7.4 TE does not go on as it came', get('TE: gzip, trailers', 'Connection: TE'), { headers: { te: 'trailers' } }),
  read('7.4 TE that says nothing that we say', get('TE: gzip', 'Connection: TE'), { headers: { te: null } }),
  ...['', 'g', '-5', '+5', '0x5', '5.0', ' 5', '5 ', '5,5', '"5"', '5\0', 'fffffffffffffffff', '10000000000000005'].map((size) =>
    broken(`7.1 the size ${JSON.stringify(size)}`, `${size}\r\nhello\r\n${last}${hidden}`),
  ),
  broken('7.1 a line feed alone behind a size', `5\nhello\r\n${last}${hidden}`),
  broken('7.1 a carriage return alone behind a size', `5\rhello\r\n${last}${hidden}`),
  broken('7.1 more data than the size', `4\r\nhello\r\n${last}${hidden}`),
  broken('7.1 less data than the size', `6\r\nhello\r\n${last}${hidden}`),
  broken('7.1 no line end behind the data', `5\r\nhello${last}${hidden}`),
  broken('7.1 a line feed alone behind the data', `5\r\nhello\n${last}${hidden}`),
  broken('7.1.1 a line feed in an extension', `5;a\nb\r\nhello\r\n${last}${hidden}`),
  broken('7.1.1 a carriage return in an extension', `5;a\rb\r\nhello\r\n${last}${hidden}`),
  broken('7.1.1 an extension without an end', `5;${'a'.repeat(20_000)}\r\nhello\r\n${last}${hidden}`),
  broken('7.1.2 a folded trailer', `5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n${hidden}`),
  broken('7.1.2 a length in a trailer', `5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n${hidden}`),
  broken('7.1.2 a coding in a trailer', `5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n${hidden}`),
  broken('7.1.2 trailers beyond measure', `5\r\nhello\r\n0\r\nX-A: ${'b'.repeat(20_000)}\r\n\r\n${hidden}`),
];
