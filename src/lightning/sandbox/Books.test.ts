import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createSandboxNetwork } from '../sandbox.ts';
import { openBooks } from './Books.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandbox-books-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const invoice = { amountMsat: Amount.fromSat(50), description: 'x', expirySeconds: 600 };
const limits = { maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 5 };

describe('the file', () => {
  it('is readable by its owner alone, with the log beside it, in a folder made for it', async () => {
    const path = join(folder, 'new', 'sandbox.db');
    const sandbox = createSandboxNetwork({ path });
    await sandbox.openNode('shop');
    expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700);
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    await sandbox.close();
  });

  it('that is open to others is closed to them', async () => {
    const path = join(folder, 'sandbox.db');
    writeFileSync(path, '', { mode: 0o644 });
    const sandbox = createSandboxNetwork({ path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await sandbox.close();
  });

  it('belongs to one at a time', async () => {
    const path = join(folder, 'sandbox.db');
    const sandbox = createSandboxNetwork({ path });
    expect(() => createSandboxNetwork({ path })).toThrow(
      expect.objectContaining({ code: 'SANDBOX_UNAVAILABLE', message: expect.stringContaining('another process') }),
    );
    await sandbox.close();
    await createSandboxNetwork({ path }).close();
  });

  it('that is not a sandbox’s, or of another version, is left alone', () => {
    const foreign = join(folder, 'foreign.db');
    const database = new DatabaseSync(foreign);
    database.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)');
    database.close();
    const text = join(folder, 'notes.txt');
    writeFileSync(text, 'not a database at all, but a long enough text to be read as the head of one. '.repeat(20));
    const newer = join(folder, 'newer.db');
    openBooks(newer, '00').close();
    const other = new DatabaseSync(newer);
    other.exec('PRAGMA user_version = 99');
    other.close();
    const looks = () => [foreign, text, newer].map((path) => [readFileSync(path).toString('hex'), statSync(path).mode]);
    chmodSync(foreign, 0o644);
    const before = looks();
    for (const path of [foreign, text, newer, folder, join(text, 'below.db')]) {
      expect(() => createSandboxNetwork({ path })).toThrow(expect.objectContaining({ code: 'SANDBOX_UNAVAILABLE' }));
    }
    expect(looks()).toEqual(before);
  });
});

describe('the file of a version before', () => {
  it('is brought to this one, with all that is in it', async () => {
    const path = join(folder, 'sandbox.db');
    const before = createSandboxNetwork({ path });
    const old = await before.receiver('shop').createInvoice(invoice);
    await before.close();
    const database = new DatabaseSync(path);
    database.exec('ALTER TABLE invoices DROP COLUMN description; PRAGMA user_version = 1');
    database.close();
    for (let opened = 0; opened < 2; opened++) {
      const sandbox = createSandboxNetwork({ path });
      expect((await sandbox.receiver('shop').lookupInvoice(old.paymentHash)).kind).toBe('open');
      await sandbox.close();
    }
    const sandbox = createSandboxNetwork({ path });
    const [shop, buyer] = [sandbox.receiver('shop'), sandbox.payer('buyer')];
    for (const made of [old, await shop.createInvoice(invoice)]) await buyer.pay({ invoice: made.invoice, ...limits });
    const watch = shop.watchSettlements({ after: '', signal: new AbortController().signal })[Symbol.asyncIterator]();
    expect([(await watch.next()).value?.description, (await watch.next()).value?.description]).toEqual([undefined, 'x']);
    await sandbox.close();
  });
});

describe('a step', () => {
  it('that throws leaves nothing behind', () => {
    const books = openBooks(':memory:', '00');
    const node = {
      name: 'ann',
      secretKey: new Uint8Array(32),
      nodeId: '02',
      openedMsat: Amount.zero,
      capacityMsat: Amount.zero,
      localMsat: Amount.zero,
      remoteMsat: Amount.zero,
    };
    const fails = () =>
      books.write('node', () => {
        books.addNode(node);
        throw new Error('half way');
      });
    expect(fails).toThrow('half way');
    expect(books.nodes()).toEqual([]);
    books.write('node', () => books.addNode({ ...node, localMsat: Amount.maxMsat }));
    expect(books.node('ann')?.localMsat).toBe(Amount.maxMsat);
    books.close();
  });
});

describe('opened again', () => {
  it('nodes have their keys, invoices their state, cursors their place, and payments under way go on', async () => {
    const path = join(folder, 'sandbox.db');
    const clock = FixedClock.create();
    const before = createSandboxNetwork({ path, clock });
    const [shop, buyer] = [before.receiver('shop'), before.payer('buyer')];
    const paid = await shop.createInvoice(invoice);
    const settled = await buyer.pay({ invoice: paid.invoice, ...limits });
    const { nodeId } = await shop.info();
    const [hanging, late, slow] = [await shop.createInvoice(invoice), await shop.createInvoice(invoice), await shop.createInvoice(invoice)];
    for (const [kind, created] of [['hangs', hanging] as const, ['settles-late', late] as const]) {
      await before.setFault({ node: 'buyer', kind, payments: 1 });
      void buyer.pay({ invoice: created.invoice, ...limits });
    }
    await before.setDelay(2000);
    void buyer.pay({ invoice: slow.invoice, ...limits });
    const { fundedMsat } = await before.audit();
    const seen = await shop.watchSettlements({ after: '', signal: new AbortController().signal })[Symbol.asyncIterator]().next();
    await before.close();

    clock.advance(4000);
    const after = createSandboxNetwork({ path, clock });
    const [sameShop, sameBuyer] = [after.receiver('shop'), after.payer('buyer')];
    expect((await sameShop.info()).nodeId).toBe(nodeId);
    expect(await sameBuyer.trackPayment(paid.paymentHash)).toEqual(settled);
    expect(await sameBuyer.trackPayment(hanging.paymentHash)).toEqual({ kind: 'pending' });
    clock.advance(0);
    expect(await sameBuyer.trackPayment(slow.paymentHash)).toMatchObject({ kind: 'settled' });
    expect(await sameBuyer.trackPayment(late.paymentHash)).toEqual({ kind: 'pending' });
    clock.advance(2000);
    expect(await sameBuyer.trackPayment(late.paymentHash)).toMatchObject({ kind: 'settled' });
    await after.releasePayment(hanging.paymentHash, 'failed');
    expect(await after.audit()).toMatchObject({ fundedMsat, heldMsat: 0n, balanced: true });
    const watch = sameShop.watchSettlements({ after: seen.value?.cursor ?? '', signal: new AbortController().signal })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ paymentHash: slow.paymentHash });
    expect((await watch.next()).value).toMatchObject({ paymentHash: late.paymentHash });
    await after.close();
    expect(clock.timers()).toBe(0);
  });

  it('after kill -9 in the middle of payments: every answer that was given holds, and the books are balanced', async () => {
    const path = join(folder, 'sandbox.db');
    const answered = await payUntilKilled(path, 25);
    const sandbox = createSandboxNetwork({ path });
    const audit = await sandbox.audit();
    expect(audit).toMatchObject({ balanced: true, heldMsat: 0n });
    expect(audit.payments.length).toBeGreaterThanOrEqual(answered.length);
    for (const paymentHash of answered) {
      expect(await sandbox.payer('buyer').trackPayment(paymentHash as never)).toMatchObject({ kind: 'settled' });
      expect(await sandbox.receiver('shop').lookupInvoice(paymentHash as never)).toMatchObject({ kind: 'paid' });
    }
    await sandbox.close();
  }, 30_000);
});

/** A process of its own that pays as fast as it can and says each hash once it is settled; killed after that many. */
async function payUntilKilled(path: string, count: number): Promise<readonly string[]> {
  const source = new URL('../sandbox.ts', import.meta.url).href;
  const program = `
    import { createSandboxNetwork } from ${JSON.stringify(source)};
    const sandbox = createSandboxNetwork({ path: ${JSON.stringify(path)} });
    const [shop, buyer] = [sandbox.receiver('shop'), sandbox.payer('buyer')];
    for (;;) {
      const { invoice, paymentHash } = await shop.createInvoice({ amountMsat: 1000n, description: 'x', expirySeconds: 600 });
      const { kind } = await buyer.pay({ invoice, maxFeeMsat: 10000n, timeoutSeconds: 5 });
      await new Promise((resolve) => process.stdout.write(kind === 'settled' ? paymentHash + '\\n' : kind + '\\n', resolve));
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const hashes: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^[0-9a-f]{64}$/.test(line)) hashes.push(line);
    if (hashes.length === count) child.kill('SIGKILL');
  }
  await gone;
  expect(child.signalCode).toBe('SIGKILL');
  return hashes;
}
