import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket, type Ran } from '../../../test/cli/market.ts';
import { createSqliteClientStore } from '../../client/sqlite.ts';
import { registerGet } from './get.ts';

let market: Market | undefined;
afterEach(async () => {
  await market?.close();
  market = undefined;
});

type Seen = { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string };

/** A market whose upstream remembers what it was asked, and answers as it is told; with what it was asked unless it is. */
async function open(answer: (request: IncomingMessage, response: ServerResponse) => unknown = () => false) {
  const seen: Seen[] = [];
  const opened = await openMarket((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
      if (answer(request, response) === false) response.end(`${request.method} ${request.url}`);
    });
  });
  market = opened;
  const get = (args: readonly string[], options = {}): Promise<Ran> => opened.run(registerGet, ['get', ...args], options);
  return { ...opened, seen, get };
}

test.each<[string, readonly string[], Partial<Seen>]>([
  ['-X', ['-X', 'DELETE'], { method: 'DELETE', body: '' }],
  ['-H', ['-H', 'Accept: text/plain', '-H', 'X-One:two'], { headers: { accept: 'text/plain', 'x-one': 'two' } }],
  ['-H with nothing behind it', ['-H', 'Accept:', '-H', 'X-Empty;'], { headers: { 'x-empty': '' } }],
  ['-A', ['-A', 'somebody/1'], { headers: { 'user-agent': 'somebody/1' } }],
  ['no words', [], { method: 'GET', headers: { accept: '*/*', 'accept-encoding': 'identity' }, body: '' }],
  ['-d, several', ['-d', 'a=1', '-d', 'b=ü'], { method: 'POST', body: 'a=1&b=ü', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
  ['-d @-', ['-d', '@-', '-X', 'PUT'], { method: 'PUT', body: 'line\nline\n' }],
  ['--data-raw', ['--data-raw', '@not-a-file'], { body: '@not-a-file' }],
  ['--json', ['--json', '{"a":1}'], { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json', accept: 'application/json' } }],
])('a request in curl’s words: %s', async (_, args, wanted) => {
  const { get, url, seen } = await open();
  const { code, notes } = await get([`${url}/a?q=1`, '--max', '12 sat', ...args], { input: 'line\nline\n' });
  expect([code, notes()]).toEqual([0, expect.stringContaining('paid 10 sat, fee 1 sat')]);
  expect(seen).toEqual([expect.objectContaining({ url: '/a?q=1', ...wanted, ...(wanted.headers && { headers: expect.objectContaining(wanted.headers) }) })]);
});

test('a header is read from a file, so that a secret need not stand in the command line', async () => {
  const { get, url, seen, path } = await open();
  writeFileSync(path('headers'), 'X-Key: secret\nX-Other: 1\n');
  const { notes } = await get([`${url}/free/a`, '-H', `@${path('headers')}`, '-v']);
  expect(seen[0]?.headers).toMatchObject({ 'x-key': 'secret', 'x-other': '1' });
  expect(notes()).toContain('x-other: 1');
});

test('standard output is the body, byte for byte, and nothing else', async () => {
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
  const { get, url } = await open((_, response) => void response.end(body));
  const { code, bytes } = await get([`${url}/a`, '--max', '12 sat', '-v', '--explain']);
  expect(code).toBe(0);
  expect(Buffer.compare(bytes(), body)).toBe(0);
  const asJson = await get([`${url}/a`, '--max', '12 sat', '--json']);
  expect(Buffer.from(String(asJson.json()[0]?.bodyBase64), 'base64')).toEqual(body);
});

test('an address without a scheme is http on this machine; --json alone prints JSON, wherever it stands', async () => {
  const { get, url, seen } = await open();
  const { code, json } = await get(['--json', `${url.slice('http://'.length)}/a`, '--max', '12 sat']);
  expect([code, json()]).toEqual([
    0,
    [expect.objectContaining({ url: `${url}/a`, status: 200, body: 'GET /a', payment: expect.objectContaining({ amountMsat: '10000' }) })],
  ]);
  await get([`${url}/b`, '--max', '12 sat', '--json', '[1]', '--json']);
  expect(seen.map(({ method, body }) => [method, body])).toEqual([
    ['GET', ''],
    ['POST', '[1]'],
  ]);
});

test('-i prints the head, -I the head alone, and redirects are followed with -L only', async () => {
  const { get, url, seen } = await open(({ url: asked }, response) =>
    asked === '/free/moved' ? void response.writeHead(302, { location: '/free/there' }).end() : false,
  );
  expect((await get([`${url}/free/a`, '-i'])).out()).toMatch(/^HTTP\/1\.1 200 OK\n(.+: .*\n)+\nGET \/free\/a$/);
  expect((await get([`${url}/free/a`, '-I'])).out()).toMatch(/^HTTP\/1\.1 200 OK\n(.+: .*\n)+\n$/);
  const stays = await get([`${url}/free/moved`]);
  expect([stays.code, stays.out(), stays.notes()]).toEqual([0, '', '302: it is at /free/there; --location goes there.\n']);
  expect((await get([`${url}/free/moved`, '-L'])).out()).toBe('GET /free/there');
  expect(seen.map(({ method }) => method)).toEqual(['GET', 'HEAD', 'GET', 'GET', 'GET']);
});

test('without a limit the price is said and nothing is paid; --no-pay prints the offer', async () => {
  const { get, url, payments } = await open();
  const unnamed = await get([`${url}/a`]);
  expect([unnamed.code, unnamed.out(), unnamed.error]).toEqual([
    3,
    '',
    'BUDGET_EXCEEDED This costs 10 sat. Nothing was paid: say how much it may cost, fee included, with --max.',
  ]);
  const offer = await get([`${url}/a`, '--max', '12 sat', '--no-pay', '-i']);
  expect([offer.code, offer.error]).toEqual([3, 'BUDGET_EXCEEDED This costs 10 sat. Nothing was paid: --no-pay.']);
  expect(offer.out()).toMatch(/^HTTP\/1\.1 402 Payment Required\n/);
  expect(offer.out()).toContain('"amount":10');
  expect(await payments()).toBe(0);
});

test('--dry-run says what the same call would cost, and pays nothing', async () => {
  const { get, url, payments, seen } = await open();
  const allowed = await get([`${url}/a`, '--max', '12 sat', '--dry-run', '-d', 'x'], { interactive: true });
  expect([allowed.code, allowed.out()]).toEqual([
    0,
    expect.stringMatching(/^10 sat {2}POST http.*\/a\n {2}buys +one answer; the seller calls it "Files - 1 request"\n/),
  ]);
  expect(allowed.out()).toContain('leaves 2 sat for it');
  const dear = await get([`${url}/a`, '--max', '5 sat', '--dry-run', '--json']);
  expect([dear.code, dear.json()]).toEqual([3, [expect.objectContaining({ kind: 'priced', amountMsat: '10000', allowed: false })]]);
  expect([await payments(), seen.length]).toEqual([0, 0]);
});

test('files: named, called like the end of the address, in a folder; an error is not written into one', async () => {
  const { get, url, path } = await open(({ url: asked }, response) => (asked === '/free/none' ? void response.writeHead(404).end('not here') : false));
  const named = await get([`${url}/free/a`, `${url}/free/b.txt`, '-o', path('one'), '-o', '-']);
  expect([named.code, readFileSync(path('one'), 'utf8'), named.out()]).toEqual([0, 'GET /free/a', 'GET /free/b.txt']);
  const remote = await get([`${url}/free/b.txt?key=1`, '-O', '--output-dir', path('there')]);
  expect([remote.code, remote.out(), readFileSync(path('there/b.txt'), 'utf8')]).toEqual([0, '', 'GET /free/b.txt?key=1']);
  const none = await get([`${url}/free/none`, '-o', path('none')]);
  expect([none.code, none.out(), none.notes(), existsSync(path('none'))]).toEqual([8, '', 'not here\n', false]);
  expect((await get([`${url}/free/none`])).out()).toBe('not here');
  expect((await get([`${url}/free/none`, '-f'])).out()).toBe('');
  expect(readdirSync(path('there'))).toEqual(['b.txt']);
});

test.each([
  ['no address', [], 'What is to be fetched?'],
  ['an address of another scheme', ['ftp://x/'], 'http or https'],
  ['a name and a password in it', ['http://a:b@localhost/'], 'do not go into the address'],
  ['a file that is not there', ['localhost/', '-d', '@/nowhere/at-all'], 'cannot be read'],
  ['a header without a colon', ['localhost/', '-H', 'nonsense'], '"Name: value"'],
  ['a header that cannot be sent', ['localhost/', '-H', 'a: b\nc: d'], 'cannot be sent'],
  ['two bodies', ['localhost/', '-d', 'a', '--json', '{}'], 'not by both'],
  ['a body with --head', ['localhost/', '-I', '-d', 'a'], 'without a body'],
  ['a limit without a unit', ['localhost/', '--max', '50'], '"50 sat"'],
  ['--continue without a file', ['localhost/', '-c'], '--continue is for a file'],
  ['two files for one address', ['localhost/', '-o', 'a', '-o', 'b'], 'once for each URL'],
  ['two addresses for one file', ['localhost/a', 'localhost/b/a', '-O'], 'Two URLs'],
  ['an address without a name', ['localhost/', '-O'], 'no name of a file'],
  ['a time that is none', ['localhost/', '--max-time', 'soon'], '--max-time is a number of seconds'],
  ['too many at once', ['localhost/', '--parallel', '1000'], 'from 1 to 64'],
  ['credentials of several', ['localhost/a', 'localhost/b', '--credential'], 'of one URL'],
])('%s is a mistake of the command line', async (_, args, message) => {
  const { get, path } = await open();
  mkdirSync(path('home'), { recursive: true });
  const ran = await get(args);
  expect([ran.code, ran.error]).toEqual([2, expect.stringContaining(message)]);
});

test('many at once: bodies come whole and in the order of the addresses, and one that fails stops no other', async () => {
  let go = () => {};
  const names = ['1', '2', 'none', '3', '4'];
  const { get, url, payments } = await open(({ url: asked }, response) => {
    if (asked === '/none') return void response.writeHead(500).end('no');
    const body = `${asked} `.repeat(200_000);
    // The first of them answers last.
    if (asked === '/1') {
      go = () => void response.end(body);
    } else response.end(body, () => asked === '/4' && go());
    return undefined;
  });
  const { code, out, notes } = await get([...names.map((name) => `${url}/${name}`), '--max', '12 sat', '--parallel', '5', '--fail']);
  expect(code).toBe(8);
  expect(
    out() ===
      names
        .filter((name) => name !== 'none')
        .map((name) => `/${name} `.repeat(200_000))
        .join(''),
  ).toBe(true);
  expect(notes()).toContain('none  500 Internal Server Error');
  expect(await payments()).toBe(5);
});

test('events are lines of JSON, on standard error or at the end of a file, and hold no secret', async () => {
  const { get, url, path, home } = await open();
  const piped = await get([`${url}/a?secret=1`, '--max', '12 sat', '--events', '-', '-v', '-H', 'X-Api-Key: secret']);
  const lines = piped
    .notes()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly kind: string });
  expect(lines.map(({ kind }) => kind)).toEqual([
    'began',
    'sent',
    'answered',
    'quoted',
    'paying',
    'paid',
    'sent',
    'answered',
    'receiving',
    'received',
    'ended',
  ]);
  expect(lines.at(-1)).toMatchObject({ call: 1, exitCode: 0, status: 200, payment: { amountMsat: '10000', feeMsat: '1000', reused: false } });
  for (const where of [`${url}/a`, `${url}/free/b`]) await get([where, '--max', '12 sat', '--events', path('events')]);
  const kept = readFileSync(path('events'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly kind: string });
  expect(kept.filter(({ kind }) => kind === 'ended')).toHaveLength(2);
  const store = createSqliteClientStore({ path: home.clientStore('sandbox') });
  const [payment] = await store.list();
  await store.close();
  expect(payment?.preimage).toBeDefined();
  for (const secret of ['secret', payment?.preimage ?? '?', payment?.token ?? '?'])
    expect(piped.notes() + readFileSync(path('events'), 'utf8')).not.toContain(secret);
});

test('--explain tells the story of the payment afterwards', async () => {
  const { get, url } = await open();
  const told = (await get([`${url}/a`, '--max', '12 sat', '--explain', '-s'])).notes().replace(/\s+/g, ' ');
  for (const part of [
    'The server answers 402',
    'asks 10 sat for "Files - 1 request"',
    '2 sat of the limit are left',
    'set aside in the journal',
    'The wallet has paid, with a fee of 1 sat',
    'with the credential of payment',
    'one answer until',
    'farebox journal show',
  ]) {
    expect(told).toContain(part);
  }
});

test('--credential buys one and prints it alone, and it is good', async () => {
  const { get, url } = await open();
  const { out, notes } = await get([`${url}/a`, '--max', '12 sat', '--credential']);
  expect(out()).toMatch(/^L402 [A-Za-z0-9+/]+=*:[0-9a-f]{64}\n$/);
  expect(notes()).not.toContain(out().trim());
  expect((await fetch(`${url}/a`, { headers: { authorization: out().trim() } })).status).toBe(200);
});

test('a call that cannot write its answer does not end the command before the others have ended', async () => {
  let isRefused = false;
  let go = () => {};
  const { start, url, path } = await open((request, response) => {
    if (request.url !== '/b') return false;
    go = () => void response.end('whole');
  });
  const register: typeof registerGet = (program, context) => {
    const raw = () => {
      isRefused = true;
      return Promise.reject(new Error('the disk is full'));
    };
    registerGet(program, { ...context, terminal: { ...context.terminal, raw } });
  };
  const file = path('b');
  const { ended } = start(register, ['get', `${url}/free/a`, `${url}/b`, '--max', '12 sat', '--parallel', '2', '-o', '-', '-o', file]);
  await expect.poll(() => isRefused).toBe(true);
  await expect.poll(() => String(go)).toContain('whole');
  go();
  expect((await ended).error).toContain('the disk is full');
  expect(readFileSync(file, 'utf8')).toBe('whole');
});

test('an error whose words never end is not read for ever', async () => {
  let isGone = false;
  const { get, url, path } = await open((request, response) => {
    response.writeHead(500);
    request.socket.on('close', () => {
      isGone = true;
    });
    const more = (): void => {
      if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more));
    };
    more();
  });
  const { code, notes } = await get([`${url}/free/a`, '-o', path('a')]);
  expect([code, notes().includes('xxx')]).toEqual([8, true]);
  await expect.poll(() => isGone).toBe(true);
});
