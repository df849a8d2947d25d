/**
 * Spoofed `X-Forwarded-For`, `X-Real-IP`, `Forwarded` and their kin: believed from trusted proxies alone, and then no further back than
 * those vouch for.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createTrials } from '../../src/server/Trials.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { masterKey, type Shop, type ShopName } from '../conformance/shop/shop.ts';
import { ask, type Closing, closeAll, letThrough, openStage, openUpstream, valuesOf } from '../gateway/harness.ts';
import { enter, path, wires } from './thief.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** Every header by which some proxy, framework or CDN says who the client is. */
const claims = [
  'X-Forwarded-For',
  'X-Forwarded',
  'X-Original-Forwarded-For',
  'Forwarded',
  'Forwarded-For',
  'X-Real-IP',
  'X-Client-IP',
  'X-Cluster-Client-IP',
  'X-Remote-IP',
  'X-Remote-Addr',
  'X-Originating-IP',
  'X-ProxyUser-Ip',
  'X-Envoy-External-Address',
  'X-Azure-ClientIP',
  'X-Azure-SocketIP',
  'X-AppEngine-User-IP',
  'True-Client-IP',
  'CF-Connecting-IP',
  'CF-Connecting-IPv6',
  'CF-Pseudo-IPv4',
  'Fastly-Client-IP',
  'Fly-Client-IP',
  'Client-IP',
  'Remote-Addr',
  'X_Forwarded_For',
  'X-Forwarded_For',
  'x_real_ip',
  'client_ip',
];
const saying = (name: string, address: string) => ({ headers: { [name]: /^forwarded$/i.test(name) ? `for=${address}` : address } });

describe.each(wires)('behind %s', (name) => {
  test('an address of the client’s own making buys no invoice beyond its limit', async () => {
    const shop = await enter(name, { mintLimits: { perClientPerMinute: 1 } });
    expect((await shop.get(path)).status).toBe(402);
    const spoofed = claims.map((claim, index) => shop.get(path, saying(claim, `203.0.113.${index + 1}`)));
    const all = await Promise.all([...spoofed, shop.get(path, saying('X-Forwarded-For', '127.0.0.1')), shop.get(path, saying('X-Forwarded-For', '::1'))]);
    expect(all.map(({ status }, index) => `${claims[index]} ${status}`).filter((line) => !line.endsWith(' 429'))).toEqual([]);
    expect(shop.invoices()).toBe(1);
  });
});

/** What is given away at one address to three clients, two requests each, told apart by trial tokens. */
const enterTrials = (name: ShopName, gateway = {}): Promise<Shop> => {
  const free = { requests: 2, seconds: 86_400, clients: 3 };
  const routes = ({ url }: { readonly url: string }) =>
    ['tool', 'other'].map((service) => ({ methods: ['GET'], path: `/${service}`, upstream: url, options: { price: '50 sat', service, free } }));
  return enter(name, {}, { routes, gateway });
};

/** Asks for nothing: what is left of the share, or the status; and the trial token that came with it. */
async function taste({ get }: Shop, { path = '/tool', trial, from }: { readonly path?: string; readonly trial?: string | undefined; readonly from?: string }) {
  const { status, headers } = await get(path, {
    headers: { ...(trial !== undefined && { 'l402-trial': trial }), ...(from !== undefined && { 'x-forwarded-for': from }) },
  });
  return { left: status === 200 ? Number(headers['l402-free']) : status, trial: headers['l402-trial'] as string | undefined };
}

describe.each(wires)('what is given away, behind %s', (name) => {
  test('whoever hoards trial tokens has no more than the shares of his address, and takes nobody’s who has one', async () => {
    const shop = await enterTrials(name);
    const mine = (await taste(shop, {})).trial;
    expect((await taste(shop, { trial: mine })).left).toBe(1);
    const hoarded = [(await taste(shop, {})).trial];
    // More of them than are ever handed out at once, made by whoever has the key.
    const keys = createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'test' });
    let number = 100;
    const trials = createTrials({ keys, clock: FixedClock.create(), random: (length) => new Uint8Array(length).fill(number++) });
    for (let i = 0; i < 20; i++) hoarded.push(trials.offer({ service: 'tool', clientAddress: '127.0.0.1' }, undefined));
    const got = [];
    for (const trial of [...hoarded, ...hoarded]) got.push((await taste(shop, { trial })).left);
    expect(got.filter((left) => left < 2)).toEqual([1, 0]);
    expect([(await taste(shop, { trial: mine })).left, (await taste(shop, { trial: mine })).left]).toEqual([0, 402]);
    expect(shop.upstream.seen.length).toBe(3 * 2);
  });

  test('a trial token that was made up, changed, or is for another service is none', async () => {
    const shop = await enterTrials(name);
    const { trial = '' } = await taste(shop, {});
    expect((await taste(shop, {})).left).toBe(0);
    const other = (await taste(shop, { path: '/other' })).trial;
    const keys = createRootKeys({ masters: [new Uint8Array(32).fill(8)], network: 'sandbox', realm: 'test' });
    const foreign = createTrials({ keys, clock: FixedClock.create(), random: (length) => new Uint8Array(length) });
    const proofless = `${trial.slice(0, 42)}${'0'.repeat(32)}`;
    const fakes = [
      other,
      foreign.offer({ service: 'tool', clientAddress: '127.0.0.1' }, undefined),
      proofless,
      trial.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
    ];
    for (const fake of [...fakes, `${trial}00`, `${trial}, ${trial}`, '', 'ask'])
      expect([fake, (await taste(shop, { trial: fake })).left]).toEqual([fake, 402]);
    expect((await taste(shop, { trial })).left).toBe(1);
  });
});

test('a trial token is good at the address that it was given to, and counts for nothing at any other', async () => {
  const shop = await enterTrials('gateway', { trustedProxies: ['127.0.0.1'] });
  for (const [home, others] of [
    ['203.0.113.1', ['203.0.113.2', '2001:db8::1']],
    ['2001:db8:0:1::1', ['2001:db8:0:2::1', '203.0.113.3']],
  ] as const) {
    const { trial } = await taste(shop, { from: home });
    for (const from of others) {
      // Neither a share beyond that of the address, nor one that is kept from it.
      const lefts = [];
      for (const shown of [trial, undefined, trial, undefined]) lefts.push((await taste(shop, { from, trial: shown })).left);
      expect([from, lefts]).toEqual([from, [1, 0, 402, 402]]);
    }
    expect((await taste(shop, { from: home, trial })).left).toBe(1);
  }
});

type Lines = readonly (readonly [name: string, value: string])[];

/** A gateway that trusts these proxies; the answer says whom it took for the client, and what the upstream was told. */
async function whoAsks(trustedProxies: readonly string[], lines: Lines): Promise<{ client: string | undefined; told: readonly string[] }> {
  const upstream = await openUpstream(closing);
  let client: string | undefined;
  const stage = await openStage(closing, {
    upstream: upstream.port,
    top: { trustedProxies },
    check: (request, ...rest) => {
      client = request.clientAddress;
      return letThrough(request, ...rest);
    },
  });
  expect((await ask(stage.port, '/a', { headers: lines.flat() })).status).toBe(200);
  const told = (upstream.seen[0]?.lines ?? [])
    .filter(([header]) => claims.some((claim) => claim.toLowerCase() === header.toLowerCase()))
    .map((line) => line.join(': '));
  return { client, told };
}

const evil = '6.6.6.6';

describe('at a gateway that trusts no proxy, or another one', () => {
  test.each([[[]], [['10.0.0.0/8']], [['127.0.0.2', '::1']]])(
    '%j: the connection says who the client is, and the upstream hears nothing else',
    async (trusted) => {
      const lines: Lines = claims.map((claim) => [claim, /^forwarded$/i.test(claim) ? `for=${evil}` : evil]);
      const { client, told } = await whoAsks(trusted, lines);
      expect(client).toBe('127.0.0.1');
      // What some upstream takes for an address is said anew or left out, in every spelling.
      expect(told).toEqual(['X-Forwarded-For: 127.0.0.1']);
    },
  );
});

describe('at a gateway that trusts the proxy in front of it', () => {
  const trusted = ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'];
  const table: readonly (readonly [what: string, lines: Lines, client: string])[] = [
    ['what the client sent stands before what the proxy saw', [['X-Forwarded-For', `${evil}, 8.8.8.8`]], '8.8.8.8'],
    [
      'in a line of its own',
      [
        ['X-Forwarded-For', evil],
        ['X-Forwarded-For', '8.8.8.8'],
      ],
      '8.8.8.8',
    ],
    [
      'in other letter case',
      [
        ['x-FORWARDED-for', evil],
        ['X-Forwarded-For', '8.8.8.8'],
      ],
      '8.8.8.8',
    ],
    ['a client that names itself a trusted proxy', [['X-Forwarded-For', `${evil}, 10.0.0.1, 127.0.0.1, 8.8.8.8`]], '8.8.8.8'],
    ['behind two proxies', [['X-Forwarded-For', `${evil}, 8.8.8.8, 10.1.2.3`]], '8.8.8.8'],
    ['behind two proxies over IPv6', [['X-Forwarded-For', `${evil}, 2001:db8::8, fd00::7`]], '2001:db8::8'],
    ['a hop that cannot be read vouches for nobody', [['X-Forwarded-For', `${evil}, who knows, 10.1.2.3`]], '10.1.2.3'],
    ['an address with a leading zero is none', [['X-Forwarded-For', `${evil}, 08.8.8.8`]], '127.0.0.1'],
    ['an empty hop', [['X-Forwarded-For', `${evil}, `]], '127.0.0.1'],
    ['nothing but commas', [['X-Forwarded-For', ',,,']], '127.0.0.1'],
    ['a number as an address', [['X-Forwarded-For', `${evil}, 134744072`]], '127.0.0.1'],
    ['an address with its port', [['X-Forwarded-For', `${evil}:80, 8.8.8.8:4711`]], '8.8.8.8'],
    ['IPv4 inside IPv6', [['X-Forwarded-For', `${evil}, ::ffff:8.8.8.8`]], '8.8.8.8'],
    ['a thousand hops', [['X-Forwarded-For', `${`${evil},`.repeat(1000)}8.8.8.8`]], '8.8.8.8'],
    [
      'Forwarded, where the proxy writes the other one',
      [
        ['Forwarded', `for=${evil}`],
        ['X-Forwarded-For', '8.8.8.8'],
      ],
      '8.8.8.8',
    ],
    ['Forwarded alone', [['Forwarded', `for=${evil}, for=8.8.8.8;proto=https`]], '8.8.8.8'],
    [
      'Forwarded with a quote that the client left open',
      [
        ['Forwarded', `for="${evil}`],
        ['Forwarded', 'for=8.8.8.8'],
      ],
      '8.8.8.8',
    ],
    ['Forwarded with a host that looks like one more', [['Forwarded', `for=${evil};host="a, for=10.0.0.1", for=8.8.8.8`]], '8.8.8.8'],
    ['Forwarded from somebody unnamed', [['Forwarded', `for=${evil}, for=_hidden`]], '127.0.0.1'],
    ['Forwarded with a port in brackets', [['Forwarded', `for=${evil}, For="[2001:db8::8]:4711"`]], '2001:db8::8'],
    ['a header that no proxy of ours appends to', [['X-Real-IP', evil]], '127.0.0.1'],
    ['every other claim', claims.filter((claim) => !/^(x-forwarded-for|forwarded)$/i.test(claim)).map((claim) => [claim, evil]), '127.0.0.1'],
    ['a name that is the same with another dash', [['X_Forwarded_For', evil]], '127.0.0.1'],
  ];

  test.each(table)('%s', async (_, lines, client) => {
    expect((await whoAsks(trusted, lines)).client).toBe(client);
  });

  test('the upstream is told the whole way, the connection last', async () => {
    const { told } = await whoAsks(trusted, [
      ['X-Forwarded-For', `${evil}, 8.8.8.8`],
      ['X_Forwarded_For', evil],
      ['Forwarded', `for=${evil}`],
    ]);
    expect(told).toEqual([`X-Forwarded-For: ${evil}, 8.8.8.8, 127.0.0.1`]);
  });
});

test('where the request came in, and over what, is not the client’s to say', async () => {
  const upstream = await openUpstream(closing);
  const stage = await openStage(closing, { upstream: upstream.port });
  const spoofed = [
    'X-Forwarded-Proto',
    'https',
    'X-Forwarded-Host',
    'bank.example',
    'X-Forwarded-Port',
    '443',
    'X-Forwarded-Prefix',
    '/admin',
    'x_forwarded_proto',
    'https',
  ];
  await ask(stage.port, '/a', { headers: [...spoofed, 'X-Forwarded-Server', 'x', 'X-Forwarded-Ssl', 'on'] });
  const lines = upstream.seen[0]?.lines ?? [];
  expect(lines.filter(([header]) => /^x[-_]forwarded/i.test(header))).toEqual([
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Host', '127.0.0.1'],
  ]);
  expect(valuesOf(lines, 'host')).toEqual([`127.0.0.1:${upstream.port}`]);
});

describe('how often a client asks', () => {
  const limits = { requestsPerClient: '2/m' };

  test('is counted on its connection, whatever address it claims', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { limits } });
    const statuses: number[] = [];
    for (const [index, claim] of claims.entries()) statuses.push((await ask(stage.port, '/a', { headers: [claim, `192.0.2.${index}`] })).status);
    expect(statuses).toEqual(claims.map((_, index) => (index < 2 ? 200 : 429)));
    expect(upstream.seen).toHaveLength(2);
  });

  test('is counted on what the proxy saw, where there is one that is trusted', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { limits, trustedProxies: ['127.0.0.1'] } });
    const statuses: number[] = [];
    for (const made of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
      statuses.push((await ask(stage.port, '/a', { headers: ['X-Forwarded-For', `${made}, 8.8.8.8`] })).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await ask(stage.port, '/a', { headers: ['X-Forwarded-For', '9.9.9.9'] })).status).toBe(200);
  });
});
