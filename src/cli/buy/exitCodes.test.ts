import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket, type Ran } from '../../../test/cli/market.ts';
import { createSqliteClientStore } from '../../client/sqlite.ts';
import { type Code, codes, FareboxError } from '../../core/Errors.ts';
import { exitCodeOf, exitCodes } from '../exit.ts';
import { registerGet } from './get.ts';

const page = readFileSync(new URL('../../../docs/reference/exit-codes.md', import.meta.url), 'utf8');

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => void response.end('done')): Promise<Market> {
  const market = await openMarket(answer);
  closing.push(market.close);
  return market;
}

/** In front of a gateway, something that spoils what goes through. */
async function front(handle: RequestListener): Promise<string> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const get = (market: Market, ...args: readonly string[]): Promise<Ran> => market.run(registerGet, ['get', ...args]);

/** Each exit code, by what brings it about, and what is said then. */
const ways: readonly (readonly [code: keyof typeof exitCodes, what: string, said: RegExp, run: () => Promise<Ran>])[] = [
  [0, 'an answer', /^$/, async () => bought(await open())],
  [
    1,
    'an error that no other code is for',
    /^REQUEST_UNREPEATABLE|^another part/,
    async () => {
      const market = await open((_, response) => void response.writeHead(206).end('x'));
      return get(market, `${market.url}/free/a`, '-o', market.path('a'));
    },
  ],
  [2, 'a limit without a unit', /^AMOUNT_MALFORMED/, async () => withMarket((market) => get(market, market.url, '--max', '5'))],
  [2, 'an address that is none', /^usage/, async () => withMarket((market) => get(market, 'http://'))],
  [3, 'no limit', /^BUDGET_EXCEEDED This costs 10 sat/, async () => withMarket((market) => get(market, `${market.url}/a`))],
  [3, 'a limit without room for the fee', /^BUDGET_EXCEEDED .*--max/, async () => withMarket((market) => get(market, `${market.url}/a`, '--max', '10 sat'))],
  [3, 'a total that is used up', /^BUDGET_EXCEEDED .*--max-total/, async () => withMarket(twice('--max-total', '15 sat'))],
  [3, 'a challenge that cannot be read', /^CHALLENGE_MALFORMED|^CHALLENGE_REFUSED|^INVOICE_MALFORMED/, refusing],
  [4, 'a payment that fails', /^PAYMENT_UNROUTABLE/, async () => failing('fails')],
  [5, 'a payment whose end is not known', /^PAYMENT_UNKNOWN/, async () => failing('no-preimage')],
  [5, 'an answer that breaks off after the payment', /^broken .*Paid 10 sat and a fee of 1 sat/, async () => bought(await open(breaking))],
  [6, 'a server that takes the money and refuses', /^PAYMENT_NOT_HONOURED/, dishonoured],
  [7, 'nobody there', /^unreachable .*connection refused.* Nothing was paid\.$/, nobody],
  [
    7,
    'no answer in time',
    /^timeout .*within 0\.3 s\. Nothing was paid\.$/,
    async () =>
      withMarket(
        (market) => get(market, `${market.url}/free/a`, '--max-time', '0.3'),
        () => {},
      ),
  ],
  [
    8,
    'an error of the server’s',
    /^error 404 Not Found$/,
    async () =>
      withMarket(
        (market) => get(market, `${market.url}/free/a`),
        (_, response) => void response.writeHead(404).end(),
      ),
  ],
  [130, 'Ctrl-C', /^stopped .* Nothing was paid\.$/, stopped],
];

test.each(ways)('%i: %s', async (code, _, said, run) => {
  const ran = await run();
  expect([ran.code, ran.error]).toEqual([code, expect.stringMatching(said)]);
});

test('every exit code is brought about, and the page of exit codes has them as they are', () => {
  expect([...new Set(ways.map(([code]) => code))]).toEqual(Object.keys(exitCodes).map(Number));
  const rows = [...page.matchAll(/^\| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
  expect(rows).toEqual(Object.entries(exitCodes));
});

test('the page of exit codes says of every error’s code how it ends', () => {
  const listed = new Map(
    [...page.matchAll(/^\| (\d+) \| (`.*) \|$/gm)].flatMap(([, exit, text = '']) =>
      [...(text.split(' where ')[0] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, code]) => [code, Number(exit)] as const),
    ),
  );
  for (const code of Object.keys(codes) as Code[]) expect([code, exitCodeOf(new FareboxError(code, ''))]).toEqual([code, listed.get(code) ?? 1]);
});

test('Ctrl-C after the payment says what was paid, and the same command again pays nothing', async () => {
  let holds = true;
  let arrived = () => {};
  const held = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const market = await open((_, response) => {
    if (!holds) return void response.end('here');
    response.writeHead(200).write('he');
    arrived();
  });
  const running = market.start(registerGet, ['get', `${market.url}/a`, '--max', '12 sat']);
  await held;
  await running.seen('he');
  running.stop();
  const { code, error } = await running.ended;
  expect([code, error]).toEqual([
    130,
    expect.stringMatching(/2 B of it came\. Paid 10 sat and a fee of 1 sat \(payment [0-9a-f]{16}\)\. The credential is kept/),
  ]);
  holds = false;
  const again = await get(market, `${market.url}/a`, '--max', '12 sat');
  expect([again.code, again.out(), again.notes()]).toEqual([0, 'here', expect.stringContaining('nothing paid')]);
});

test('Ctrl-C while the wallet pays waits for its word, and what it paid for is had by the same command again', async () => {
  const market = await open();
  await market.link.sandbox.setDelay(400);
  const running = market.start(registerGet, ['get', `${market.url}/a`, '--max', '12 sat', '--events', market.path('events')]);
  const stopWhenItPays = () => void (readEvents(market).includes('"kind":"paying"') ? running.stop() : setImmediate(stopWhenItPays));
  stopWhenItPays();
  const { code, error, notes } = await running.ended;
  expect([code, error]).toEqual([130, expect.stringContaining('Paid 10 sat')]);
  expect(notes()).toContain('waiting for the wallet to say how payment');
  const store = createSqliteClientStore({ path: market.home.clientStore('sandbox') });
  closing.push(store.close);
  expect((await store.list()).map(({ state, owner }) => [state, owner])).toEqual([['settled', '']]);
  const again = await get(market, `${market.url}/a`, '--max', '12 sat');
  expect([again.code, again.out(), again.notes()]).toEqual([0, 'done', expect.stringContaining('nothing paid')]);
  expect((await store.list()).length).toBe(1);
});

function readEvents(market: Market): string {
  try {
    return readFileSync(market.path('events'), 'utf8');
  } catch {
    return '';
  }
}

async function withMarket(run: (market: Market) => Promise<Ran>, answer?: Parameters<typeof open>[0]): Promise<Ran> {
  return run(await open(answer));
}

function bought(market: Market): Promise<Ran> {
  return get(market, `${market.url}/a`, '--max', '12 sat');
}

function twice(...args: readonly string[]) {
  return async (market: Market) => {
    await get(market, `${market.url}/a`, '--max', '12 sat', ...args);
    return get(market, `${market.url}/b`, '--max', '12 sat', ...args);
  };
}

async function refusing(): Promise<Ran> {
  const market = await open();
  const url = await front((_, response) => void response.writeHead(402, { 'www-authenticate': 'L402 macaroon="AgEE", invoice="lnbc1nonsense"' }).end());
  return get(market, url, '--max', '12 sat');
}

async function failing(kind: 'fails' | 'no-preimage'): Promise<Ran> {
  const market = await open();
  await market.link.sandbox.setFault({ node: 'wallet', kind, payments: 1 });
  return bought(market);
}

function breaking(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 100 });
  response.write('half', () => response.destroy());
}

/** The offer is real, and whoever has paid gets another one. */
async function dishonoured(): Promise<Ran> {
  const market = await open();
  const url = await front(async (_, response) => {
    const offer = await fetch(`${market.url}/a`);
    response.writeHead(402, { 'www-authenticate': offer.headers.get('www-authenticate')?.replace(/, (?=L402 ).*$/s, '') ?? '' }).end();
  });
  return get(market, url, '--max', '12 sat');
}

async function nobody(): Promise<Ran> {
  const market = await open();
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return get(market, `http://127.0.0.1:${port}/`, '--max', '12 sat');
}

async function stopped(): Promise<Ran> {
  let arrived = () => {};
  const held = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const market = await open(() => arrived());
  const running = market.start(registerGet, ['get', `${market.url}/free/a`]);
  await held;
  running.stop();
  return running.ended;
}
