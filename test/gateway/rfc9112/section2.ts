/** RFC 9112, section 2: messages, how they are read, and the version of the protocol. */
import { type Case, get, hidden, message, read, refused } from './Case.ts';

export const section2: readonly Case[] = [
  read('2.1 a request', get()),
  read('2.1 a request that comes byte by byte', [...get('X-A: b')], { headers: { 'x-a': 'b' } }),
  read('2.2 an empty line before it', `\r\n${get()}`),
  read('2.2 several empty lines before it', `\r\n\r\n\r\n${get()}`),
  { what: '2.2 an empty line between two', bytes: `${get()}\r\n${hidden}`, answers: [200, 200], understood: [aGet('/a'), aGet('/hidden')] },
  refused('2.2 a line feed alone ends the first line', 'GET /a HTTP/1.1\nHost: a\r\n\r\n'),
  refused('2.2 a line feed alone ends a header', 'GET /a HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'),
  refused('2.2 line feeds alone throughout', 'GET /a HTTP/1.1\nHost: a\n\n'),
  refused('2.2 a carriage return alone in the first line', 'GET /a\r HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('2.2 a carriage return alone ends a header', `GET /a HTTP/1.1\r\nHost: a\rX-A: b\r\n\r\n`),
  refused('2.2 a carriage return alone in a value', get('X-A: b\rc')),
  refused('2.2 two carriage returns before a line feed', get('X-A: b\r')),
  refused('2.2 a space before the first header', 'GET /a HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n'),
  refused('2.2 a tab before the first header', 'GET /a HTTP/1.1\r\n\tX-A: b\r\nHost: a\r\n\r\n'),
  refused('2.2 a line of spaces before the first header', 'GET /a HTTP/1.1\r\n  \r\nHost: a\r\n\r\n'),
  refused('2.2 no text of HTTP', 'hello, is anybody there?\r\n\r\n'),
  refused('2.2 bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'),
  refused('2.2 a NUL before it', `\0${get()}`),
  read('2.2 bytes beyond ASCII in a value', get('X-A: caf\xe9'), { headers: { 'x-a': 'caf\xe9' } }),
  refused('2.2 bytes beyond ASCII in a name', get('X-\xe9: b')),
  read('2.3 HTTP/1.0', message('GET /a HTTP/1.0', ['Host: a'])),
  read('2.3 HTTP/1.0 without a host', message('GET /a HTTP/1.0', [])),
  refused('2.3 HTTP/0.9', 'GET /a\r\n\r\n'),
  refused('2.3 HTTP/0.9 with a word', 'GET /a HTTP/0.9\r\nHost: a\r\n\r\n'),
  refused('2.3 HTTP/1.2', message('GET /a HTTP/1.2', ['Host: a'])),
  refused('2.3 HTTP/2.0 in a line of HTTP/1', message('GET /a HTTP/2.0', ['Host: a'])),
  refused('2.3 HTTP/3', message('GET /a HTTP/3', ['Host: a'])),
  refused('2.3 the name in lower case', message('GET /a http/1.1', ['Host: a'])),
  refused('2.3 a version of two digits', message('GET /a HTTP/1.10', ['Host: a'])),
  refused('2.3 a version with a sign', message('GET /a HTTP/+1.1', ['Host: a'])),
  refused('2.3 another protocol', message('GET /a ICE/1.1', ['Host: a'])),
];

function aGet(url: string) {
  return { method: 'GET', url, body: '' };
}
