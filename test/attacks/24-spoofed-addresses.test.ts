/**
 * Spoofed `X-Forwarded-For`, `X-Real-IP`, `Forwarded` and their kin: believed from trusted proxies alone, and then no further back than
 * those vouch for.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, letThrough, openStage, openUpstream, valuesOf } from '../gateway/harness.ts';
import { enter, names, path } from './thief.ts';

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

describe.each(names)('behind %s', (name) => {
  test('an address of the client’s own making buys no invoice beyond its limit', async () => {
    const shop = await enter(name, { mintLimits: { perClientPerMinute: 1 } });
    expect((await shop.get(path)).status).toBe(402);
    const spoofed = claims.map((claim, index) => shop.get(path, saying(claim, `203.0.113.${index + 1}`)));
    const all = await Promise.all([...spoofed, shop.get(path, saying('X-Forwarded-For', '127.0.0.1')), shop.get(path, saying('X-Forwarded-For', '::1'))]);
    expect(all.map(({ status }, index) => `${claims[index]} ${status}`).filter((line) => !line.endsWith(' 429'))).toEqual([]);
    expect(shop.invoices()).toBe(1);
  });
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
