/** What people write into a configuration file. */

import { FareboxError } from '../../../src/core/Errors.ts';
import { createConfig, parseConfig } from '../../../src/gateway/Config.ts';
import * as Fields from '../../../src/gateway/ConfigFields.ts';
import { explain } from '../../../src/gateway/Explain.ts';
import * as KeySeal from '../../../src/gateway/KeySeal.ts';
import * as KeyText from '../../../src/gateway/KeyText.ts';
import { fingerprintOf } from '../../../src/server/RootKeys.ts';
import { linesOf, must, Refused, reading, same, type Target, unless } from '../Target.ts';

/** Nothing that a configuration says of the environment may show in a message. */
const secret = 'c0ffee15ecret';
const environment = { SECRET: secret, PRICE: '10 sat', KEYS: 'ab'.repeat(32), EMPTY: '' };
const surroundings = { environment, folder: '/srv' };

const yamlWords = [
  'listen: ',
  'lightning: sandbox',
  'sandbox: public',
  'realm: ',
  'keys: ',
  'store: ',
  'invoiceExpiry: ',
  'services:',
  'routes:',
  'trustedProxies: ',
  'timeouts: ',
  'limits: ',
  'compat: ',
  'passphrase: ',
  'revocation: { stale: 5s }',
  '  - name: ',
  '    upstream: http://localhost:3000',
  '      - path: ',
  '        price: 10 sat',
  '        free: true',
  '        terms: pass 1h',
  '        methods: [GET, POST]',
  'price_sats: 50',
  'policy: l402',
  'target: http://localhost:8080',
  ...['SECRET', 'PRICE', 'EMPTY', 'NOT_SET'].map((name) => `\${${name}}`),
  '$',
  '&a ',
  '*a',
  '<<: ',
  '? ',
  '!!binary ',
  '!!set ',
  '|\n',
  '>-\n',
  '---\n',
  '# ',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '__proto__: ',
  'constructor: ',
  '\t',
  'null',
  '~',
  '0x10',
  '1e3',
  '.inf',
];

const small = 'services:\n  - name: api\n    upstream: http://localhost:3000\n    routes:\n      - path: /a\n        price: 10 sat\n';

const configText: Target = {
  name: 'config',
  form: 'text',
  longest: 2500,
  batch: 20,
  // Read once, at the start, from the seller's own file; the YAML library makes an error of every line.
  longestMs: 1000,
  seeds: [
    small,
    `listen: 0.0.0.0:8402\nsandbox: public\nrealm: main\nkeys: \${KEYS}\nstore: memory\ninvoiceExpiry: 5m\ntrustedProxies: [10.0.0.0/8, "::1"]\ntimeouts: { connect: 1s, shutdown: 10m }\nlimits:\n  body: 10 MB\n  connections: 5\ncompat: { invalidCredential: 402, unknownCaveats: skip }\n${small}`,
    `${small}      - path: /b/*\n        methods: [GET, POST]\n        price: \${PRICE}\n        terms:\n          pass: 1h\n        title: "\${SECRET}"\n      - path: /free\n        free: true\n  - name: second\n    host: api.example.com\n    upstream: https://example.com/v2\n    capabilities: [read, write]\n    preserveHost: true\n    timeout: 5s\n    routes: [{ path: "/*", price: 1 BTC, exactMsat: true, description: x }]\n`,
    'routes:\n  - path: /api/v1/translate\n    target: http://localhost:8080\n    policy: l402\n    price_sats: 50\n    description: "Translation"\n  - { path: "/b/*", target: "http://x", policy: charge, price_sats: 1 }\n',
    'a: &a [x, x]\nb: &b [*a, *a]\nservices: [*b, *b]\n',
    'services: *missing\n',
    'services:\n  - &s\n    name: x\n    upstream: http://u\n    routes: [&r { path: /a, price: 1 sat }]\n  - *s\n',
  ],
  words: yamlWords,
  run: (input) => {
    const config = refusedAsConfig(() => parseConfig(input, surroundings));
    must(config.routes.length > 0, 'no routes');
    for (const { sale, timeoutMs, pattern } of config.routes) {
      must(timeoutMs >= 1 && timeoutMs <= 2_000_000_000, `a time-out of ${timeoutMs}`);
      must(sale === undefined || (typeof sale.priceMsat === 'bigint' && sale.priceMsat > 0n), 'a price of nothing');
      same(Fields.readPattern(pattern), pattern, 'a pattern in another form');
    }
    return [config, explain(config)];
  },
};

/** The same as a value: JSON, as a program might build it. */
const configValue: Target = {
  name: 'config-value',
  form: 'text',
  longest: 2000,
  batch: 40,
  longestMs: 100,
  seeds: [
    '{"services":[{"name":"api","upstream":"http://localhost:3000","routes":[{"path":"/a","price":"10 sat"}]}]}',
    '{"listen":"[::1]:0","store":"memory","limits":{"body":"1 GiB","headerLines":5},"services":[{"name":"api","upstream":"http://x/y","routes":[{"path":"/a/*","price":"1 sat","terms":{"pass":"1d"}},{"path":"/b","free":true}]}]}',
    '{"routes":[{"path":"/a","target":"http://x","policy":"monetize","price_sats":5}]}',
    '[]',
    'null',
    '{"services":{"__proto__":[]}}',
  ],
  words: [
    '"services"',
    '"routes"',
    '"path"',
    '"price"',
    '"free":true',
    '"terms"',
    '"__proto__"',
    '"constructor"',
    'null',
    'true',
    '[]',
    '{}',
    '"toString"',
    ',',
    ':',
    '1e999',
    '-0',
  ],
  run: (input) => {
    const value = parsedJson(input);
    return value === undefined ? 'no JSON' : refusedAsConfig(() => createConfig(value, surroundings));
  },
};

const readers: { readonly [name: string]: (value: unknown) => unknown } = {
  price: Fields.readPrice,
  durationMs: Fields.readDurationMs,
  durationSeconds: Fields.readDurationSeconds,
  timeout: Fields.readTimeoutMs,
  bytes: Fields.readBytes,
  count: Fields.readCount,
  name: Fields.readName,
  line: Fields.readLine,
  pattern: Fields.readPattern,
  methods: Fields.readMethods,
  upstream: Fields.readUpstream,
  listen: Fields.readListen,
  host: Fields.readHost,
  terms: Fields.readTerms,
  keys: Fields.readKeys,
  realm: Fields.readRealm,
  proxy: Fields.readProxy,
};

/** A plan: which reader, then the value: JSON where it is JSON, a text otherwise. */
const fields: Target = {
  name: 'config-fields',
  form: 'text',
  longest: 700,
  seeds: [
    'price\n10 sat',
    'durationMs\n500ms',
    'durationSeconds\n3650d',
    'timeout\n23d',
    'bytes\n64 KiB',
    'count\n5',
    'name\napi',
    'line\nTranslation API',
    'pattern\n/api/*',
    'methods\n["GET","POST"]',
    'upstream\nhttp://user:pass@[::1]:80/v2/?x#y',
    'listen\n[::1]:8402',
    'host\nAPI.example.com',
    'terms\n{"pass":"1h"}',
    'terms\npass 1h',
    `keys\n${'ab'.repeat(32)}, ${'cd'.repeat(32)}`,
    'realm\nmain',
    'proxy\n10.0.0.0/8',
  ],
  words: [
    'ms',
    's',
    'm',
    'h',
    'd',
    'KB',
    'KiB',
    'GB',
    '/*',
    'http://',
    'https://',
    '[::1]',
    ':0',
    ':65536',
    'per-request',
    'pass',
    '"',
    'null',
    '{}',
    '[]',
    'a.',
    '-',
    'HEAD',
    'CONNECT',
    'file:',
    ...Object.keys(readers).map((name) => `${name}\n`),
  ],
  run: (input) => {
    const [name = '', ...rest] = linesOf(input);
    const read = readers[name];
    if (!Object.hasOwn(readers, name) || read === undefined) return 'no such reader';
    const value = parsedJson(rest.join('\n')) ?? rest.join('\n');
    const answer = refusedAsField(() => read(value), input.length);
    if (typeof answer === 'number') must(Number.isSafeInteger(answer) && answer >= 0, `${name} is ${answer}`);
    if (name === 'pattern' || name === 'host' || name === 'realm' || name === 'name' || name === 'proxy') same(read(answer), answer, 'read again');
    if (name === 'upstream') checkUpstream(answer as Fields.UpstreamAddress);
    return answer;
  },
};

function checkUpstream({ origin, basePath }: Fields.UpstreamAddress): void {
  must(/^https?:\/\/[^/@]+$/.test(origin), `an origin of ${origin}`);
  must(basePath === '' || (basePath.startsWith('/') && !basePath.endsWith('/')), `a base path of ${basePath}`);
  same(Fields.readUpstream(origin + basePath), { origin, basePath }, 'read again');
}

/** One that no input has. */
const ownKey = Uint8Array.from({ length: 32 }, (_, index) => 7 * index + 1);

const keys: Target = {
  name: 'keys',
  form: 'text',
  longest: 700,
  seeds: ['ab'.repeat(32), `# comment, of two\n${'ab'.repeat(32)} from=2030-01-01T00:00:00Z\n${'CD'.repeat(40)} # old`, 'ab', '', ','],
  words: ['#', ',', '\r\n', 'ab'.repeat(32), '0x', ' from=', '2030-02-31T24:00:00Z'],
  run: (input) => {
    const read = reading(() => KeyText.parse(input, 'the file'), 'KEYS_INVALID');
    must(
      read.every(({ key, mintsFromAt = 0 }) => key.length >= 32 && Number.isSafeInteger(mintsFromAt)),
      'a key that is too short, or a time that is none',
    );
    const names = read.map(({ key }) => fingerprintOf(key));
    same(KeyText.parse(KeyText.withKey(input, { key: ownKey, mintsFromAt: 9 }), 'the file').slice(1), read, 'behind a new key');
    const others = KeyText.withKey(KeyText.withoutKey(input, names[0] as string, 'the file'), { key: ownKey });
    same(KeyText.parse(others, 'the file').slice(1), read.slice(1), 'without the first');
    return read;
  },
};

const sealedKeys: Target = {
  name: 'sealed-keys',
  form: 'text',
  longest: 700,
  seeds: [`# sealed\nfarebox-sealed-keys:1:scrypt:17:8:1:${'A'.repeat(22)}:${'b'.repeat(16)}:${'c_-'.repeat(30)}`, 'farebox-sealed-keys:1:scrypt:99:8:1:::'],
  words: ['farebox-sealed-keys:', ':scrypt:', ':17:8:1:', '20', '#', '\n', '='],
  run: (input) => {
    const read = reading(() => KeySeal.parse(input, 'the file'), 'KEYS_INVALID');
    must(KeySeal.isSealed(input), 'read, and not sealed');
    must(read.parameters.cost <= 20 && read.parameters.blockSize <= 8 && read.parameters.parallel <= 4, 'a cost that nobody can pay');
    must(read.salt.length === 16 && read.nonce.length === 12 && read.box.length >= 16, 'a length that is none');
    return read;
  },
};

/** A configuration is refused with places, and without what the environment holds. */
function refusedAsConfig<T>(read: () => T): T {
  try {
    return reading(read, 'CONFIG_INVALID');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    must(!error.message.includes(secret), `a message repeats the environment: ${error.message.slice(0, 300)}`);
    must(
      error.message.split('\n').every((line) => line.startsWith('farebox.yaml:')),
      `a mistake without a place: ${error.message.slice(0, 300)}`,
    );
    must(unless(read, 'CONFIG_INVALID') === undefined, 'refused once');
    throw error;
  }
}

/** A reader refuses with an `Error` whose message is for people. */
function refusedAsField<T>(read: () => T, length: number): T {
  try {
    return read();
  } catch (error) {
    const isPlain = error instanceof Error && (error.constructor === Error || error instanceof RangeError || FareboxError.is(error));
    if (!isPlain || /Maximum call stack|Invalid array/.test(error.message)) throw error;
    must(error.message.length <= 2 * length + 400, 'a message that grows');
    throw new Refused(error);
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export const targets: readonly Target[] = [configText, configValue, fields, keys, sealedKeys];
