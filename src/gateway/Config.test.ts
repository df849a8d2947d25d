import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../../test/gateway/mistakes.ts';
import { createConfig, loadConfig, parseConfig } from './Config.ts';
import { explain, toJson } from './Explain.ts';

const smallest = `services:
  - name: translate
    upstream: http://localhost:3000
    routes:
      - path: /api/v1/translate
        price: 50 sat
`;

const parse = (text: string, environment = {}) => parseConfig(text, { folder: '/srv', environment });

const mistakesOf = (text: string, environment = {}) => mistakesIn(text, { folder: '/srv', environment });

/** A file with one route, whose lines after the path (line 5) are these. */
const withRoute = (...lines: readonly string[]) =>
  ['services:', '  - name: api', '    upstream: http://localhost:3000', '    routes:', '      - path: /a', ...lines.map((line) => `        ${line}`)].join(
    '\n',
  );

/** As it stands in a file. */
const variable = (name: string) => `$\{${name}}`;

/** A sound file with these lines at its end, from line 7 on. */
const withTop = (...lines: readonly string[]) => smallest + lines.join('\n');

describe('a sound file', () => {
  test('the smallest one is completed with every default', () => {
    const config = parse(smallest);
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8402 });
    expect(config.keys).toEqual({ kind: 'file', path: '/srv/farebox.keys' });
    expect(config.store).toEqual({ kind: 'sqlite', path: '/srv/farebox.db' });
    expect(config.routes).toEqual([
      {
        host: undefined,
        headers: [],
        priority: 0,
        pattern: '/api/v1/translate',
        methods: undefined,
        name: '/api/v1/translate',
        service: 'translate',
        upstream: { origin: 'http://localhost:3000', basePath: '' },
        preserveHost: false,
        disabled: false,
        timeoutMs: 60_000,
        sale: {
          priceMsat: 50_000n,
          terms: { kind: 'per-request' },
          description: 'translate - 1 request',
          capabilities: [],
          exactMsat: false,
          payee: undefined,
          verify: 'preimage',
          outage: 'refuse',
          consume: 'on-success',
        },
      },
    ]);
  });

  test('everything that can be written is read', () => {
    const config = parse(`listen: "[::1]:9000"
lightning: sandbox
realm: tenant-1
keys: file:./my.keys
store: memory
invoiceExpiry: 1h
services:
  - name: api
    title: Everything
    host: API.example.com
    upstream: https://internal:8443/v2/
    preserveHost: true
    timeout: 5s
    capabilities: [read, write]
    outage: passes-only
    routes:
      - { path: /health, free: true }
      - { path: /a/*, methods: GET, price: 1500 msat, terms: { pass: 1h }, exactMsat: true, timeout: 2m, outage: refuse }
      - { path: /b, methods: [GET, POST], price: 0.00001 BTC, title: Best, description: word for word }
timeouts: { connect: 1s, upstream: 2s, idle: 3s, head: 4s, request: 5s, keepAlive: 6s, shutdown: 500ms }
limits: { body: 1 MiB, head: 32 KiB, headerLines: 50, connections: 10, upstreamConnections: 5, invoicesPerClientPerMinute: 1, invoicesPerMinute: 2 }
trustedProxies: [10.0.0.0/8, "::1"]
passphrase: secrets/passphrase
revocation: { stale: 5m }
introspection: { listen: "10.0.0.1:9001", secret: ~/farebox.secret }
compat: { invalidCredential: 402, unknownCaveats: skip }
`);
    expect(config.routes.map(({ name }) => name)).toEqual(['api.example.com/health', 'GET api.example.com/a/*', 'GET,POST api.example.com/b']);
    expect(config.routes.map(({ timeoutMs }) => timeoutMs)).toEqual([5000, 120_000, 5000]);
    expect(config.routes.map(({ sale }) => sale?.description)).toEqual([undefined, 'Everything - 1 hour', 'word for word']);
    expect(config.routes.map(({ sale }) => sale?.outage)).toEqual([undefined, 'refuse', 'passes-only']);
    expect(config.routes[1]).toMatchObject({
      upstream: { origin: 'https://internal:8443', basePath: '/v2' },
      sale: { terms: { kind: 'pass', seconds: 3600 }, priceMsat: 1500n },
    });
    expect(config).toMatchObject({
      listen: { host: '::1', port: 9000 },
      keys: { kind: 'file', path: '/srv/my.keys' },
      store: { kind: 'memory' },
      timeouts: { connectMs: 1000, idleMs: 3000, headMs: 4000, requestMs: 5000, keepAliveMs: 6000, shutdownMs: 500 },
      limits: { bodyBytes: 1_048_576, headBytes: 32_768 },
      passphrase: { kind: 'file', path: '/srv/secrets/passphrase' },
      revocation: { staleMs: 300_000 },
      introspection: { listen: { host: '10.0.0.1', port: 9001 }, secret: { kind: 'file', path: join(homedir(), 'farebox.secret') } },
      compat: { invalidCredential: 402, unknownCaveats: 'skip' },
    });
  });

  test('a value in memory is read as a file is', () => {
    const route = { path: '/*', price: '10 sat' };
    expect(createConfig({ services: [{ name: 'api', upstream: 'http://localhost:3000', routes: [route] }] }, { folder: '/srv' })).toEqual(
      parse('services: [{ name: api, upstream: "http://localhost:3000", routes: [{ path: /*, price: 10 sat }] }]'),
    );
    expect(() => createConfig({ services: [{ name: 'api', upstream: 'http://localhost:3000', routes: [{ ...route, prize: 1 }] }] })).toThrow(
      'farebox.yaml: services[0].routes[0].prize: unknown key `prize`: did you mean `price`?',
    );
  });

  test('the environment is filled in, and a sign for it can be written as it is', () => {
    const text = smallest
      .replace('localhost:3000', `${variable('HOST')}:3000`)
      .replace('name: translate', () => `name: translate\n    title: costs $${variable('MONEY')}`);
    const config = parse(`${text}keys: ${variable('KEYS')}\n`, { HOST: 'upstream.internal', KEYS: 'ab'.repeat(32) });
    expect(config.routes[0]?.upstream.origin).toBe('http://upstream.internal:3000');
    expect(config.routes[0]?.sale?.description).toBe(`costs ${variable('MONEY')} - 1 request`);
    expect(config.keys).toEqual({ kind: 'text', text: 'ab'.repeat(32) });
  });
});

describe('mistakes, each with its place', () => {
  test.each([
    ['an unknown key', withRoute('prize: 10 sat', 'price: 10 sat'), '6:9: unknown key `prize`: did you mean `price`?'],
    ['another gateway’s word', withRoute('price: 10 sat').replace('upstream:', 'target:'), '3:5: unknown key `target`: did you mean `upstream`?'],
    ['a key of nowhere', withTop('zebra: 1'), /^7:1: unknown key `zebra`: known here are listen, tls, lightning, /],
    ['a key in the wrong case', withTop('trusted_proxies: []'), '7:1: unknown key `trusted_proxies`: did you mean `trustedProxies`?'],
    ['a bare number', withRoute('price: 10'), '6:16: `price`: "10" is not an amount. It has no unit: write "10 sat" or "10 msat".'],
    ['a price of nothing', withRoute('price: 0 sat'), /^6:16: `price`: .*"free: true"/],
    ['no price', withRoute('methods: GET'), '5:15: /a has no price: write "price: 10 sat", or "free: true"'],
    ['a price on what is free', withRoute('free: true', 'price: 10 sat'), '7:16: a route that is free has no `price`'],
    ['no unit of time', withTop('timeouts:', '  idle: 10'), '8:9: `idle`: 10 has no unit: write "10s" or "10m"'],
    ['no processes', withTop('workers: 0'), /`workers`/],
    ['an outage that serves everything', smallest.replace('price: 50 sat', 'outage: serve\n        price: 50 sat'), /`outage`/],
    ['too many processes', withTop('workers: 1000'), /`workers`: 256 processes at most, not 1000/],
    ['a word for processes that is none', withTop('workers: many'), /`workers`/],
    ['several processes without a store that they share', withTop('workers: auto\nstore: memory'), /^7:10: each process would have a memory of its own/],
    ['an unknown unit of time', withTop('invoiceExpiry: 10 min'), /^7:16: `invoiceExpiry`: "10 min" is not a length of time/],
    ['terms that are not sold', withRoute('price: 10 sat', 'terms: subscription'), /^7:16: `terms`: "subscription" is not what a payment can buy/],
    ['a pass without a length', withRoute('price: 10 sat', 'terms: pass'), /^7:16: `terms`: "pass" is not/],
    ['a method in lower case', withRoute('price: 10 sat', 'methods: [GET, post]'), '7:18: `methods`: methods are written in capitals: "POST"'],
    ['HEAD', withRoute('price: 10 sat', 'methods: [HEAD]'), /^7:18: `methods`: "HEAD" goes where "GET" goes/],
    ['a star in the middle', withRoute('price: 1 sat').replace('/a', '/a/*/b'), /^5:15: `path`: "\/a\/\*\/b": "\*" stands at the end/],
    ['a path with a query', withRoute('price: 1 sat').replace('/a', '/a?b=c'), /^5:15: `path`: .* has a query/],
    ['a path that is not normal', withRoute('price: 1 sat').replace('/a', '/a/../%62//'), '5:15: `path`: "/a/../%62//" is not in normal form: write "/b/"'],
    [
      'a name that cannot stand in a token',
      withRoute('price: 1 sat').replace('name: api', 'name: "api:1,admin"'),
      /^2:11: `name`: "api:1,admin" cannot stand in a token/,
    ],
    [
      'a capability that cannot',
      withRoute('price: 1 sat').replace('upstream', 'capabilities: ["a,b"]\n    upstream'),
      /^3:20: `capabilities`: "a,b" cannot stand/,
    ],
    ['an upstream without a scheme', withRoute('price: 1 sat').replace('http://', ''), /^3:15: `upstream`: "localhost:3000" is not an address/],
    [
      'a password in an upstream',
      withRoute('price: 1 sat').replace('http://', 'http://user:hunter2@'),
      '3:15: `upstream`: an upstream has no user and no password in its address',
    ],
    ['a listener on a port alone', withTop('listen: 8402'), /^7:9: `listen`: 8402 is not an address to listen on: write "127\.0\.0\.1:8402"/],
    ['a sandbox that others can reach', withTop('listen: 0.0.0.0:80'), /^7:9: the sandbox takes play money/],
    ['keys in the file', withTop(`keys: ${'ab'.repeat(32)}`), /^7:7: keys do not belong in a configuration file/],
    ['no store to count in', withTop('store: none'), /^7:8: without a store nobody can tell how much of a payment was used/],
    ['a variable that is not set', withTop(`realm: ${variable('REALM')}`), '7:8: the environment variable REALM is not set'],
    ['a block that is none', withTop('trustedProxies: [10.0.0.0/40]'), /^7:18: `trustedProxies`: "10\.0\.0\.0\/40" is neither/],
    ['an alias of nothing', withTop('realm: *other'), '7:8: there is no anchor &other before this'],
    ['a key that stands twice', withTop('realm: a', 'realm: b'), '8:1: this key stands here twice'],
    ['an entry that is none', 'services: [5]', '1:12: an entry of `services` is a group of keys'],
    ['aliases in a circle', 'services: &a [*a]', '1:15: an entry of `services` is a group of keys'],
    ['a list that is none', 'services: 5', '1:11: `services` is a list'],
    ['nothing at all', '', '1:1: the file is a group of keys'],
    ['no services', 'realm: a', '1:1: `services` is missing'],
    ['an empty list', 'services: []', '1:11: `services` has nothing in it'],
    ['no value', withRoute('price:'), '6:15: `price`: there is no value here'],
    ['a word for a switch', withRoute('price: 1 sat', 'exactMsat: yes'), '7:20: `exactMsat` is true or false'],
    ['routes at the top', 'routes: []', /^1:1: .*unknown key `routes`|`services` is missing/],
  ])('%s', (_, text, expected) => {
    const mistakes = mistakesOf(text);
    if (typeof expected === 'string') expect(mistakes).toContain(expected);
    else expect(mistakes.join('\n')).toMatch(new RegExp(expected.source, 'm'));
  });

  test('no YAML at all: one mistake, where it stands', () => {
    expect(mistakesOf('services:\n  - name: a\n   upstream: b\n')).toHaveLength(1);
    expect(mistakesOf('services:\n  - name: a\n   upstream: b\n')[0]).toMatch(/^3:/);
  });

  test('all of them at once, in the order of the file', () => {
    const text = withRoute('prize: 10 sat', 'methods: get', 'timeout: 5').replace('name: api', 'name: "a b"');
    expect(mistakesOf(text).map((mistake) => mistake.split(' ')[0])).toEqual(['2:11:', '6:9:', '7:18:', '8:18:']);
  });

  test('what came from the environment is never repeated', () => {
    const text = smallest.replace('http://localhost:3000', variable('UPSTREAM'));
    expect(mistakesOf(text, { UPSTREAM: 'hunter2' })).toEqual(['3:15: what the environment says here cannot be used']);
  });

  test('a route that is there already, and a service', () => {
    const text =
      'services:\n  - { name: a, upstream: "http://x", routes: [{ path: /p, price: 1 sat }, { path: /p, price: 2 sat }] }\n  - { name: a, upstream: "http://x", routes: [{ path: /q, free: true }] }';
    const mistakes = mistakesOf(text);
    expect(mistakes[0]).toMatch(/^2:\d+: \/p is there already, as \/p of the service "a"$/);
    expect(mistakes[1]).toMatch(/^3:13: there are two services "a"/);
  });

  test('a pass that would open a dearer route of the same service', () => {
    const routes = (wide: string, narrow: string, other = '') =>
      `services:\n  - name: a\n    upstream: http://x\n    routes:\n      - ${wide}\n${other}      - ${narrow}\n`;
    const pass = '{ path: /api/*, price: 10 sat, terms: pass 1h }';
    const dear = '{ path: /api/premium, price: 200 sat }';
    expect(mistakesOf(routes(pass, dear))).toEqual(
      ['7:17: a pass for /api/* would open /api/premium as well, which is sold on its own: put one of them into another service'].map((line) =>
        line.replace('7:', '6:'),
      ),
    );
    expect(mistakesOf(routes(dear, pass))).toHaveLength(1);
    expect(mistakesOf(routes(pass, '{ path: /api/more/*, price: 10 sat, terms: pass 2h }'))).toEqual([]);
    expect(mistakesOf(routes(pass, '{ path: /api/more/*, price: 11 sat, terms: pass 2h }'))).toHaveLength(1);
    expect(mistakesOf(routes(pass, dear, '  - name: b\n    upstream: http://x\n    routes:\n'))).toEqual([]);
    expect(mistakesOf(routes(pass, '{ path: /api/docs, free: true }'))).toEqual([]);
    expect(
      mistakesOf(routes('{ path: /api/*, methods: GET, price: 10 sat, terms: pass 1h }', '{ path: /api/premium, methods: POST, price: 200 sat }')),
    ).toEqual([]);
  });
});

describe('a satgate.yaml', () => {
  const seed = `# satgate.yaml — L402 route configuration
routes:
  - path: /api/v1/translate
    target: http://localhost:8080
    policy: l402           # Also accepts "charge" or "monetize"
    price_sats: 50         # Cost per request in satoshis
    description: "Translation API — per-request pricing"

  - path: /api/v1/premium
    target: http://localhost:8080
    policy: l402
    price_sats: 200
    description: "Premium endpoint — higher quality, higher price"
`;

  test('is read unchanged', () => {
    const config = parseConfig(seed, { file: 'satgate.yaml', folder: '/srv', environment: {} });
    expect(config.file).toBe('satgate.yaml');
    expect(config.routes).toMatchObject([
      {
        service: 'api-v1-translate',
        pattern: '/api/v1/translate',
        methods: undefined,
        upstream: { origin: 'http://localhost:8080', basePath: '' },
        sale: { priceMsat: 50_000n, terms: { kind: 'per-request' }, description: 'Translation API — per-request pricing', exactMsat: false },
      },
      { service: 'api-v1-premium', pattern: '/api/v1/premium', sale: { priceMsat: 200_000n, description: 'Premium endpoint — higher quality, higher price' } },
    ]);
  });

  test.each(['charge', 'monetize'])('the policy %s is l402 under another name', (policy) => {
    expect(parse(seed.replaceAll('policy: l402', `policy: ${policy}`)).routes).toEqual(parse(seed).routes);
  });

  test.each([
    ['fiat402', seed.replace('policy: l402 ', 'policy: fiat402 '), /^5:13: `policy`: "fiat402" settles in fiat/],
    ['another policy', seed.replace('policy: l402 ', 'policy: observe '), /^5:13: `policy`: "observe" is not known here/],
    ['an unknown key', seed.replace('price_sats: 50', 'price_sat: 50'), '6:5: unknown key `price_sat`: did you mean `price_sats`?'],
    ['a price of nothing', seed.replace('price_sats: 50', 'price_sats: 0'), /^6:17: `price_sats`: this is a whole number/],
    ['a route twice', seed.replace('premium', 'translate'), /^9:11: \/api\/v1\/translate is there already/],
    ['no target', seed.replace('    target: http://localhost:8080\n', ''), '3:5: `target` is missing'],
  ])('%s is a mistake with its place', (_, text, expected) => {
    const mistakes = mistakesOf(text);
    if (typeof expected === 'string') expect(mistakes).toContain(expected);
    else expect(mistakes.join('\n')).toMatch(new RegExp(expected.source, 'm'));
  });
});

describe('files', () => {
  test('a file is read, and paths in it are relative to it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'farebox-'));
    try {
      await writeFile(join(folder, 'my.yaml'), smallest);
      const config = await loadConfig(join(folder, 'my.yaml'), { environment: {} });
      expect(config.store).toEqual({ kind: 'sqlite', path: join(folder, 'farebox.db') });
      await expect(loadConfig(join(folder, 'other.yaml'))).rejects.toThrow(/There is no .*other\.yaml\. Make one with: farebox init/);
      await expect(loadConfig(folder)).rejects.toThrow(/cannot be read \(EISDIR\)/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a file that is long for no reason', () => {
  test('an unknown key of any length is told without looking for what was meant', () => {
    const key = 'routes'.repeat(100_000);
    expect(mistakesOf(`${smallest}${key.slice(0, 1000)}: 1\n`)).toEqual([
      expect.stringMatching(/^7:1: unknown key `(routes){10}rout`: known here are listen, /),
    ]);
    const many = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [key + at, 1]));
    expect(() => createConfig(many)).toThrow(/known here are listen, /);
  });

  test('keys of any length are told from the path of a file at once', () => {
    const keys = 'ab'.repeat(100_000);
    const services = [{ name: 'api', upstream: 'http://u', routes: [{ path: '/a', free: true }] }];
    const read = (text: string) => createConfig({ services, keys: text }).keys.kind;
    expect(() => read(keys)).toThrow(/keys do not belong in a configuration file/);
    expect(() => read(`${keys}, ${keys}\n`)).toThrow(/keys do not belong in a configuration file/);
    expect(read(`${'ab'.repeat(220)}.keys`)).toBe('file');
    expect(read('ab'.repeat(31))).toBe('file');
  });

  test('each alias without an anchor is told, and none looks for it through the whole file', () => {
    const mistakes = mistakesOf(`services: [${Array(20_000).fill('*a').join(', ')}]\n`);
    expect(mistakes).toHaveLength(20_000);
    expect(mistakes[0]).toBe('1:12: there is no anchor &a before this');
  });

  test('an alias behind its anchor is followed, on values, lists and groups', () => {
    const first = '  - &s\n    name: &n a\n    upstream: http://u\n    routes: &r [{ path: /a, price: 1 sat }]\n';
    const text = `services:\n${first}  - { name: b, host: b, upstream: http://u, routes: *r, title: *n }\n`;
    expect(parse(text).routes.map(({ service, sale }) => [service, sale?.description])).toEqual([
      ['a', 'a - 1 request'],
      ['b', 'a - 1 request'],
    ]);
    expect(mistakesOf(`${text}  - *s\n`)).toContainEqual(expect.stringContaining('there are two services "a"'));
  });
});

describe('the explanation', () => {
  test('shows what runs, and no secret', () => {
    const secret = 'ab'.repeat(32);
    const config = parse(`${smallest}      - { path: /docs/*, methods: [GET], free: true }\nkeys: ${variable('KEYS')}\n`, { KEYS: secret });
    expect(explain(config)).toMatchInlineSnapshot(`
      "farebox.yaml
        listens on  127.0.0.1:8402 (this machine alone)
        lightning   sandbox (play money on this machine)
        realm       main
        keys        from the environment
        store       SQLite, /srv/farebox.db
        invoices    can be paid for 10m; 600 a minute a client, 6000 in all
        trusts      no proxy
        requests    head 16 KiB and 100 lines, body 100 MB, within 5m
        upstreams   connect within 5s, idle for 5m at most, 1024 connections each, 10000 requests waiting for 10s
        websockets  5000 at once, each for 1d at most
        revocation  the last list is good for 1m where the store is away
        people      whose browsers ask for HTML get a page to pay on
        compat      an invalid credential gets 401; unknown caveats: refuse

      translate -> http://localhost:3000
        any  /api/v1/translate  50 sat  1 request  "translate - 1 request"
        GET  /docs/*            free
      "
    `);
    expect(explain(config) + JSON.stringify(toJson(config))).not.toContain(secret);
    expect(JSON.parse(JSON.stringify(toJson(config))).routes[0].sale.priceMsat).toBe('50000');
  });
});

describe('secrets', () => {
  const word = 'correct horse battery staple';
  const lines = `passphrase: ${variable('WORD')}\nintrospection: { secret: "${variable('WORD')}" }\n`;

  test('come out of the environment, and nothing shows them', () => {
    const config = parse(smallest + lines, { WORD: word });
    expect(config).toMatchObject({ passphrase: { kind: 'text', text: word }, introspection: { secret: { kind: 'text', text: word } } });
    expect(explain(config) + JSON.stringify(toJson(config))).not.toContain('horse');
    expect(explain(config)).toContain('keys        /srv/farebox.keys, sealed under a passphrase from the environment\n');
    expect(explain(config)).toContain('services    ask about credentials on 127.0.0.1:8403 (this machine alone)\n');
  });

  test.each([
    ['/run/secrets/word', '/run/secrets/word'],
    ['./word', '/srv/word'],
    ['~/word', join(homedir(), 'word')],
    ['file:word', '/srv/word'],
  ])('a path that comes out of it is a path: %s', (path, absolute) => {
    expect(parse(smallest + lines, { WORD: path }).passphrase).toEqual({ kind: 'file', path: absolute });
  });

  test.each([
    ['a list that is good for no time', 'revocation: { stale: 500ms }', /`stale`: "500ms" is shorter than 1s/],
    ['an introspection that lets everybody in', 'introspection: {}', /`secret` is missing/],
    ['a key that is none', 'introspection: { secret: a, path: /x }', /unknown key `path`/],
  ])('%s is a mistake', (_, line, message) => {
    expect(mistakesOf(withTop(line))).toEqual([expect.stringMatching(message)]);
  });

  test('keys with the time from which they mint come out of the environment as well', () => {
    const keys = `${'ab'.repeat(32)} from=2030-01-01T00:00:00Z,${'cd'.repeat(32)}`;
    expect(parse(`${smallest}keys: ${variable('KEYS')}\n`, { KEYS: keys }).keys).toEqual({ kind: 'text', text: keys });
  });
});
