/**
 * The credential itself reaching the upstream: it never does, from wherever a client may put it. What the gateway reads as a credential and
 * what it holds back must be the same, or one of the two has a hole.
 *
 * Behind an adapter there is no upstream of ours: the handler is the seller's own code in the seller's own process.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import * as Credential from '../../src/core/Credential.ts';
import { toBase64Url, toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { namesOurScheme } from '../../src/http/headers.ts';
import { type Bought, fetchOverHttp2, type Shop } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import { ask, type Closing, closeAll, openRaw, openStage, openTcp, openUpstream, type Seen, valuesOf } from '../gateway/harness.ts';
import { openHttp2, readAnswer } from '../gateway/http2.ts';
import { testLeakedCalls } from './calls.ts';
import { enter, path } from './thief.ts';
import { enterLive, handshake, live, livePass, statusOf } from './webSockets.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** A gateway in front of an upstream that writes down every line; paid, on a pass and free. */
async function openShop(): Promise<{ shop: Shop; port: number; seen: readonly Seen[] }> {
  const upstream = await openUpstream(closing, (request, response) => response.end(request.method));
  const url = `http://127.0.0.1:${upstream.port}`;
  const routes = (): readonly StandRoute[] => [
    { methods: ['GET', 'POST'], path: '/api/v1/translate', upstream: url, options: { price: '50 sat' } },
    { methods: ['GET', 'POST'], path: '/other', upstream: url, options: { price: '50 sat' } },
  ];
  const shop = await enter('gateway', {}, { routes });
  return { shop, port: Number(new URL(shop.url).port), seen: upstream.seen };
}

/** Everything that would let somebody else spend it, in every spelling. */
function secretsOf({ token, preimage, macaroon }: Bought): readonly string[] {
  const bytes = Macaroon.encode(macaroon);
  const raw = Buffer.from(preimage, 'hex');
  return [
    token,
    token.slice(0, 40),
    token.slice(-40),
    toBase64Url(bytes),
    toHex(bytes),
    preimage,
    preimage.toUpperCase(),
    raw.toString('base64'),
    raw.toString('base64url'),
  ];
}

function expectClean(seen: readonly unknown[], ...all: readonly Bought[]): void {
  const text = JSON.stringify(seen, (_, value: unknown) => (Buffer.isBuffer(value) ? value.toString('latin1') : value));
  for (const secret of all.flatMap(secretsOf)) expect(text).not.toContain(secret);
}

/** The protocols that a credential comes over. */
const wires = ['HTTP/1.1', 'HTTP/2'] as const;

/** Asks for what is sold, with these header lines, names and values in turn. */
function askOver(wire: (typeof wires)[number], shop: Shop, lines: readonly string[]): Promise<{ readonly status: number }> {
  if (wire === 'HTTP/1.1') return ask(Number(new URL(shop.url).port), path, { headers: lines });
  const headers: Record<string, string[]> = {};
  for (let index = 0; index < lines.length; index += 2) {
    const name = (lines[index] as string).toLowerCase();
    headers[name] = [...(headers[name] ?? []), lines[index + 1] as string];
  }
  return fetchOverHttp2(shop.url, path, { headers });
}

const hex = (bought: Bought) => toHex(Macaroon.encode(Macaroon.attenuate(bought.macaroon, [`preimage=${bought.preimage}`])));
const inUpperCase = (bought: Bought) => `${bought.token}:${bought.preimage.toUpperCase()}`;

/** Where a credential is accepted: each of these is served, and none of it goes on. */
const accepted: readonly (readonly [where: string, lines: (bought: Bought) => readonly string[]])[] = [
  ['in Authorization', (b) => ['Authorization', b.authorization]],
  ['as LSAT', (b) => ['Authorization', b.authorization.replace('L402', 'LSAT')]],
  ['in lower case, with spaces and a tab', (b) => ['authorization', ` l402 \t ${inUpperCase(b)} `]],
  ['in a second line', (b) => ['Authorization', 'Bearer own', 'Authorization', b.authorization]],
  ['in a line of another letter case', (b) => ['Authorization', 'Bearer own', 'AUTHORIZATION', b.authorization]],
  ['behind another scheme on one line', (b) => ['Authorization', `Bearer own, ${b.authorization}`]],
  ['before another scheme on one line', (b) => ['Authorization', `${b.authorization}, Basic b3du`]],
  ['behind a scheme with a comma and no space', (b) => ['Authorization', `Bearer own,${b.authorization}`]],
  ['behind a scheme with a tab', (b) => ['Authorization', `Bearer own\t,\t${b.authorization}`]],
  ['with two tokens', (b) => ['Authorization', `L402 AAAA,${b.token}:${b.preimage}`]],
  ['URL-safe, without padding', (b) => ['Authorization', `L402 ${toBase64Url(Macaroon.encode(b.macaroon))}:${b.preimage}`]],
  [
    'with the preimage as a caveat too',
    (b) => ['Authorization', `L402 ${Macaroon.format(Macaroon.attenuate(b.macaroon, [`preimage=${b.preimage}`]))}:${b.preimage}`],
  ],
  ['in L402-Authorization', (b) => ['L402-Authorization', b.authorization, 'Authorization', 'Bearer own']],
  ['in Macaroon', (b) => ['Macaroon', hex(b)]],
  ['in Grpc-Metadata-Macaroon', (b) => ['GRPC-Metadata-Macaroon', hex(b).toUpperCase()]],
];

describe.each(wires)('a credential that is accepted, over %s', (wire) => {
  test.each(accepted)('%s', async (_, lines) => {
    const { shop, seen } = await openShop();
    const bought = await shop.buy(path);
    const answer = await askOver(wire, shop, lines(bought));
    expect(answer.status).toBe(200);
    expect(seen.length).toBe(1);
    expectClean(seen, bought);
    expect(JSON.stringify(seen)).not.toMatch(/l402|lsat|macaroon/i);
    // What the client says to the upstream goes on, unless it stands on the credential's own line.
    expect(valuesOf(seen[0]?.lines ?? [], 'authorization')).toEqual(lines(bought).includes('Bearer own') ? ['Bearer own'] : []);
  });
});

/** Where one is not accepted, beside one that is: not the gateway's to read, and all the same not the upstream's. */
const beside: readonly (readonly [where: string, lines: (spare: Bought) => readonly string[]])[] = [
  ['a second credential behind the first', (b) => ['Authorization', b.authorization]],
  ['one in each header', (b) => ['L402-Authorization', b.authorization, 'Macaroon', hex(b), 'Grpc-Metadata-Macaroon', hex(b)]],
  ['names with underscores', (b) => ['l402_authorization', b.authorization, 'grpc_metadata_macaroon', hex(b), 'Grpc-Metadata_Macaroon', hex(b)]],
  ['headers of our family that nobody knows', (b) => ['L402-Credential', b.authorization, 'X-L402-Token', b.token, 'x_l402_preimage', b.preimage]],
  ['without its preimage', (b) => ['Authorization', `L402 ${b.token}`]],
  ['with a quote before it', (b) => ['Authorization', `Bearer "a, ${b.authorization}`]],
  ['nine of them', (b) => ['Authorization', Array(9).fill(b.authorization).join(', ')]],
  ['for the proxy', (b) => ['Proxy-Authorization', b.authorization]],
  ['in a header that Connection names', (b) => ['Connection', 'close, X-Mine', 'X-Mine', b.authorization]],
];

describe.each(wires)('beside a credential that is accepted, over %s', (wire) => {
  const possible = beside.filter(([where]) => wire === 'HTTP/1.1' || !where.includes('Connection'));
  test.each(possible)('%s', async (_, lines) => {
    const { shop, seen } = await openShop();
    const [bought, spare] = [await shop.buy(path), await shop.buy(path)];
    const answer = await askOver(wire, shop, ['Authorization', bought.authorization, ...lines(spare)]);
    expect(answer.status).toBe(200);
    expectClean(seen, bought, spare);
  });
});

describe('in trailers', () => {
  test('of a chunked body, beside a credential that is accepted', async () => {
    let bytes = '';
    const upstream = await openTcp(closing, (socket) =>
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.toString('latin1');
        if (bytes.endsWith('\r\n0\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }),
    );
    const url = `http://127.0.0.1:${upstream}`;
    const shop = await enter('gateway', {}, { routes: () => [{ methods: ['POST'], path: '/api/v1/translate', upstream: url, options: { price: '50 sat' } }] });
    const [bought, spare] = [await shop.buy(path, { method: 'POST' }), await shop.buy(path, { method: 'POST' })];
    const client = await openRaw(closing, Number(new URL(shop.url).port));
    client.write(
      `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\nTE: trailers\r\n\r\n`,
    );
    client.write(`2\r\nhi\r\n0\r\nAuthorization: ${spare.authorization}\r\nL402-Authorization: ${spare.authorization}\r\n\r\n`);
    expect(await client.until(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
    expect(bytes).toMatch(/2\r\nhi\r\n0\r\n\r\n$/);
    expectClean([bytes], bought, spare);
  });
});

test.each(['before', 'behind'])('over HTTP/2 it goes no further from trailers, and pays for nothing: an answer %s them', async (when) => {
  const { shop, port, seen } = await openShop();
  const [bought, spare] = [await shop.buy(path, { method: 'POST' }), await shop.buy(path, { method: 'POST' })];
  const stream = openHttp2(closing, port).request({ ':method': 'POST', ':path': path, ...(when === 'behind' && { authorization: bought.authorization }) }, {
    waitForTrailers: true,
  } as object);
  stream.on('wantTrailers', () => stream.sendTrailers({ authorization: spare.authorization, 'l402-authorization': spare.authorization }));
  stream.end('hi');
  expect((await readAnswer(stream)).status).toBe(when === 'behind' ? 200 : 402);
  expect(seen.length).toBe(when === 'behind' ? 1 : 0);
  expectClean(seen, bought, spare);
});

test('a credential in the trailers pays for nothing', async () => {
  const { shop, port, seen } = await openShop();
  const { authorization } = await shop.buy(path, { method: 'POST' });
  const client = await openRaw(closing, port);
  client.write(
    `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n2\r\nhi\r\n0\r\nAuthorization: ${authorization}\r\n\r\n`,
  );
  expect(await client.until(/^HTTP\/1\.1 \d{3} /)).toMatch(/^HTTP\/1\.1 402 /);
  expect(seen).toEqual([]);
});

test('on a route that is free, and on one that it does not pay for, it stops as well', async () => {
  const upstream = await openUpstream(closing);
  const shop = await enter(
    'gateway',
    {},
    { routes: () => [{ methods: ['GET'], path: '/api/v1/translate', upstream: `http://127.0.0.1:${upstream.port}`, options: { price: '50 sat' } }] },
  );
  const bought = await shop.buy(path);
  const port = Number(new URL(shop.url).port);
  expect((await ask(port, '/nowhere', { headers: ['Authorization', bought.authorization] })).status).toBe(404);
  const free = await openStage(closing, { upstream: upstream.port, routes: [{ path: '/*', free: true }] });
  expect((await ask(free.port, '/a', { headers: ['Authorization', bought.authorization, 'Macaroon', hex(bought)] })).status).toBe(200);
  expect(upstream.seen.length).toBe(1);
  expectClean(upstream.seen, bought);
});

test('whatever is read as a credential on a line is held back with its line', () => {
  const proof = 'ab'.repeat(32);
  const piece = fc.constantFrom(
    'L402',
    'LSAT',
    'l402',
    'Bearer',
    'Basic',
    ' ',
    '\t',
    ',',
    ', ',
    '"',
    '\\',
    '=',
    'AAAA',
    `AAAA:${proof}`,
    ':',
    'x',
    '\u00a0',
    ';',
  );
  const line = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''));
  let read = 0;
  fc.assert(
    fc.property(line, (value) => {
      const { credentials, malformed } = Credential.parseAuthorization([value]);
      if (credentials.length === 0 && malformed === undefined) return;
      read++;
      expect(namesOurScheme(value)).toBe(true);
    }),
    { numRuns: 20_000, seed: 26 },
  );
  expect(read).toBeGreaterThan(1000);
});

test.each([live, livePass])('in the handshake of a WebSocket it stops as well: %s', async (target) => {
  const { shop, dial, heads, received } = await enterLive(closing);
  const bought = await shop.buy(target);
  const client = await dial(target, bought.authorization);
  expect(await statusOf(client)).toBe(101);
  client.write('ahead');
  while (!received().endsWith('ahead')) await new Promise((resolve) => setImmediate(resolve));
  for (const secret of secretsOf(bought)) expect(received().toLowerCase()).not.toContain(secret.toLowerCase());
  expect(heads[0]).not.toMatch(/authorization/i);
  // By the other header, for an upstream that wants `Authorization` for itself.
  const other = await shop.buy(target);
  const line = `L402-Authorization: ${other.authorization}\r\nAuthorization: Bearer mine\r\n\r\n`;
  const second = await openRaw(closing, Number(new URL(shop.url).port));
  second.write(handshake(target).replace(/\r\n$/, line));
  expect(await statusOf(second)).toBe(101);
  expect(heads[1]).toContain('\r\nAuthorization: Bearer mine\r\n');
  for (const secret of secretsOf(other)) expect(received().toLowerCase()).not.toContain(secret.toLowerCase());
});

describe('calls of gRPC', () => testLeakedCalls(closing));
