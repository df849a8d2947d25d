/** RFC 9112, section 6: where a body ends; section 11.2: and a second request that hides there. */
import { type Case, chunked, get, hidden, message, post, read, refused } from './Case.ts';

const last = '0\r\n\r\n';
const posted = (body: string) => ({ method: 'POST', body });

export const section6: readonly Case[] = [
  read('6.2 a length', post(['Content-Length: 5'], 'hello'), posted('hello')),
  read('6.2 a length of nothing', post(['Content-Length: 0'], ''), posted('')),
  read('6.2 a length with zeros before it', post(['Content-Length: 005'], 'hello'), posted('hello')),
  read('6.2 bytes of every kind', post(['Content-Length: 6'], '\0\r\n\x80\xff\n'), posted('\0\r\n\x80\xff\n')),
  read('6.2 a body that comes in pieces', [post(['Content-Length: 6'], 'he'), 'll', 'o!'], posted('hello!')),
  ...['-1', '+5', '0x5', '5.0', '5e0', '5 ', '5,', ',5', '5;', 'five', '"5"', '5 5', '99999999999999999999'].flatMap((length) =>
    // Spaces behind a value are none of it.
    length === '5 ' ? [] : [refused(`6.2 a length of ${JSON.stringify(length)}`, post([`Content-Length: ${length}`], 'hello'))],
  ),
  refused('6.2 a length that is empty', post(['Content-Length:'], 'hello')),
  refused('6.3 two lengths', post(['Content-Length: 5', 'Content-Length: 6'], 'hello!')),
  refused('6.3 one length twice', post(['Content-Length: 5', 'Content-Length: 5'], 'hello')),
  refused('6.3 a list of lengths', post(['Content-Length: 5, 5'], 'hello')),
  read('6.1 chunks', chunked(`5\r\nhello\r\n${last}`), posted('hello')),
  read('6.1 the coding in other letter case', post(['transfer-encoding: ChUnKeD'], `5\r\nhello\r\n${last}`), posted('hello')),
  ...['identity', 'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'chunked, identity', 'xchunked', 'chunked;a=b', '"chunked"', 'chunk'].map(
    (coding) => refused(`6.1 the coding ${coding}`, post([`Transfer-Encoding: ${coding}`], last + hidden)),
  ),
  refused('6.1 a coding that is empty', post(['Transfer-Encoding:'], last + hidden)),
  refused('6.1 a coding on two lines', post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], last + hidden)),
  refused('6.1 chunks in HTTP/1.0', message('POST /a HTTP/1.0', ['Host: a', 'Transfer-Encoding: chunked']) + last + hidden),
  refused('6.3 a length and chunks (CL.TE)', post(['Content-Length: 6', 'Transfer-Encoding: chunked'], `${last}G`)),
  refused('6.3 chunks and a length (TE.CL)', post(['Transfer-Encoding: chunked', 'Content-Length: 4'], `5c\r\n${hidden}${last}`)),
  refused('6.3 a length of nothing and chunks', post(['Content-Length: 0', 'Transfer-Encoding: chunked'], `5\r\nhello\r\n${last}`)),
  refused(
    '11.2 a coding that only some read (TE.TE)',
    post(['Content-Length: 4', 'Transfer-Encoding: chunked', 'Transfer-encoding: x'], `5c\r\n${hidden}${last}`),
  ),
  refused('11.2 a coding behind a vertical tab', post(['Content-Length: 4', 'Transfer-Encoding: \x0bchunked'], `5c\r\n${hidden}${last}`)),
  refused('11.2 a coding with a space before its colon', post(['Content-Length: 4', 'Transfer-Encoding : chunked'], `5c\r\n${hidden}${last}`)),
  refused('11.2 a coding in a value, behind a line feed', post(['Content-Length: 4', 'X: a\nTransfer-Encoding: chunked'], `5c\r\n${hidden}${last}`)),
  read('11.2 a request as the body of another', post([`Content-Length: ${hidden.length}`], hidden), posted(hidden)),
  read('11.2 a request as the body of GET', get(`Content-Length: ${hidden.length}`) + hidden, { body: hidden }),
  read('11.2 a request in a chunk', chunked(`${hidden.length.toString(16)}\r\n${hidden}\r\n${last}`), posted(hidden)),
  read('11.2 a length under another dash', post(['Content-Length: 5', 'Content_Length: 0'], 'hello'), posted('hello')),
  read('11.2 a coding under another dash', post(['Content-Length: 5', 'Transfer_Encoding: chunked'], last), posted(last)),
  {
    what: '6.3 POST without a length has no body: what follows is a request of its own',
    bytes: post([], hidden),
    answers: [200, 200],
    understood: [
      { method: 'POST', url: '/a', body: '' },
      { method: 'GET', url: '/hidden', body: '' },
    ],
  },
  {
    what: '6.3 where a body ends the next request begins',
    bytes: post(['Content-Length: 5'], 'hello') + chunked(`5\r\nhello\r\n${last}`) + hidden,
    answers: [200, 200, 200],
    understood: [
      { method: 'POST', url: '/a', body: 'hello' },
      { method: 'POST', url: '/a', body: 'hello' },
      { method: 'GET', url: '/hidden', body: '' },
    ],
  },
  refused('6.3 a length beyond the limit', post(['Content-Length: 200000000'], '')),
];
