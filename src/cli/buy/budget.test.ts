import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket } from '../../../test/cli/market.ts';
import { registerBudget } from './budget.ts';
import { registerGet } from './get.ts';
import { registerQuote } from './quote.ts';

let market: Market | undefined;
afterEach(async () => {
  await market?.close();
  market = undefined;
});

async function open() {
  const opened = await openMarket((_, response) => void response.end('here'));
  market = opened;
  const budget = (...args: readonly string[]) => opened.run(registerBudget, ['budget', ...args]);
  const get = (path: string, ...args: readonly string[]) => opened.run(registerGet, ['get', opened.url + path, ...args]);
  return { ...opened, budget, get };
}

const limits = (lines: readonly { readonly [name: string]: unknown }[]) => lines.filter(({ kind }) => kind === 'limit');

test('a standing limit binds every call, counts fees, and is shown with what is left of it', async () => {
  const { budget, get, run } = await open();
  expect((await budget('set', '--per', 'total', '--max', '25 sat')).code).toBe(0);
  const [first, second] = [await get('/a', '--max', '12 sat'), await get('/b', '--max', '12 sat')];
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(first.notes()).not.toContain('budget');
  expect(second.notes()).toContain('budget  80 % of everything that may be spent is used up: 22 sat spent, 25 sat allowed altogether, fees included.\n');
  const third = await get('/c', '--max', '12 sat');
  expect([third.code, third.error]).toEqual([3, expect.stringMatching(/^BUDGET_EXCEEDED .*25 sat altogether.*farebox budget set/)]);
  expect(limits((await budget('show')).json())).toEqual([
    { kind: 'limit', budget: '', per: 'total', maxMsat: '25000', spentMsat: '22000', heldMsat: '0', leftMsat: '3000' },
  ]);
  const shown = await run(registerBudget, ['budget'], { interactive: true });
  expect(shown.out()).toMatch(/^everything {2}altogether +25 sat {2}3 sat left {2}22 sat spent\n22 sat spent ever, fees included; 0 sat held {3}sandbox/);
  expect((await budget('remove', '--per', 'total')).code).toBe(0);
  expect((await get('/c', '--max', '12 sat')).code).toBe(0);
});

test('a limit per request stands in for --max, unless it is of some hosts alone', async () => {
  const { budget, get, run, url } = await open();
  await budget('set', '--per', 'request', '--max', '50 sat', '--host', 'api.example.com');
  expect((await get('/a')).code).toBe(3);
  await budget('set', '--per', 'request', '--max', '11 sat');
  const quoted = await run(registerQuote, ['quote', `${url}/a`]);
  expect(quoted.json()).toEqual([expect.objectContaining({ kind: 'priced', allowed: true, maxFeeMsat: '1000' })]);
  expect((await get('/a')).code).toBe(0);
  expect((await get('/dear/a')).code).toBe(3);
  expect((await get('/b', '--no-pay')).code).toBe(3);
});

test('one command with many URLs has one budget', async () => {
  const { url, run, payments } = await open();
  const urls = ['a', 'b', 'c', 'd'].map((name) => `${url}/${name}`);
  const ran = await run(registerGet, ['get', ...urls, '--max', '11 sat', '--max-all', '23 sat', '--parallel', '4']);
  expect([ran.code, await payments()]).toEqual([3, 2]);
});

test('hosts and tags: who is not to be paid is not, and a limit of a tag counts that tag alone', async () => {
  const { budget, get } = await open();
  await budget('set', 'job', '--per', 'day', '--max', '11 sat', '--tag', 'job-17');
  expect((await get('/a', '--max', '12 sat', '--tag', 'job-17')).code).toBe(0);
  expect((await get('/b', '--max', '12 sat', '--tag', 'job-17')).code).toBe(3);
  expect((await get('/b', '--max', '12 sat')).code).toBe(0);
  await budget('set', '--deny', '127.0.0.1');
  const denied = await get('/c', '--max', '12 sat');
  expect([denied.code, denied.error]).toEqual([3, expect.stringMatching(/^BUDGET_HOST_DENIED/)]);
});

test('above a threshold a person is asked, and nobody there means no', async () => {
  const { budget, get, run, url } = await open();
  await budget('set', '--consent-above', '5 sat');
  const nobody = await get('/a', '--max', '12 sat');
  expect([nobody.code, nobody.error]).toEqual([3, expect.stringMatching(/^CONSENT_REFUSED .*at a terminal/)]);
  const ask = (answer: string) => run(registerGet, ['get', `${url}/a`, '--max', '12 sat'], { answers: [answer] });
  expect((await ask('no')).code).toBe(3);
  const agreed = await ask('yes');
  expect([agreed.code, agreed.questions]).toEqual([
    0,
    [expect.stringMatching(/^Pay 10 sat and up to 2 sat for the fee for "Files - 1 request" \(GET http.*\/a\)\? More than 5 sat/)],
  ]);
});

test('the switch stops every payment until it is allowed again', async () => {
  const { budget, get } = await open();
  expect((await budget('stop', 'it', 'loops')).json()).toEqual([expect.objectContaining({ kind: 'spending', stopped: true, why: 'it loops.' })]);
  const stopped = await get('/a', '--max', '12 sat');
  expect([stopped.code, stopped.error]).toEqual([3, expect.stringMatching(/^BUDGET_EXCEEDED Spending has been stopped: it loops\. .*farebox budget allow/)]);
  await budget('allow');
  expect((await get('/a', '--max', '12 sat')).code).toBe(0);
});

test.each<[string, readonly string[], string]>([
  ['a period without an amount', ['set', '--per', 'day'], 'a period and an amount'],
  ['a period that is none', ['set', '--per', 'fortnight', '--max', '5 sat'], '--per is request'],
  ['an amount without a unit', ['set', '--per', 'day', '--max', '5'], '"5 sat"'],
  ['a host that is none', ['set', '--per', 'day', '--max', '5 sat', '--host', 'http://x/'], 'a host is written'],
  ['a host without a limit', ['set', '--host', 'x'], 'of a limit'],
  ['nothing', ['set'], 'What is to be set?'],
  ['a budget that is not there', ['remove', 'other'], 'no standing budget "other"'],
])('%s is a mistake of the command line', async (_, args, message) => {
  const { budget } = await open();
  const ran = await budget(...args);
  expect([ran.code, ran.error]).toEqual([2, expect.stringContaining(message)]);
});

test('without a limit nothing is paid, not the least there is', async () => {
  const { run, url, get, payments } = await open();
  expect((await run(registerQuote, ['quote', `${url}/least/a`, '--json'])).json()).toMatchObject([{ amountMsat: '1', allowed: false }]);
  for (const words of [[], ['--max', '12 sat', '--no-pay']]) expect((await get('/least/a', ...words)).code).toBe(3);
  expect(await payments()).toBe(0);
});

test('one question is asked at a time, and each payment has its own: one yes never pays two', async () => {
  const { budget, start, url, payments } = await open();
  await budget('set', '--consent-above', '1 sat');
  const asked: string[] = [];
  let atOnce = 0;
  let most = 0;
  const register: typeof registerGet = (program, context) => {
    const ask = async (question: string) => {
      asked.push(question);
      most = Math.max(most, ++atOnce);
      for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      return asked.length === 1 ? 'yes' : 'no';
    };
    registerGet(program, { ...context, ask });
  };
  const { ended } = start(register, ['get', `${url}/a`, `${url}/b`, `${url}/c`, '--max', '12 sat', '--parallel', '3']);
  expect((await ended).code).toBe(3);
  expect([asked.length, most, await payments()]).toEqual([3, 1, 1]);
});

test('a question that nobody waits for any more is taken back', async () => {
  const { budget, start, url } = await open();
  await budget('set', '--consent-above', '1 sat');
  let taken = false;
  const register: typeof registerGet = (program, context) => {
    const ask = (_: string, __: string, signal?: AbortSignal) =>
      new Promise<undefined>((resolve) => {
        signal?.addEventListener('abort', () => {
          taken = true;
          resolve(undefined);
        });
      });
    registerGet(program, { ...context, ask });
  };
  const { ended } = start(register, ['get', `${url}/a`, '--max', '12 sat', '--max-time', '0.3']);
  expect([(await ended).code, taken]).toEqual([7, true]);
});

test('helpers have shares, and a tree shows what each has spent; one that is pulled says so', async () => {
  const { budget, run, get } = await open();
  expect((await run(registerBudget, ['budget', 'tree'], { interactive: true })).out()).toContain('There are no branches.');
  await budget('branch', 'research', '--max', '500 sat', '--expires', '2h');
  await budget('branch', 'reader', '--within', 'research', '--max', '100 sat');
  expect((await budget('branch', 'lost', '--within', 'nobody')).error).toMatch(/^usage There is no branch "nobody"/);
  expect((await budget('branch', 'lost', '--expires', 'soon')).error).toMatch(/^usage --expires is a length/);
  // A share of somebody's binds nobody else.
  await budget('branch', 'tight', '--max', '1 sat');
  expect((await get('/a', '--max', '12 sat')).code).toBe(0);
  expect((await budget('tree')).json()).toEqual([
    expect.objectContaining({ kind: 'branch', name: 'research', state: 'open', spentMsat: '0', leftMsat: '500000', endsAt: expect.any(String) }),
    expect.objectContaining({ kind: 'branch', name: 'reader', within: 'research', leftMsat: '100000', payments: 0 }),
    expect.objectContaining({ kind: 'branch', name: 'tight' }),
  ]);
  expect((await budget('pull', 'research', 'it', 'is', 'late')).code).toBe(0);
  expect((await budget('pull', 'nobody')).error).toMatch(/^usage There is no branch "nobody"/);
  const shown = await run(registerBudget, ['budget', 'tree'], { interactive: true });
  expect(shown.out()).toMatch(
    /^research +0 sat spent {2}0 payments {2}500 sat left {2}pulled: it is late\n {2}reader +0 sat spent {2}0 payments {2}100 sat left {2}pulled: it is late\n/,
  );
});

test('the tree is drawn anew as it changes, until it is called off', async () => {
  const opened = await open();
  await opened.budget('branch', 'reader', '--max', '100 sat');
  const watching = opened.start(registerBudget, ['budget', 'tree', '--watch', '--json']);
  await watching.seen('reader');
  await opened.budget('pull', 'reader', 'enough');
  await watching.seen('enough');
  watching.stop();
  expect((await watching.ended).code).toBe(0);
});
