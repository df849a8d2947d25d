/** Request targets and header lines. */

import { isIP } from 'node:net';
import { clientAddress, createTrust, plainAddress } from '../../../src/gateway/ClientAddress.ts';
import { readPattern } from '../../../src/gateway/ConfigFields.ts';
import { onwardHeaders, returningHead, returningTrailers } from '../../../src/gateway/Forwarding.ts';
import { hostName, type Incoming } from '../../../src/gateway/Incoming.ts';
import { createRouter } from '../../../src/gateway/Router.ts';
import { changesRequest, connectionOptions, isHopByHop, isOurs, namesOurScheme } from '../../../src/http/headers.ts';
import { linesOf as headerLinesOf } from '../../../src/http/NodeRequest.ts';
import * as Path from '../../../src/http/Path.ts';
import type { RequestView } from '../../../src/http/RequestView.ts';
import { clientKey } from '../../../src/server/Limits.ts';
import { linesOf, must, reading, same, type Target, unless } from '../Target.ts';
import { goodToken, preimage } from './samples.ts';

const pathWords = [
  '/',
  '//',
  '/.',
  '/..',
  '%2e',
  '%2E',
  '%2f',
  '%5c',
  '%252e',
  '%25',
  '%00',
  ';',
  '?',
  '#',
  '*',
  '/*',
  '\\',
  'http://h',
  'https://a:1/',
  '%41',
  '%zz',
  '..;',
  '%3b',
];

const path: Target = {
  name: 'path',
  form: 'text',
  longest: 1024,
  seeds: [
    '/',
    '/a/./b//c?x=1',
    '/a/../b',
    '/%41%2e/%7e',
    'http://host:80/a?b',
    'HTTPS://h?q',
    '/%2e%2e/a',
    '/a;b/..;c',
    '/x%2Fy',
    '*',
    '/a/%3b',
    '/.../..a/a..',
  ],
  words: pathWords,
  run: (input) => {
    const read = reading(() => Path.normalize(input), 'REQUEST_MALFORMED');
    const { path: normal, query } = read;
    must(/^\/[\x21-\x7e]*$/.test(normal) && !/[?#\\]/.test(normal), 'a path with what separates');
    must(!/\/\/|\/\.\.?(?:[/;]|%3B|$)/.test(normal), `dots or empty segments are left: ${normal}`);
    must(!/%(?:25)*(?:2f|5c|00)/i.test(normal), 'an escaped separator is left');
    must(normal === '/' || normal.length <= input.length + 2 * (input.split('*').length - 1) + 1, 'longer than it was');
    same(Path.normalize(normal + query), { path: normal, query, authority: undefined }, 'normalised again');
    same(Path.assertNormal(normal + query).path, normal, 'assertNormal');
    same(new URL(`http://h${normal}`).pathname, normal, 'as the platform reads it');
    must(
      Path.covers(normal, normal) && Path.coversPattern(normal, normal) && Path.isBelow('/', normal) && Path.isBelow(normal, normal),
      'does not cover itself',
    );
    return read;
  },
};

/** A plan: two patterns and paths, each by itself. */
const patterns: Target = {
  name: 'path-patterns',
  form: 'text',
  longest: 256,
  seeds: ['/a/*\n/a/b/*\n/a/b/c\n/a', '/*\n/a\n/a\n/', '/a\n/a\n/a', '/a/*\n/a/\n/a/', '/api/*\n/api/v1/*\n/api/v1/x\n/API/v1/x\n/api/v1/x/'],
  words: pathWords,
  run: (input) => {
    const [outerLine = '', innerLine = '', ...lines] = linesOf(input).slice(0, 40);
    const outer = readable(outerLine);
    const inner = readable(innerLine);
    if (outer === undefined || inner === undefined) return 'no pattern';
    same([readPattern(outer), readPattern(inner)], [outer, inner], 'a pattern read again');
    const nested = Path.coversPattern(outer, inner);
    const router = outer === inner ? undefined : createRouter([outer, inner].map((pattern) => ({ host: undefined, pattern, methods: undefined })));
    for (const line of lines) {
      const normal = unless(() => Path.normalize(line).path, 'REQUEST_MALFORMED');
      if (normal === undefined) continue;
      if (nested && Path.covers(inner, normal)) must(Path.covers(outer, normal), `${inner} covers ${normal}, and ${outer} does not`);
      const found = router?.find(undefined, 'GET', normal);
      if (found) must(Path.covers(found.pattern, normal), `${normal} is routed to ${found.pattern}`);
      if (found && nested && Path.covers(inner, normal)) same(found.pattern, inner, `the wider of two for ${normal}`);
    }
    return [outer, inner];
  },
};

function readable(line: string): string | undefined {
  try {
    return readPattern(line);
  } catch {
    return undefined;
  }
}

const headerWords = [
  'Authorization: ',
  'authorization: ',
  'L402-Authorization: ',
  'l402_authorization: ',
  'Macaroon: ',
  'Connection: ',
  'close, ',
  'keep-alive',
  'TE: trailers',
  'Host: ',
  'Via: ',
  'Transfer-Encoding: chunked',
  'Content-Length: ',
  'X-Forwarded-For: ',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: ',
  'Forwarded: for=',
  'Idempotency-Key: ',
  'X-HTTP-Method-Override: ',
  'WWW-Authenticate: ',
  'Payment-Receipt: ',
  `L402 ${goodToken}:${preimage}`,
  'Bearer x',
  '"[2001:db8::1]:4711"',
  '10.0.0.1',
];

/** A plan: a header line each. What Node's parser lets through: names that are tokens, values without controls. */
function rawHeadersOf(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const at = line.indexOf(':');
    const [name, value] = [line.slice(0, at), line.slice(at + 1).trim()];
    return at > 0 && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value) ? [name, value] : [];
  });
}

const onward: Target = {
  name: 'headers-onward',
  form: 'bytes',
  longest: 1500,
  seeds: [
    `Host: a\nAuthorization: L402 ${goodToken}:${preimage}\nAccept: */*\nConnection: close, X-Drop\nX-Drop: 1\nVia: 1.0 x`,
    'Host: a\nX-Forwarded-For: 1.2.3.4\nForwarded: for=1.2.3.4\nX-Real-IP: 5.6.7.8\nTE: trailers, gzip\nIdempotency-Key: mine',
    'Host: a\nX_Forwarded_For: 1\nL402_Authorization: x\nauthorization: Bearer x\nAuthorization: Bearer y, LSAT AAAA:00',
  ],
  words: headerWords,
  run: (input) => {
    const rawHeaders = rawHeadersOf(linesOf(input));
    const lines = (name: string) => headerLinesOf(rawHeaders, name);
    for (let at = 0; at < rawHeaders.length; at += 2)
      must(lines((rawHeaders[at] as string).toLowerCase()).includes(rawHeaders[at + 1] as string), 'a line is not found');
    const view = {
      method: 'GET',
      target: '/',
      clientAddress: '5.5.5.5',
      header: (name) => lines(name)[0],
      headerLines: lines,
      readBody: async () => undefined,
    } satisfies RequestView;
    for (const viaTrusted of [false, true]) {
      const incoming: Incoming = {
        view,
        rawHeaders,
        version: '1.1',
        isSecure: false,
        isGrpc: false,
        peer: '9.9.9.9',
        viaTrusted,
        host: 'shop',
        body: undefined,
        contentLength: undefined,
      };
      const sent = onwardHeaders(incoming, { host: 'shop', preserveHost: true, idempotencyKey: viaTrusted ? 'ours' : undefined });
      checkOnward(sent, viaTrusted);
    }
    return connectionOptions(lines('connection'));
  },
};

function checkOnward(sent: readonly string[], viaTrusted: boolean): void {
  const names = sent.flatMap((name, at) => (at % 2 === 0 ? [name.toLowerCase()] : []));
  const values = (wanted: string) => sent.filter((_, at) => at % 2 === 1 && names[(at - 1) / 2] === wanted);
  must(!names.some((name) => isOurs(name)), 'a credential goes on');
  must(!values('authorization').some(namesOurScheme), 'a credential goes on in Authorization');
  must(!names.some((name) => isHopByHop(name) && name !== 'te'), 'a header of the connection goes on');
  must(
    values('te').every((value) => value === 'trailers'),
    'TE goes on',
  );
  for (const once of ['host', 'via', 'x-forwarded-for', 'x-forwarded-proto']) same(values(once).length, 1, `lines of ${once}`);
  if (!viaTrusted) same(values('x-forwarded-for'), ['9.9.9.9'], 'a claim of the client');
  if (viaTrusted) same(values('idempotency-key'), ['ours'], 'Idempotency-Key');
  must(!names.some((name) => changesRequest(name) || name.startsWith('x_forwarded_')), 'a claim or another request goes on');
}

/** A plan: the status, then header lines of an upstream's answer. */
const returning: Target = {
  name: 'headers-returning',
  form: 'bytes',
  longest: 1500,
  seeds: [
    '200\nContent-Type: a\nContent-Length: 12\nL402-Payment: charged\nPayment-Receipt: x',
    '204\nContent-Length: 0\nConnection: X-A\nX-A: 1',
    '402\nWWW-Authenticate: L402 macaroon="a"\nWWW-Authenticate: Basic\nTransfer-Encoding: chunked',
    '200\nTransfer-Encoding: gzip, chunked\nTrailer: x\nSet-Cookie: a=b',
  ],
  words: headerWords,
  run: (input) => {
    const [status = '', ...lines] = linesOf(input);
    const raw = rawHeadersOf(lines);
    returningTrailers(raw);
    const head = returningHead(Number(status) || 200, raw);
    if (head === undefined) return 'another coding';
    const names = head.headers.flatMap((name, at) => (at % 2 === 0 ? [name.toLowerCase()] : []));
    must(
      !names.some((name) => isOurs(name) || name === 'payment-receipt' || isHopByHop(name) || name === 'transfer-encoding'),
      'what only we say, or what is of the connection',
    );
    head.headers.forEach((value, at) => {
      if (at % 2 === 1 && names[(at - 1) / 2] === 'www-authenticate') must(!namesOurScheme(value), 'a challenge of the upstream');
    });
    return head;
  },
};

const authority: Target = {
  name: 'host',
  form: 'text',
  longest: 300,
  seeds: ['example.com', 'EXAMPLE.com.:8402', '[::1]:80', 'a:', '', 'a..b', '[::', 'user@host', 'a:99999'],
  words: ['.', ':', '[', ']', '::1', ':80', '@', '_', '%'],
  run: (input) => {
    const read = reading(() => hostName(input), 'REQUEST_MALFORMED');
    must((read === undefined) === (input === ''), 'no host in a text');
    if (read === undefined) return read;
    must(read === read.toLowerCase() && !/[/@?#\\\s,]/.test(read), 'a host that is none');
    if (read !== '' && !read.endsWith('.')) same(hostName(read), read, 'read again');
    return read;
  },
};

/** A plan: proxies between commas, the connection's other end, header lines. */
const address: Target = {
  name: 'client-address',
  form: 'text',
  longest: 700,
  seeds: [
    '10.0.0.0/8,fd00::/8\n10.0.0.1\nx-forwarded-for: 1.2.3.4, 10.0.0.2',
    '10.0.0.1\n10.0.0.1\nforwarded: for="[2001:db8::1]:4711", for=192.0.2.7;by=x;proto=https',
    '::1\n::1\nx-forwarded-for: 2001:db8::1%eth0, [2001:db8::2]:80\nx-forwarded-for: unknown',
    '0.0.0.0/0,::/0\n::ffff:1.2.3.4\nx-forwarded-for: ::ffff:0102:0304, 1.2.3.4:80',
    '1::2::3/8\nx\nforwarded: for=_hidden',
  ],
  words: [
    'for=',
    'For="',
    '"[',
    ']:80"',
    ';',
    ',',
    'x-forwarded-for: ',
    'forwarded: ',
    '::ffff:',
    '1.2.3.4',
    '2001:db8::1',
    '%eth0',
    '/0',
    '/128',
    '/129',
    'unknown',
    '_x',
    '10.0.0.1',
  ],
  run: (input) => {
    const [proxies = '', peerLine = '', ...lines] = linesOf(input);
    const trust = reading(() => createTrust(proxies.split(',').filter(Boolean)), 'RangeError');
    const peer = plainAddress(peerLine);
    const rawHeaders = rawHeadersOf(lines);
    const read = clientAddress(peer, trust, (name) => headerLinesOf(rawHeaders, name));
    must(read === peer || isIP(read) !== 0, `a client that is no address: ${read}`);
    must(trust(peer) || read === peer, 'somebody who is not trusted is believed');
    if (isIP(read) !== 0) checkKey(read);
    return [read, clientKey(read)];
  },
};

/** The key against another reading of the same address. */
function checkKey(read: string): void {
  const key = clientKey(read);
  if (isIP(read) === 4) return same(key, read, 'the key of an IPv4 address');
  if (read.includes('.') || read.includes('%')) return;
  const groups = new URL(`http://[${read}]`).hostname.slice(1, -1).split('::');
  const [left = [], right = []] = groups.map((half) => half.split(':').filter(Boolean));
  const whole = groups.length === 1 ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  same(key, whole.slice(0, 4).join(':'), `the /64 of ${read}`);
}

export const targets: readonly Target[] = [path, patterns, onward, returning, authority, address];
