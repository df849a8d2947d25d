import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../../test/gateway/mistakes.ts';
import { parseConfig } from './Config.ts';
import { explain, toJson } from './Explain.ts';

const mistakesOf = (text: string) => mistakesIn(text, { folder: '/srv', environment: {} });

describe('the wallet that is paid', () => {
  const nwc = `nostr+walletconnect://${'b8'.repeat(32)}?relay=wss%3A%2F%2Frelay.example.com&secret=${'71a8c14c'.repeat(8)}`;
  const services = 'services:\n  - { name: a, upstream: http://x, routes: [{ path: /p, price: 1 sat }] }\n';
  const lnd = 'lightning:\n  network: regtest\n  lnd:\n    url: https://127.0.0.1:8080/\n    certificate: tls.cert\n    macaroon: sell.macaroon\n';

  test('is named with its files, which are beside the configuration', () => {
    const { lightning, network } = parseConfig(lnd + services, { folder: '/etc/farebox' });
    expect(network).toBe('regtest');
    expect(lightning).toEqual([
      {
        kind: 'lnd',
        network: 'regtest',
        url: 'https://127.0.0.1:8080',
        certificatePath: '/etc/farebox/tls.cert',
        secret: { kind: 'file', path: '/etc/farebox/sell.macaroon' },
        ready: 16,
      },
    ]);
  });

  test('lets in by a macaroon out of the environment, which nothing shows', () => {
    const macaroon = '0201036c6e64'.repeat(8);
    const config = parseConfig(lnd.replace('sell.macaroon', '${' + 'MACAROON}') + services, { environment: { MACAROON: macaroon } });
    expect(config.lightning).toMatchObject([{ secret: { kind: 'text', text: macaroon } }]);
    expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain(macaroon);
    expect(explain(config)).toContain('lightning   lnd at https://127.0.0.1:8080, regtest');
  });

  test.each<[string, string, object]>([
    ['a Lightning address', 'lightning: you@wallet.com\n', { kind: 'lnurl', network: 'bitcoin', to: 'you@wallet.com' }],
    [
      'Core Lightning',
      'lightning: { cln: { url: "https://127.0.0.1:3010", certificate: ca.pem, rune: sell.rune } }\n',
      { kind: 'cln', certificatePath: '/etc/farebox/ca.pem', secret: { kind: 'file', path: '/etc/farebox/sell.rune' } },
    ],
    [
      'LNbits',
      'lightning: { lnbits: { url: "https://lnbits.example.com/", invoiceKey: "file:invoice.key" } }\n',
      { kind: 'lnbits', network: 'bitcoin', url: 'https://lnbits.example.com', secret: { kind: 'file', path: '/etc/farebox/invoice.key' } },
    ],
    [
      'phoenixd',
      'lightning: { phoenixd: { password: phoenix.conf } }\n',
      { kind: 'phoenixd', url: 'http://127.0.0.1:9740', secret: { kind: 'file', path: '/etc/farebox/phoenix.conf' } },
    ],
    [
      'Nostr Wallet Connect',
      'lightning: { network: signet, nwc: { connection: shop.connection } }\n',
      { kind: 'nwc', network: 'signet', url: undefined, secret: { kind: 'file', path: '/etc/farebox/shop.connection' }, ready: 0 },
    ],
    [
      'ln.bot',
      'lightning: { lnbot: { key: wallet.key } }\n',
      { kind: 'lnbot', network: 'bitcoin', url: 'https://api.ln.bot', secret: { kind: 'file', path: '/etc/farebox/wallet.key' }, ready: 0 },
    ],
  ])('%s has a few lines of its own', (_, text, expected) => {
    expect(parseConfig(text + services, { folder: '/etc/farebox' }).lightning).toMatchObject([expected]);
  });

  test.each<[string, string, string]>([
    ['an invoice key', 'lnbits: { url: "https://x.example", invoiceKey: "$SECRET" }', '0123456789abcdef'.repeat(2)],
    ['a rune', 'cln: { url: "https://127.0.0.1:3010", rune: "$SECRET" }', 'Ab-_'.repeat(16)],
    ['a wallet key', 'lnbot: { key: "$SECRET" }', 'wk_0123456789abcdef'],
    ['a connection string', 'nwc: { connection: "$SECRET" }', nwc],
    ['a password of its owner\u2019s own choice', 'phoenixd: { password: "$SECRET" }', 'correct horse battery'],
  ])('%s comes out of the environment, and nothing shows it', (_, text, secret) => {
    const config = parseConfig(`lightning: { ${text.replace('$SECRET', '$' + '{SECRET}')} }\n${services}`, { environment: { SECRET: secret } });
    expect(config.lightning).toMatchObject([{ secret: { kind: 'text', text: secret } }]);
    expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain(secret);
  });

  test.each<[string, string, string | RegExp]>([
    [
      'an invoice key in the file itself',
      `lightning: { lnbits: { url: "https://x.example", invoiceKey: ${'0123456789abcdef'.repeat(2)} } }\n`,
      /does not belong in a/,
    ],
    ['a rune in the file itself', `lightning: { cln: { url: "https://x.example", rune: ${'Ab-_'.repeat(16)} } }\n`, /does not belong in a configuration file/],
    ['a wallet key in the file itself', 'lightning: { lnbot: { key: wk_0123456789abcdef } }\n', /does not belong in a configuration file/],
    ['a macaroon in the file itself', lnd.replace('sell.macaroon', '0201036c6e64'.repeat(8)), /^6:15: .*does not belong in a configuration file/],
    ['a connection string in the file itself', `lightning: { nwc: { connection: "${nwc}" } }\n`, /^1:33: .*does not belong in a configuration file/],
    ['a connection string in place of a wallet', `lightning: "${nwc}"\n`, /does not belong in a configuration file/],
    ['a connection string in place of an address', `lightning: "${nwc}&lud16=you@wallet.com"\n`, /does not belong in a configuration file/],
    [
      'a wallet that nobody knows',
      'lightning: paypal\n',
      /^1:12: unknown key `paypal`: known here are sandbox, network, ready, to, lnd, cln, phoenixd, lnbits, lnbot, nwc$/,
    ],
    ['two wallets', `${lnd}  sandbox: true\n`, /names several wallets: sandbox, lnd|names several wallets: lnd, sandbox/],
    ['no wallet', 'lightning:\n  network: regtest\n', /names no wallet/],
    ['no address', lnd.replace(/ {4}url:.*\n/, ''), /`url` is missing/],
    ['an address with a password', lnd.replace('https://', 'https://user:pass@'), /has no user, no password/],
    ['a chain that nobody knows', lnd.replace('regtest', 'litecoin'), /"litecoin" is not known here/],
  ])('%s is a mistake', (_, text, expected) => {
    const [mistake = ''] = mistakesOf(text + services);
    expect(mistake).toMatch(expected);
    expect(mistake).not.toContain('pass@');
    expect(mistake).not.toContain('0201036c6e64');
    expect(mistake).not.toContain('71a8c14c');
  });

  test.each<[string, string, number]>([
    ['a node', lnd, 16],
    ['a node of which few are wanted', `${lnd}  ready: 3\n`, 3],
    ['a node of which none are wanted', `${lnd}  ready: 0\n`, 0],
    ['an address that somebody else runs', 'lightning: you@wallet.com\n', 0],
    ['the sandbox', '', 0],
  ])('of %s, invoices are kept ready', (_, text, expected) => {
    expect(parseConfig(text + services).lightning.map(({ ready }) => ready)).toEqual([expected]);
  });

  test('that knows whole satoshis only sells nothing for parts of one', () => {
    const text =
      'lightning: { phoenixd: { password: phoenix.conf } }\nservices:\n  - name: a\n    upstream: http://x\n    routes: [{ path: /p, price: 1500 msat, exactMsat: true }]\n';
    expect(mistakesOf(text)[0]).toMatch(/phoenixd knows whole satoshis only, and .*\/p is sold for parts of one/);
    expect(parseConfig(text.replace(', exactMsat: true', '')).lightning[0].kind).toBe('phoenixd');
  });
});

describe('who is paid', () => {
  const node = '{ network: regtest, lnd: { url: "https://127.0.0.1:8080", certificate: tls.cert, macaroon: sell.macaroon } }';
  const away = '{ network: regtest, to: you@127.0.0.1:3000 }';
  const selling = (routes: string, service = '') => `services:\n  - name: a\n    upstream: http://x\n${service}    routes:\n${routes}`;
  const route = (more = '') => `      - { path: /p${more.length}, price: 1 sat${more} }\n`;

  test('is the first of several wallets, and the next one where that is away', () => {
    const config = parseConfig(`lightning:\n  - ${node}\n  - ${away}\n${selling(route())}`);
    expect(config.lightning.map(({ kind, ready }) => [kind, ready])).toEqual([
      ['lnd', 16],
      ['lnurl', 0],
    ]);
    expect(explain(config)).toContain('lnd at https://127.0.0.1:8080, regtest; where that is away, you@127.0.0.1:3000, regtest');
  });

  test('is whom the route names, else whom its service names, else whom `lightning` names', () => {
    const payees = `lightning: ${node}\npayees:\n  alice: ${away}\n  bob: [${node}, ${away}]\n`;
    const config = parseConfig(
      `${payees}${selling(route(', payee: bob') + route(), '    payee: alice\n')}${selling(route()).replace('services:\n', '').replace('name: a', 'name: b').replace('/p0', '/q')}`,
    );
    expect(config.routes.map(({ sale }) => sale?.payee)).toEqual(['bob', 'alice', undefined]);
    expect(config.payees.bob?.map(({ kind }) => kind)).toEqual(['lnd', 'lnurl']);
    expect(explain(config)).toMatch(/payee alice you@127\.0\.0\.1:3000, regtest/);
    expect(explain(config)).toMatch(/\/p12 .* paid to bob/);
    expect(JSON.parse(JSON.stringify(toJson(config)))).toMatchObject({ payees: { alice: [{ kind: 'lnurl' }] } });
  });

  test('may be others where what is sold for a whole service cannot be spent', () => {
    const payees = `lightning: ${node}\npayees:\n  alice: ${away}\n`;
    const bulk = '    credit: { amount: 9 sat }\n    bucket: { units: 9, price: 9 sat }\n';
    const routes = [
      '{ path: /a, price: 1 sat, terms: credit }',
      '{ path: /b, terms: bucket, payee: alice }',
      '{ path: /c, price: 1 sat, terms: "bucket: 5", payee: alice }',
      '{ path: /d, price: 1 sat, terms: "pass: 1h", payee: alice }',
      '{ path: /e, free: true }',
    ];
    const config = parseConfig(`${payees}${selling(routes.map((one) => `      - ${one}\n`).join(''), bulk)}`);
    expect(config.routes.map(({ sale }) => sale?.payee)).toEqual([undefined, 'alice', 'alice', 'alice', undefined]);
  });

  test('has to say that it was paid where that is asked for', () => {
    const config = parseConfig(`lightning: ${node}\n${selling(route(', verify: settled') + route(', verify: preimage') + route(), '    verify: settled\n')}`);
    expect(config.routes.map(({ sale }) => sale?.verify)).toEqual(['settled', 'preimage', 'settled']);
    expect(explain(config)).toContain('when its wallet says so');
  });

  test.each<[string, string, RegExp]>([
    [
      'two networks',
      `lightning:\n  - ${node}\n  - { to: you@wallet.com }\n${selling(route())}`,
      /^3:5: this wallet is on bitcoin, and the first one on regtest/,
    ],
    ['a payee on another network', `lightning: ${node}\npayees: { alice: you@wallet.com }\n${selling(route())}`, /^2:18: this wallet is on bitcoin/],
    [
      'a payee whom nobody knows',
      `lightning: ${node}\npayees: { alice: ${away} }\n${selling(route(', payee: bob'))}`,
      /there is no payee "bob": known here are alice/,
    ],
    ['a payee where there is none', selling(route(', payee: bob')), /there is no payee "bob": name its wallet under `payees`/],
    ['a name that is none', `lightning: ${node}\npayees: { "a b": ${away} }\n${selling(route())}`, /^2:11: a payee is named by letters/],
    ['no wallet at all', `lightning: []\n${selling(route())}`, /`lightning` has nothing in it/],
    ['a number', `lightning: 5\n${selling(route())}`, /`lightning` is a group of keys/],
    ['an unknown wallet in a list', `lightning: [paypal]\n${selling(route())}`, /^1:13: unknown key `paypal`: known here are sandbox, network/],
    ['an unknown key of a payee', `payees: { alice: { lnd: { urk: x } } }\n${selling(route())}`, /unknown key `urk`: did you mean `url`\?/],
    ['a wallet in a list that names none', `lightning: [{ network: regtest }]\n${selling(route())}`, /^1:13: names no wallet/],
    [
      'a wallet that need not tell what was paid to it',
      `lightning: ${away}\n${selling(route(', verify: settled'))}`,
      /you@127\.0\.0\.1:3000, regtest need not tell what was paid to it/,
    ],
    [
      'a credit that could be spent where another is paid',
      `lightning: ${node}\npayees: { a: ${away} }\n${selling(`${route(', terms: credit')}${route(', payee: a')}`, '    credit: { amount: 9 sat }\n')}`,
      /^9:\d+: what \/p15 sells for the whole service is paid to the seller, and could be spent on \/p10, where "a" is paid/,
    ],
    [
      'the same, the other way round',
      `lightning: ${node}\npayees: { a: ${away} }\n${selling(`${route()}${route(', terms: credit, payee: a')}`, '    credit: { amount: 9 sat }\n')}`,
      /what \/p25 sells for the whole service is paid to "a", and could be spent on \/p0, where the seller is paid/,
    ],
    [
      'a bucket that could be spent where another is paid',
      `lightning: ${node}\npayees: { a: ${away} }\n${selling('      - { path: /x, terms: bucket }\n      - { path: /y, terms: bucket, payee: a }\n', '    bucket: { units: 9, price: 9 sat }\n')}`,
      /what \/x sells for the whole service .* could be spent on \/y/,
    ],
    [
      'a payee of what is free',
      `lightning: ${node}\npayees: { a: ${away} }\n${selling('      - { path: /f, free: true, payee: a }\n')}`,
      /a route that is free has no `payee`/,
    ],
  ])('%s is a mistake', (_, text, expected) => {
    expect(mistakesOf(text).join('\n')).toMatch(expected);
  });

  test('a list of wallets shows no secret of theirs', () => {
    const macaroon = '0201036c6e64'.repeat(8);
    const config = parseConfig(`lightning: [${node.replace('sell.macaroon', '"$' + '{MACAROON}"')}]\n${selling(route())}`, {
      environment: { MACAROON: macaroon },
    });
    expect(config.lightning).toMatchObject([{ secret: { kind: 'text', text: macaroon } }]);
    expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain(macaroon);
    expect(mistakesOf(`lightning: [${node.replace('sell.macaroon', macaroon)}]\n${selling(route())}`)[0]).toMatch(/does not belong in a configuration file/);
  });
});
