/** RFC 9112, sections 8 and 9: messages that end in the midst of it, and the connection that they come on. */
import { type Case, chunked, get, hidden, message, post, read, unfinished } from './Case.ts';

const one = (method: string, url: string, body = '') => ({ method, url, body });

export const section8and9: readonly Case[] = [
  unfinished('8 a first line without an end', 'GET /a HTTP/1.1'),
  unfinished('8 a head without an end', 'GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n'),
  unfinished('8 a body shorter than its length', post(['Content-Length: 10'], 'hello')),
  unfinished('8 no body where a length was said', post(['Content-Length: 10'], '')),
  unfinished('8 chunks without the last', chunked('5\r\nhello\r\n')),
  unfinished('8 a chunk that breaks off', chunked('5\r\nhe')),
  unfinished('8 a last chunk without an end', chunked('5\r\nhello\r\n0\r\n')),
  unfinished('8 trailers without an end', chunked('5\r\nhello\r\n0\r\nX-A: b\r\n')),
  { what: '9.3 one request after the other', bytes: [get(), hidden], answers: [200, 200], understood: [one('GET', '/a'), one('GET', '/hidden')] },
  {
    what: '9.3.2 requests that are sent ahead are answered in order',
    bytes: get() + post(['Content-Length: 5'], 'hello') + hidden + get(),
    answers: [200, 200, 200, 200],
    understood: [one('GET', '/a'), one('POST', '/a', 'hello'), one('GET', '/hidden'), one('GET', '/a')],
  },
  {
    what: '9.3.2 behind what is refused nothing is read, and what was asked before is answered',
    bytes: `${get()}GET /b\0 HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`,
    answers: [200],
    understood: [one('GET', '/a')],
  },
  { what: '9.6 nothing is read behind a request that closes', bytes: get('Connection: close') + hidden, answers: [200], understood: [one('GET', '/a')] },
  {
    what: '9.6 nor behind one that closes among other things',
    bytes: get('Connection: X-A, CLOSE', 'X-A: b') + hidden,
    answers: [200],
    understood: [{ ...one('GET', '/a'), headers: { 'x-a': null } }],
  },
  { what: '9.3 HTTP/1.0 closes', bytes: message('GET /a HTTP/1.0', ['Host: a']) + hidden, answers: [200], understood: [one('GET', '/a')] },
  {
    what: '9.3 HTTP/1.0 that wants to stay',
    bytes: message('GET /a HTTP/1.0', ['Host: a', 'Connection: keep-alive']) + hidden,
    answers: [200, 200],
    understood: [one('GET', '/a'), one('GET', '/hidden')],
  },
  read('9.1 what Connection names goes no further', get('Connection: X-A, X-B', 'X-A: b', 'X-B: c', 'X-C: d'), {
    headers: { 'x-a': null, 'x-b': null, 'x-c': 'd' },
  }),
  read('9.1 what belongs to a connection goes no further', get('Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive', 'Proxy-Authorization: a'), {
    headers: { 'keep-alive': null, 'proxy-connection': null, 'proxy-authorization': null },
  }),
  read('9.1 a length that Connection names is one all the same', post(['Content-Length: 5', 'Connection: Content-Length'], 'hello'), {
    method: 'POST',
    body: 'hello',
  }),
  read('9.1 chunks that Connection names are such all the same', chunked('5\r\nhello\r\n0\r\n\r\n', 'Connection: Transfer-Encoding'), {
    method: 'POST',
    body: 'hello',
  }),
  read('9.9 another protocol that is asked for is not spoken', get('Connection: Upgrade', 'Upgrade: foo/2'), { headers: { upgrade: null } }),
  read('9.9 nor HTTP/2', get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'), {
    headers: { upgrade: null, 'http2-settings': null },
  }),
  read('9.9 nor HTTP/2 with a body', post(['Content-Length: 5', 'Connection: Upgrade', 'Upgrade: h2c'], 'hello'), { method: 'POST', body: 'hello' }),
];
