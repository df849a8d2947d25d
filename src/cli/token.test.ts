import { existsSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import { addKey } from '../../test/cli/keys.ts';
import { type Sold, type SoldOptions, sell } from '../../test/cli/soldToken.ts';
import * as Amount from '../core/Amount.ts';
import * as Challenge from '../core/Challenge.ts';
import { fromBase64, toBase64Url, toHex } from '../core/internal/bytes.ts';
import * as Macaroon from '../core/Macaroon.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import { exitCodeOf } from './exit.ts';
import { registerToken } from './token.ts';

const fakes: Fake[] = [];
const fake = (options: FakeOptions = {}) => {
  const made = createFake(registerToken, options);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

/** The fake clock's. */
const now = 1_800_000_000;

/** A command line whose home has the key of a token that was sold an hour ago. */
function withToken(options: FakeOptions & Partial<SoldOptions> = {}): Fake & Sold & { readonly credential: string } {
  const cli = fake(options);
  const sold = sell(addKey(cli.home.keyFile), { mintedAt: now - 3600, ...options });
  return { ...cli, ...sold, credential: `L402 ${sold.token}:${sold.preimage}` };
}

describe('inspect', () => {
  test('says which payment, when, by which key, until when, and what each caveat means', async () => {
    const cli = withToken();
    await cli.run('token', 'inspect', cli.token);
    const out = cli.out();
    expect(out).toContain('sandbox: play money, worth nothing');
    expect(out).toContain(`payment     ${cli.paymentHash}`);
    expect(out).toContain('minted      2027-01-15 07:00:00 UTC (1 hour ago)');
    expect(out).toMatch(/key {9}[0-9a-f]{8} \(ours, the one that mints\)/);
    expect(out).toContain('signature   holds (network sandbox, realm main)');
    expect(out).toContain('good until  2027-01-16 07:00:00 UTC (in 23 hours)');
    expect(out).toMatch(/Minted with it\n {2}for the service api +services=api:0\n {2}with GET and HEAD only +api_method=GET\n/);
    expect(out).toMatch(/on \/api\/v1\/translate exactly +api_path=/);
    expect(out).toMatch(/sold for 50 sat +api_price=50 sat\n {2}for one request +api_terms=per-request\n$/);
    expect(out).not.toContain('Added by a holder');
  });

  test('everything behind the terms came from a holder', async () => {
    const cli = withToken({ pattern: '/api/*', terms: 'pass' });
    const narrowed = Macaroon.format(Macaroon.attenuate(Macaroon.parse(cli.token), ['path_prefix=/api/v1', `valid_until=${now + 600}`, 'token_id=bob']));
    await cli.run('token', 'inspect', narrowed);
    const [minted = '', added = ''] = cli.out().split('Added by a holder');
    expect(minted).toContain('on everything below /api/ ');
    expect(minted).toContain('for any number of requests');
    expect(added).toContain('on /api/v1 and everything below it');
    expect(added).toContain('until 2027-01-15 08:10:00 UTC (in 10 minutes)');
    expect(added).toContain("a holder's own label; it narrows nothing");
    expect(minted).toContain('good until  2027-01-15 08:10:00 UTC (in 10 minutes)');
  });

  test.each<[string, (sold: Sold) => string]>([
    ['base64', ({ token }) => token],
    ['base64url without padding', ({ token }) => toBase64Url(fromBase64(token) as Uint8Array)],
    ['hex', ({ token }) => toHex(fromBase64(token) as Uint8Array)],
    ['base64 in lines', ({ token }) => token.replace(/.{76}/g, '$&\n')],
    ['a credential', ({ token, preimage }) => `L402 ${token}:${preimage}`],
    ['a credential of the old name, with its header', ({ token, preimage }) => `Authorization: LSAT ${token}:${preimage.toUpperCase()}`],
    ['a credential without its scheme', ({ token, preimage }) => `${token}:${preimage}`],
    ['a scheme and a token', ({ token }) => `L402 ${token}`],
    ['quoted', ({ token }) => `"${token}"\n`],
    ['JSON', ({ token }) => JSON.stringify({ macaroon: token })],
  ])('reads %s from standard input, and prints no preimage', async (_, spell) => {
    const master = new Uint8Array(32).fill(3);
    const sold = sell(master, { mintedAt: now - 60 });
    const cli = fake({ interactive: false, input: spell(sold) });
    writeFileSync(cli.home.keyFile, toHex(master));
    await cli.run('token', 'inspect');
    expect(cli.json()).toMatchObject([
      { paymentHash: sold.paymentHash, signature: 'valid', key: { known: 'mints' }, validUntil: '2027-01-16T07:59:00.000Z', expired: false },
    ]);
    expect((cli.out() + cli.notes()).toLowerCase()).not.toContain(sold.preimage);
  });

  test('a whole challenge, with what its invoice asks', async () => {
    const network = createSandboxNetwork();
    const { invoice } = await network.receiver('shop').createInvoice({ amountMsat: Amount.fromSat(50), description: 'API \u001b[31m', expirySeconds: 600 });
    const cli = withToken();
    const lines = Challenge.formatLines({ token: cli.token, invoice });
    await cli.run(
      'token',
      'inspect',
      `HTTP/1.1 402 Payment Required\r\n${lines.map((line) => `WWW-Authenticate: ${line}`).join('\r\n')}\r\nCache-Control: no-store\r\n`,
    );
    expect(cli.out()).toContain('A challenge');
    expect(cli.out()).toContain('invoice     50 sat, "API \\u{1b}[31m"');
    expect(cli.out()).toContain('is not the one of this token: do not pay it');
    expect(cli.out()).toContain('none yet: paying the invoice reveals it');
    await network.close();
  });

  test.each([
    ['fits', 'L402 <token>:<preimage>', 'the preimage proves the payment (not shown)'],
    ['wrong', `L402 <token>:${'ab'.repeat(32)}`, 'the preimage is not the one of this payment (not shown)'],
    ['none', '<token>', 'none came with it'],
  ])('whether the preimage %s', async (_, form, words) => {
    const cli = withToken();
    await cli.run('token', 'inspect', ...form.replace('<token>', cli.token).replace('<preimage>', cli.preimage).split(' '));
    expect(cli.out()).toContain(`proof       ${words}`);
    expect(cli.out()).not.toContain(cli.preimage);
    expect(cli.out()).not.toContain('abababab');
  });

  test.each(['P', ' P ', 'P=', 'P = x'])('nor is a preimage that stands where a condition should (%s)', async (form) => {
    const cli = withToken();
    const inside = Macaroon.format(Macaroon.attenuate(Macaroon.parse(cli.token), [form.replace('P', cli.preimage)]));
    await cli.run('token', 'inspect', inside);
    await cli.run('token', 'inspect', '--json', inside);
    expect(cli.out()).not.toContain(cli.preimage.slice(0, 9));
    const said = await cli.run('token', 'attenuate', '--method', 'GET', inside).then(cli.notes, String);
    expect(said).toMatch(/0707…/);
    expect(said).not.toContain(cli.preimage.slice(0, 9));
  });

  test.each(['preimage=P', 'preimage = "P"', 'note=P'])('a preimage inside the token (%s) is not shown either', async (form) => {
    const cli = withToken();
    const inside = Macaroon.format(Macaroon.attenuate(Macaroon.parse(cli.token), [form.replace('P', cli.preimage)]));
    await cli.run('token', 'inspect', inside);
    await cli.run('token', 'inspect', '--json', inside);
    expect(cli.out()).toContain('carries the proof of payment');
    expect(cli.out()).not.toContain(cli.preimage.slice(0, 16));
  });

  test('nor is one of another payment', async () => {
    const cli = withToken();
    await cli.run('token', 'inspect', Macaroon.format(Macaroon.attenuate(Macaroon.parse(cli.token), [`Preimage=${'ab'.repeat(32)}`])));
    expect(cli.out()).not.toContain('abababab');
  });

  test('without a key the signature is not checked, which is its own answer', async () => {
    const cli = fake();
    const { token } = sell(new Uint8Array(32).fill(1), { mintedAt: now });
    await cli.run('token', 'inspect', token);
    expect(cli.out()).toContain(`signature   not checked: no key, there is no ${cli.home.keyFile}`);
    expect(cli.out()).toContain('(as it says; the signature is not known to hold)');
    expect(existsSync(cli.home.keyFile)).toBe(false);
    await cli.run('token', 'inspect', '--json', token);
    expect(cli.out()).toContain('"signature":"unchecked"');
  });

  test('a key that is not ours is told from one of ours', async () => {
    const cli = fake();
    addKey(cli.home.keyFile);
    await cli.run('token', 'inspect', sell(new Uint8Array(32).fill(1), { mintedAt: now }).token);
    expect(cli.out()).toMatch(/key {9}[0-9a-f]{8} \(not in /);
    expect(cli.out()).toMatch(/signature {3}not checked: no key [0-9a-f]{8} in /);
  });

  test('an older key still verifies', async () => {
    const cli = withToken();
    addKey(cli.home.keyFile);
    await cli.run('token', 'inspect', cli.token);
    expect(cli.out()).toContain('(ours, an older one)');
    expect(cli.out()).toContain('signature   holds');
  });

  test('a token of another realm or network does not hold; the flags say which', async () => {
    const cli = withToken({ realm: 'shop' });
    await cli.run('token', 'inspect', cli.token);
    expect(cli.out()).toContain('signature   does not hold (network sandbox, realm main)');
    await cli.run('token', 'inspect', '--realm', 'shop', cli.token);
    expect(cli.out()).toContain('signature   holds (network sandbox, realm shop)');
    await cli.run('token', 'inspect', '--realm', 'shop', '--network', 'bitcoin', '--json', cli.token);
    expect(cli.out()).toContain('"signature":"invalid"');
  });

  test('a token that was tampered with does not hold', async () => {
    const cli = withToken();
    const macaroon = Macaroon.parse(cli.token);
    const wider = Macaroon.format({ ...macaroon, caveats: macaroon.caveats.map((text) => text.replace('/translate', '/premium')) });
    await cli.run('token', 'inspect', wider);
    expect(cli.out()).toContain('signature   does not hold');
  });

  test('an expired token says since when', async () => {
    const cli = withToken({ mintedAt: now - 4 * 86_400, validUntil: now - 2 * 86_400 });
    await cli.run('token', 'inspect', cli.token);
    expect(cli.out()).toContain('good until  2027-01-13 08:00:00 UTC (2 days ago)');
    expect(cli.out()).toContain('a gateway refuses it: its caveat api_valid_until has expired');
  });

  test.each([
    ['expires=tomorrow', 'a time that cannot be read', "a holder's caveat expires cannot be read"],
    ['expries=2030-01-01T00:00:00Z', 'does not know "expries"', "a holder's caveat expries is not known"],
    ['no caveat', 'cannot be read, so a gateway refuses the token', "a holder's caveat no caveat cannot be read"],
    ['method=POST', 'with POST only', "a holder's caveat method leaves nothing"],
  ])('%s: why a gateway refuses it', async (caveat, means, refusal) => {
    const cli = withToken();
    await cli.run('token', 'inspect', Macaroon.format(Macaroon.attenuate(Macaroon.parse(cli.token), [caveat])));
    expect(cli.out()).toContain(means);
    expect(cli.out()).toContain(refusal);
  });

  test('what a stranger wrote into a token cannot steer the terminal', async () => {
    const cli = withToken();
    await cli.run('token', 'inspect', Macaroon.format(Macaroon.attenuate(Macaroon.parse(cli.token), ['note=\u001b]0;pwned\u0007\u202e'])));
    expect(cli.out()).toContain('note=\\u{1b}]0;pwned\\u{7}\\u{202e}');
    expect(cli.out()).not.toContain('\u001b');
  });

  test('a macaroon of somebody else is read as far as it goes', async () => {
    const cli = withToken();
    await cli.run('token', 'inspect', Macaroon.format(Macaroon.mint(new Uint8Array(32), new Uint8Array(5), ['a=b'])));
    expect(cli.out()).toContain('this is not a token of Farebox');
    expect(cli.out()).toContain('nothing tells');
  });

  test('is asked for where somebody is there to ask', async () => {
    const { token } = sell(new Uint8Array(32), { mintedAt: now });
    const cli = fake({ answers: [token] });
    await cli.run('token', 'inspect');
    expect(cli.questions).toHaveLength(1);
    expect(cli.out()).toContain('A token');
  });

  test.each([
    [[], 'CONFIG_INVALID', 'There is no token'],
    [['not a token'], 'MACAROON_MALFORMED', 'base64'],
    [['L402 AAAA:zz'], 'CREDENTIAL_MALFORMED', 'preimage'],
    [['L402 macaroon="AgEEbHNhdAJC"'], 'CHALLENGE_MALFORMED', 'no invoice'],
    [['{"a":1}'], 'CHALLENGE_MALFORMED', 'macaroon'],
    [['--network', 'mainnet', 'x'], 'CONFIG_INVALID', '--network is one of bitcoin'],
    [['--file', '/nowhere/keys', 'x'], 'KEYS_INVALID', 'There is no key file'],
  ])('%j is refused', async (args, code, message) => {
    await expect(withToken().run('token', 'inspect', ...args)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});

describe('attenuate', () => {
  const last = (cli: Fake) => cli.out().trim().split('\n').at(-1) as string;

  test('prints the narrowed token alone, whose signature holds, and says what it allows', async () => {
    const cli = withToken({ pattern: '/api/*', interactive: false });
    await cli.run('token', 'attenuate', cli.token, '--path', '/api/v1', '--method', 'GET', '--expires', '10m', '--caveat', 'token_id=bob');
    const { caveats } = Macaroon.parse(cli.out().trimEnd());
    expect(cli.out()).toMatch(/^[A-Za-z0-9+/]+=*\n$/);
    expect(caveats.slice(-4)).toEqual(['path_prefix=/api/v1', 'method=GET', `valid_until=${now + 600}`, 'token_id=bob']);
    expect(cli.notes()).toMatch(/on everything below \/api\/\n/);
    expect(cli.notes()).toMatch(/on \/api\/v1 and everything below it +new\n/);
    expect(cli.notes()).toMatch(/until 2027-01-15 08:10:00 UTC \(in 10 minutes\) +new\n/);
    const again = last(cli);
    await cli.run('token', 'inspect', '--json', again);
    expect(JSON.parse(last(cli))).toMatchObject({ signature: 'valid', validUntil: '2027-01-15T08:10:00.000Z' });
    expect(JSON.parse(last(cli))).not.toHaveProperty('refused');
  });

  test('limits that are counted come with a word that tells two such parts apart', async () => {
    const cli = withToken();
    const parts: string[] = [];
    for (let time = 0; time < 2; time++) {
      await cli.run('token', 'attenuate', cli.token, '--uses', '3', '--max-sats', '200');
      const added = Macaroon.parse(last(cli)).caveats.slice(-3);
      expect(added.slice(1)).toEqual(['n_uses=3', 'max_sats=200']);
      parts.push(added[0] ?? '');
    }
    expect(parts.every((part) => /^part=[0-9a-f]{16}$/.test(part))).toBe(true);
    expect(new Set(parts).size).toBe(2);
    await cli.run('token', 'inspect', last(cli));
    expect(cli.out()).toContain('for 3 requests at most, counted together wherever this part is handed on');
    expect(cli.out()).toContain('for 200 sat of requests at most');
  });

  test('what is carved out stands last, behind a word of its own, and beside no limit', async () => {
    const cli = withToken({ terms: 'credit:1000000' });
    await cli.run('token', 'attenuate', cli.token, '--carve', '200', '--expires', '1h', '--caveat', 'token_id=mine');
    expect(Macaroon.parse(last(cli)).caveats.slice(-4)).toEqual([
      `valid_until=${now + 3600}`,
      'token_id=mine',
      expect.stringMatching(/^part=[0-9a-f]{16}$/),
      'carved=200',
    ]);
    const child = last(cli);
    await cli.run('token', 'inspect', child);
    expect(cli.out()).toContain('for 200 sat or units that are set aside out of the whole');
    for (const [token, message] of [
      [child, 'carved'],
      [withToken().token, 'cannot be read'],
    ] as const)
      await expect(cli.run('token', 'attenuate', token, '--carve', '100')).rejects.toThrow(message);
    await expect(cli.run('token', 'attenuate', cli.token, '--carve', '100', '--uses', '3')).rejects.toThrow('hand on with one of them');
  });

  test('of a credential it prints a credential, ready to be sent', async () => {
    const cli = withToken();
    await cli.run('token', 'attenuate', ...cli.credential.split(' '), '--method', 'GET');
    expect(cli.out()).toMatch(new RegExp(`^L402 [A-Za-z0-9+/]+=*:${cli.preimage}\n$`));
    expect(cli.notes()).not.toContain(cli.preimage);
  });

  test('hex stays hex', async () => {
    const cli = withToken();
    await cli.run('token', 'attenuate', toHex(fromBase64(cli.token) as Uint8Array), '--method', 'GET');
    expect(cli.out()).toMatch(/^02[0-9a-f]+\n$/);
  });

  test('as JSON where that is asked for', async () => {
    const cli = withToken();
    await cli.run('token', 'attenuate', cli.token, '--expires', '2027-01-15T09:00:00Z', '--json');
    expect(cli.json()).toEqual([{ token: expect.any(String), added: [`valid_until=${now + 3600}`], warnings: [] }]);
  });

  test.each([
    [['--path', 'api/v1'], 'is not a path'],
    [['--path', '/api//v1'], 'is not in normal form: write "/api/v1"'],
    [['--path', '/api/%2e%2e/x'], 'is not in normal form: write "/x"'],
    [['--path', '/api/v1%2fx'], 'escapes a separator'],
    [['--path', '/api?x=1'], 'without host and query: write "/api"'],
    [['--path', 'https://example.com/api'], 'without host and query: write "/api"'],
    [['--path', '/premium'], 'leaves nothing of the token, which is good with GET and HEAD only and on /api/v1/translate exactly'],
    [['--method', 'get'], '--method: methods are written in capitals: "GET"'],
    [['--method', 'POST'], 'leaves nothing of the token'],
    [['--expires', '2d'], 'the token itself ends at 2027-01-16 07:00:00 UTC'],
    [['--caveat', 'expires=2030-01-01T00:00:00Z'], 'the token itself ends at 2027-01-16 07:00:00 UTC'],
    [['--expires', '2027-01-15T07:00:00Z'], 'is in the past'],
    [['--expires', '0s'], '--expires:'],
    [['--expires', 'tomorrow'], 'write a length such as 10m'],
    [['--expires', '2027-01-16'], 'with its zone'],
    [['--uses', '0'], '--uses is a whole number from 1, not "0"'],
    [['--max-sats', '200 sat'], '--max-sats is a whole number from 1, not "200 sat"'],
    [['--caveat', 'n_uses=many'], 'cannot be read'],
    [['--caveat', 'valid_until=soon'], 'cannot be read'],
    [['--caveat', 'api_terms=pass'], 'allows more than an earlier one'],
    [['--caveat', 'services=other:0'], 'allows more than an earlier one'],
    [['--caveat', 'shout'], 'condition=value'],
    [['--caveat', 'a b=c'], 'cannot be a caveat'],
    [['--caveat', `note=${'x'.repeat(5000)}`], 'at most 4096 bytes'],
    [[], 'There is nothing to narrow to'],
  ])('%j is refused, and nothing printed', async (args, message) => {
    const cli = withToken();
    const error = await cli.run('token', 'attenuate', cli.token, ...args).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) });
    expect(exitCodeOf(error)).toBe(2);
    expect(cli.out()).toBe('');
  });

  test('a wider repetition of what a holder added would be refused', async () => {
    const cli = withToken({ pattern: '/api/*' });
    await cli.run('token', 'attenuate', cli.token, '--path', '/api/v1', '--expires', '10m');
    const narrowed = last(cli);
    await expect(cli.run('token', 'attenuate', narrowed, '--path', '/api')).rejects.toMatchObject({ message: expect.stringContaining('allows more') });
    await expect(cli.run('token', 'attenuate', narrowed, '--expires', '20m')).rejects.toMatchObject({ message: expect.stringContaining('08:10:00') });
    await cli.run('token', 'attenuate', narrowed, '--path', '/api/v1/translate/*', '--expires', '5m');
    expect(Macaroon.parse(last(cli)).caveats.slice(-2)).toEqual(['path_prefix=/api/v1/translate/', `valid_until=${now + 300}`]);
  });

  test('a wrong proof of payment in a caveat is refused, and not repeated', async () => {
    const cli = withToken();
    const wrong = 'cd'.repeat(32);
    const error = await cli.run('token', 'attenuate', ...cli.credential.split(' '), '--caveat', `preimage=${wrong}`).catch((thrown: unknown) => thrown);
    expect((error as Error).message).not.toContain('cdcdcdcd');
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a caveat that no gateway of ours knows is added with a warning', async () => {
    const cli = withToken();
    await cli.run('token', 'attenuate', cli.token, '--caveat', 'max_words=100');
    expect(Macaroon.parse(cli.out().trim()).caveats.at(-1)).toBe('max_words=100');
    expect(cli.notes()).toContain('does not know the caveat max_words');
  });

  test('a token of somebody else is narrowed as asked, with a warning', async () => {
    const cli = withToken();
    await cli.run('token', 'attenuate', Macaroon.format(Macaroon.mint(new Uint8Array(32), new Uint8Array(66), ['services=x:0'])), '--method', 'GET');
    expect(Macaroon.parse(cli.out().trim()).caveats).toEqual(['services=x:0', 'method=GET']);
    expect(cli.notes()).toContain('not a token of Farebox');
  });

  test('an expired token is not worth narrowing', async () => {
    const cli = withToken({ mintedAt: now - 86_400, validUntil: now - 1 });
    await expect(cli.run('token', 'attenuate', cli.token, '--method', 'GET')).rejects.toMatchObject({ code: 'CREDENTIAL_EXPIRED' });
  });

  test('several tokens in one credential are one too many', async () => {
    const cli = withToken();
    await expect(cli.run('token', 'attenuate', `L402 ${cli.token},${cli.token}:${cli.preimage}`, '--method', 'GET')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});
