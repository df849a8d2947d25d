/** What upstreams answer. */

import { FareboxError } from '../../../src/core/Errors.ts';
import { readAnswer } from '../../gateway/answers.ts';
import { must, Refused, same, type Target } from '../Target.ts';

const ok = 'HTTP/1.1 200 OK\r\n';

/** An answer, as bytes; the first character says to which method, and whether the connection ends behind it. */
const answer: Target = {
  name: 'upstream-answer',
  form: 'bytes',
  longest: 1500,
  seeds: [
    `0${ok}Content-Length: 5\r\n\r\nhello`,
    `0${ok}Transfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
    `1${ok}X-A: b\r\n\r\nto the end`,
    `2${ok}Content-Length: 5\r\n\r\n`,
    `0HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}Content-Length: 0\r\nKeep-Alive: timeout=5, max=3\r\n\r\n`,
    `0HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n`,
    '1HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n',
    `0${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `0${ok}X-A: b\n\r\n`,
    `0${ok}X-A: b\r\n c\r\n\r\n`,
    '3HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n',
  ],
  words: [
    'HTTP/1.1 ',
    'HTTP/1.0 ',
    '100 Continue\r\n\r\n',
    '101 x\r\n',
    '204',
    '304',
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    '\0',
    ': ',
    ' :',
    '\r\n ',
    '\t',
    'Content-Length: ',
    'Transfer-Encoding: chunked\r\n',
    'Connection: close\r\n',
    'Keep-Alive: timeout=',
    '0\r\n\r\n',
    '5\r\nhello\r\n',
    ';a=b',
    'ffffffffffff\r\n',
    '0000000000001\r\n',
  ],
  run: (input) => {
    const how = input.charCodeAt(0) || 0;
    const bytes = Buffer.from(input.slice(1), 'latin1');
    const options = { method: how & 2 ? 'HEAD' : 'GET', ends: (how & 1) === 1 };
    const whole = readAnswer([bytes], options);
    const middle = bytes.length >> 1;
    same(readAnswer([bytes.subarray(0, middle), bytes.subarray(middle)], options), whole, 'in two pieces');
    const pieces = Array.from({ length: Math.ceil(bytes.length / 3) }, (_, at) => bytes.subarray(3 * at, 3 * at + 3));
    same(readAnswer(pieces, options), whole, 'in pieces of three');
    must(!whole.isReusable || whole.end === 'whole', 'a connection is used again before its answer is whole');
    must(whole.body.length <= bytes.length, 'more of a body than there was');
    must(!/[\0\r\n]/.test([...whole.headers, ...whole.trailers].join('')), 'a header that ends a line');
    must(whole.end !== 'whole' || whole.status !== undefined, 'an end without a head');
    if (whole.end.startsWith('refused')) throw new Refused(new FareboxError('UPSTREAM_MALFORMED', whole.end));
    return whole;
  },
};

export const targets: readonly Target[] = [answer];
