import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket } from '../../../test/cli/market.ts';
import * as Amount from '../../core/Amount.ts';
import { registerBudget } from './budget.ts';
import { registerJournal } from './journal.ts';
import { registerPay } from './pay.ts';
import { registerReceipts } from './receipts.ts';
import { registerTokens } from './tokens.ts';

let market: Market | undefined;
afterEach(async () => {
  await market?.close();
  market = undefined;
});

async function open() {
  const opened = await openMarket((_, response) => void response.end());
  market = opened;
  const invoice = async (sat = 10) =>
    (await opened.link.sandbox.receiver('seller').createInvoice({ amountMsat: Amount.fromSat(sat), description: 'a book', expirySeconds: 600 })).invoice;
  const paid = async () => (await opened.link.sandbox.audit()).payments.length;
  return { ...opened, invoice, paid, pay: (...args: readonly string[]) => opened.run(registerPay, ['pay', ...args]) };
}

test('an invoice is paid once, however often it is given', async () => {
  const { invoice, pay, paid, run } = await open();
  const text = await invoice();
  const first = await pay(text, '--max', '12 sat');
  expect([first.code, first.json()]).toEqual([0, [expect.objectContaining({ amountMsat: '10000', feeMsat: '1000', reused: false, description: 'a book' })]]);
  const again = await pay(`LIGHTNING:${text.toUpperCase()}`, '--max', '12 sat');
  expect([again.code, again.json()]).toEqual([0, [expect.objectContaining({ reused: true })]]);
  expect(await paid()).toBe(1);
  expect((await pay(text, '--max', '12 sat', '--preimage')).out()).toMatch(/^[0-9a-f]{64}\n$/);
  expect((await run(registerJournal, ['journal'])).json()).toEqual([expect.objectContaining({ method: 'PAY', state: 'redeemed', usable: false })]);
  expect((await run(registerTokens, ['tokens', 'list', '--all'])).json()).toEqual([]);
  expect((await run(registerReceipts, ['receipts'])).json()).toEqual([expect.objectContaining({ method: 'PAY', amountMsat: '10000' })]);
});

test('limits hold: none, one that is too tight, one that stands; nothing is paid', async () => {
  const { invoice, pay, paid, run } = await open();
  const text = await invoice();
  expect(await pay(text)).toMatchObject({ code: 3, error: expect.stringContaining('This costs 10 sat') });
  expect((await pay(text, '--max', '9 sat')).code).toBe(3);
  await run(registerBudget, ['budget', 'set', '--per', 'day', '--max', '5 sat']);
  expect((await pay(text, '--max', '12 sat')).code).toBe(3);
  expect(await paid()).toBe(0);
});

test('limits of some hosts hold for their own; an invoice names the node that is paid', async () => {
  const { invoice, pay, paid, run } = await open();
  await run(registerBudget, ['budget', 'set', '--per', 'day', '--max', '5 sat', '--host', 'api.example.com']);
  expect((await pay(await invoice(), '--max', '12 sat')).code).toBe(0);
  await run(registerBudget, ['budget', 'set', '--allow', 'api.example.com']);
  expect(await pay(await invoice(), '--max', '12 sat')).toMatchObject({ code: 3, error: expect.stringMatching(/^BUDGET_HOST_DENIED .*0[23][0-9a-f]{64}/) });
  expect(await paid()).toBe(1);
});

test('that is stopped while the wallet is at it ends when the wallet has said how it ended', async () => {
  const { invoice, start, run } = await open();
  const text = await invoice();
  const register: typeof registerPay = (program, context) => {
    const note = (said: string) => void (said.includes('paying') && stop());
    registerPay(program, { ...context, terminal: { ...context.terminal, withJson: () => ({ ...context.terminal, note }) } });
  };
  const { ended, stop } = start(register, ['pay', text, '--max', '12 sat', '-v']);
  expect(await ended).toMatchObject({ code: 130, error: expect.stringContaining('not paid twice') });
  expect((await run(registerJournal, ['journal'])).json()).toEqual([expect.objectContaining({ method: 'PAY', hasProof: true })]);
});

test('one whose end is not known is looked up, and not paid again', async () => {
  const { invoice, pay, paid, link } = await open();
  const text = await invoice();
  await link.sandbox.setFault({ node: 'wallet', kind: 'no-preimage', payments: 1 });
  expect((await pay(text, '--max', '12 sat')).code).toBe(5);
  expect((await pay(text, '--max', '12 sat')).code).toBe(5);
  expect(await paid()).toBe(1);
});

test('what is no invoice is refused', async () => {
  const { pay } = await open();
  expect(await pay('lnbc1nonsense', '--max', '12 sat')).toMatchObject({ code: 3, error: expect.stringMatching(/^INVOICE_MALFORMED/) });
});
