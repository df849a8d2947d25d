import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket, type Ran } from '../../../test/cli/market.ts';
import type { Payment } from '../../client/index.ts';
import { createSqliteClientStore } from '../../client/sqlite.ts';
import { registerGet } from './get.ts';
import { registerJournal } from './journal.ts';
import { registerReceipts } from './receipts.ts';
import { registerTokens } from './tokens.ts';

let market: Market | undefined;
afterEach(async () => {
  await market?.close();
  market = undefined;
});

/** A market where a request and a pass were bought, and commands that look into its journal. */
async function open() {
  const opened = await openMarket((_, response) => void response.end('here'));
  market = opened;
  const buy = (path: string) => opened.run(registerGet, ['get', `${opened.url}${path}?key=secret`, '--max', '12 sat']);
  await buy('/a');
  await buy('/pass/b');
  const payments = async (): Promise<readonly Payment[]> => {
    const store = createSqliteClientStore({ path: opened.home.clientStore('sandbox') });
    try {
      return await store.list();
    } finally {
      await store.close();
    }
  };
  const run =
    (register: Parameters<Market['run']>[0]) =>
    (...args: readonly string[]) =>
      opened.run(register, args);
  return { ...opened, buy, all: payments, journal: run(registerJournal), tokens: run(registerTokens), receipts: run(registerReceipts) };
}

/** What nobody is to see who did not ask for it. */
function secretsOf(payments: readonly Payment[]): readonly string[] {
  return ['secret', ...payments.flatMap(({ token, preimage }) => [token, ...(preimage === undefined ? [] : [preimage])])];
}

test('the journal is listed and shown, for people and for programs, and nothing in it is secret', async () => {
  const { journal, tokens, receipts, all, run, url } = await open();
  const payments = await all();
  const [first, second] = payments.map(({ paymentHash }) => paymentHash);
  const listed = await journal('journal', 'list');
  expect(listed.json().map(({ state, path, amountMsat, usable }) => [state, path, amountMsat, usable])).toEqual([
    ['redeemed', '/a', '10000', false],
    ['redeemed', '/pass/b', '10000', true],
  ]);
  expect((await journal('journal', '--state', 'failed')).json()).toEqual([]);
  expect((await journal('journal', 'list', '--limit', '1')).json().map(({ paymentHash }) => paymentHash)).toEqual([second]);
  const person = (register: Parameters<Market['run']>[0], ...args: readonly string[]) => run(register, args, { interactive: true });
  const shown = await person(registerJournal, 'journal', 'show', String(first).slice(0, 8));
  expect(shown.out()).toMatch(
    /^payment +[0-9a-f]{64}\nstate +redeemed .*\nfor +GET http.*\/a\nprice +10 sat\ncost +11 sat, of which 1 sat fee\nbought +one answer until .*; not used any more\n/,
  );
  const kept = await tokens('tokens', 'list');
  expect(kept.json().map(({ path, terms, good }) => [path, terms, good])).toEqual([['/pass/b', 'pass', true]]);
  expect((await tokens('tokens', 'list', '--all')).json()).toHaveLength(2);
  expect((await person(registerTokens, 'tokens', 'show', String(second).slice(0, 12))).out()).toMatch(/buys +any number of requests until/);
  expect((await receipts('receipts')).json().map(({ path, outcome }) => [path, outcome])).toEqual([
    ['/a', 'answered'],
    ['/pass/b', 'answered'],
  ]);
  const receipt = await person(registerReceipts, 'receipts', 'show', String(first).slice(0, 8), '--rate', '50000 USD');
  expect(receipt.out()).toMatch(
    /paid +10 sat, and a fee of 1 sat\nworth +0\.005500 USD, at 50000 for a bitcoin\n(.*\n)*proof +proven: this invoice of this payee was paid\n$/,
  );
  const said = [
    listed,
    shown,
    kept,
    receipt,
    await journal('journal', 'show', String(first)),
    await tokens('tokens', 'show', String(second)),
    await receipts('receipts', 'export'),
  ];
  for (const secret of secretsOf(payments)) expect(said.map((ran) => ran.out() + ran.notes()).join('')).not.toContain(secret);
  const credential = (await tokens('tokens', 'show', String(second), '--credential')).out().trim();
  expect((await fetch(`${url}/pass/other`, { headers: { authorization: credential } })).status).toBe(200);
});

test('receipts are exported for spreadsheets and for programs, and what is exported is verified; one that was changed is false', async () => {
  const { receipts, all, path, run } = await open();
  const csv = (await receipts('receipts', 'export')).out();
  expect(csv.split('\r\n')).toHaveLength(4);
  expect((await receipts('receipts', 'export', '--since', '2999-01-01')).out().split('\r\n')).toHaveLength(2);
  const whole = await receipts('receipts', 'export', '--format', 'jsonl', '--no-redacted');
  expect([whole.notes(), whole.out().includes((await all())[0]?.preimage ?? '?')]).toEqual([expect.stringContaining('With preimages'), true]);
  writeFileSync(path('receipts'), whole.out());
  const proven = await receipts('receipts', 'verify', path('receipts'));
  expect([proven.code, proven.json().map(({ kind }) => kind)]).toEqual([0, ['proven', 'proven']]);
  const redacted = (await receipts('receipts', 'export', '--format', 'jsonl')).out();
  const unproven = await run(registerReceipts, ['receipts', 'verify'], { input: redacted });
  expect(unproven.json().map(({ kind, missing }) => [kind, missing])).toEqual([
    ['unproven', 'preimage'],
    ['unproven', 'preimage'],
  ]);
  const forged = await run(registerReceipts, ['receipts', 'verify', '-'], { input: whole.out().replaceAll('"amountMsat":"10000"', '"amountMsat":"9000"') });
  expect([forged.code, forged.json().map(({ kind }) => kind)]).toEqual([1, ['false', 'false']]);
});

test('a payment whose end is not known is looked up, and resolved by hand where that does not help', async () => {
  const { journal, buy, all, link, run } = await open();
  await link.sandbox.setFault({ node: 'wallet', kind: 'no-preimage', payments: 1 });
  expect((await buy('/c')).code).toBe(5);
  const unknown = (await all()).find(({ state }) => state === 'unknown');
  const hash = String(unknown?.paymentHash);
  const looked = await journal('journal', 'resume');
  expect([looked.code, looked.json().map(({ state, paymentHash }) => [state, paymentHash])]).toEqual([5, [['unknown', hash]]]);
  const person = (answer: string, ...args: readonly string[]) =>
    run(registerJournal, ['journal', 'resolve', hash.slice(0, 16), ...args], { interactive: true, answers: [answer] });
  expect(await person('no', '--failed')).toMatchObject({ code: 2, error: expect.stringContaining('Nothing was changed') });
  expect(await journal('journal', 'resolve', hash, '--preimage', '00'.repeat(32))).toMatchObject({ code: 2, error: expect.stringContaining('does not prove') });
  const failed = await person('yes', '--failed');
  expect([failed.code, failed.questions, failed.out()]).toEqual([
    0,
    [expect.stringContaining('of 10 sat was not made')],
    expect.stringMatching(/state +failed/),
  ]);
  expect((await journal('journal', 'resume')).json()).toEqual([]);
  expect(await journal('journal', 'resume', hash)).toMatchObject({ code: 3, error: expect.stringContaining('it is failed') });
});

test('a credential is handed on for less, and used no more', async () => {
  const { tokens, all, url, buy, payments } = await open();
  const pass = String((await all())[1]?.paymentHash);
  const narrowed = (await tokens('tokens', 'attenuate', pass, '--path', '/pass/b', '--expires', '10m', '--method', 'get')).out().trim();
  const statusOf = async (path: string) => (await fetch(url + path, { headers: { authorization: narrowed } })).status;
  expect([await statusOf('/pass/b'), await statusOf('/pass/other')]).toEqual([200, 403]);
  expect(await tokens('tokens', 'attenuate', pass)).toMatchObject({ code: 2, error: expect.stringContaining('narrowing names nothing') });
  expect(await tokens('tokens', 'remove', pass)).toMatchObject({ code: 2, error: expect.stringContaining('nobody to ask') });
  expect((await tokens('tokens', 'remove', pass, '--yes')).json()).toEqual([expect.objectContaining({ usable: false, note: 'Removed by hand.' })]);
  expect((await tokens('tokens')).json()).toEqual([]);
  const before = await payments();
  await buy('/pass/b');
  expect(await payments()).toBe(before + 1);
});

test.each<[string, readonly string[], number, string]>([
  ['a payment that is not there', ['journal', 'show', 'ffffffffff'], 3, 'is not in this journal'],
  ['too little of a hash', ['journal', 'show', 'ff'], 2, 'first 8 digits'],
  ['no end', ['journal', 'resolve', 'ffffffffff'], 2, 'How did it end?'],
  ['both ends', ['journal', 'resolve', 'ffffffffff', '--failed', '--preimage', '00'], 2, 'How did it end?'],
  ['a fee of what failed', ['journal', 'resolve', 'ffffffffff', '--failed', '--fee', '1 sat'], 2, '--fee goes with --preimage'],
  ['a state that is none', ['journal', 'list', '--state', 'lost'], 2, '--state is one of'],
])('%s is said', async (_, args, code, message) => {
  const opened = await openMarket((__, response) => void response.end());
  market = opened;
  const ran: Ran = await opened.run(registerJournal, args);
  expect([ran.code, ran.error]).toEqual([code, expect.stringContaining(message)]);
});
