import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import { purchaseOf, requestOf } from '../../testing/clientStoreContract.ts';
import { makeOffer } from '../../testing/Offers.ts';
import type { ClientStore } from '../ClientStore.ts';
import { createSqliteClientStore } from '../sqlite.ts';

const root = mkdtempSync(join(tmpdir(), 'farebox-sealing-'));
let folders = 0;
const newPath = () => join(root, `${++folders}`, 'client.db');
afterAll(() => rmSync(root, { recursive: true }));

const now = 1_800_000_000;

/** Pays for something, all the way. */
async function buy(store: ClientStore) {
  const offer = makeOffer({}, now);
  const { token, invoice, paymentHash, preimage } = offer;
  const lease = { owner: 'one.1', leaseEndsAt: now + 15 };
  await store.reserve(requestOf(purchaseOf('x', { token, invoice, paymentHash, resource: paymentHash })));
  await store.dispatch({ paymentHash, ...lease, nowAt: now });
  await store.step(paymentHash, { kind: 'settle', preimage, spentMsat: Amount.fromSat(51), claim: lease }, now);
  await store.step(paymentHash, { kind: 'redeem', owner: 'one.1', last: false }, now);
  return offer;
}

/** What of these texts can be found in the files of a store, as they stand there, and as the bytes that they write. */
function found(path: string, texts: readonly string[]): readonly string[] {
  const bytes = readdirSync(join(path, '..')).map((name) => readFileSync(join(path, '..', name)));
  return texts.filter((text) => {
    const forms = [Buffer.from(text), ...(/^[0-9a-f]{64}$/.test(text) ? [Buffer.from(text, 'hex')] : [Buffer.from(text, 'base64').subarray(40)])];
    return bytes.some((file) => forms.some((form) => file.includes(form)));
  });
}

describe('a client store on disk', () => {
  it('holds no token and no preimage that could be read, at any time', async () => {
    const path = newPath();
    const store = createSqliteClientStore({ path });
    const [one, two] = [await buy(store), await buy(store)];
    const secrets = [one.token, one.preimage, two.token, two.preimage];
    expect(found(path, secrets)).toEqual([]);
    expect(found(path, [one.paymentHash, one.invoice])).toHaveLength(2);
    expect(await store.get(one.paymentHash)).toMatchObject({ token: one.token, preimage: one.preimage });
    await store.close();
    expect(found(path, secrets)).toEqual([]);
    const again = createSqliteClientStore({ path });
    expect((await again.list()).map(({ token, preimage }) => [token, preimage])).toEqual([
      [one.token, one.preimage],
      [two.token, two.preimage],
    ]);
    await again.close();
  });

  it('is shared by processes that open it at the same time', async () => {
    const path = newPath();
    const [one, two] = [createSqliteClientStore({ path }), createSqliteClientStore({ path })];
    const { paymentHash, token } = await buy(one);
    expect(await two.get(paymentHash)).toMatchObject({ token });
    await one.close();
    await two.close();
  });

  it('that lay open is sealed when it is opened, and wiped', async () => {
    const path = newPath();
    const store = createSqliteClientStore({ path });
    const bought = [await buy(store), await buy(store), await buy(store)];
    await store.close();
    layOpen(path, bought);
    const secrets = bought.flatMap(({ token, preimage }) => [token, preimage]);
    expect(found(path, secrets)).toHaveLength(6);
    const sealed = createSqliteClientStore({ path });
    expect((await sealed.list()).map(({ token, preimage }) => [token, preimage])).toEqual(bought.map(({ token, preimage }) => [token, preimage]));
    expect(found(path, secrets)).toEqual([]);
    await sealed.close();
    expect(found(path, secrets)).toEqual([]);
  });

  it('without its key, or with another one’s, says so, and loses nothing', async () => {
    const [path, other] = [newPath(), newPath()];
    const store = createSqliteClientStore({ path });
    const { paymentHash, token } = await buy(store);
    await store.close();
    await createSqliteClientStore({ path: other }).close();
    const before = readFileSync(path);
    renameSync(`${path}.key`, `${path}.away`);
    for (const [prepare, words] of [
      [() => undefined, 'is missing'],
      [() => copyFileSync(`${other}.key`, `${path}.key`), 'is another store’s'.replace('’', "'")],
      [() => writeFileSync(`${path}.key`, 'nonsense'), 'holds no key'],
    ] as const) {
      prepare();
      expect(() => createSqliteClientStore({ path })).toThrow(expect.objectContaining({ code: 'STORE_LOCKED', message: expect.stringContaining(words) }));
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    renameSync(`${path}.away`, `${path}.key`);
    const again = createSqliteClientStore({ path });
    expect(await again.get(paymentHash)).toMatchObject({ token });
    await again.close();
  });

  it('is sealed with the caller’s key where one is given, and has none beside it', async () => {
    const path = newPath();
    const key = new Uint8Array(32).fill(5);
    const store = createSqliteClientStore({ path, key });
    const { paymentHash, token } = await buy(store);
    await store.close();
    expect(existsSync(`${path}.key`)).toBe(false);
    expect(() => createSqliteClientStore({ path })).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
    expect(existsSync(`${path}.key`)).toBe(false);
    expect(() => createSqliteClientStore({ path, key: new Uint8Array(32) })).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
    const again = createSqliteClientStore({ path, key });
    expect(await again.get(paymentHash)).toMatchObject({ token });
    await again.close();
  });

  it('of whose rows somebody has exchanged two sealed texts does not show them', async () => {
    const path = newPath();
    const store = createSqliteClientStore({ path });
    const [one, two] = [await buy(store), await buy(store)];
    await store.close();
    const database = new DatabaseSync(path);
    const move = 'UPDATE payment SET token = (SELECT token FROM payment WHERE payment_hash = ?) WHERE payment_hash = ?';
    database.prepare(move).run(one.paymentHash, two.paymentHash);
    database.close();
    const again = createSqliteClientStore({ path });
    expect(await again.get(one.paymentHash)).toMatchObject({ token: one.token });
    await expect(again.get(two.paymentHash)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await again.close();
  });
});

/** Makes of a file one as it was before there was a seal, with traces in its pages of what has been changed. */
function layOpen(path: string, bought: readonly { readonly paymentHash: string; readonly token: string; readonly preimage: string }[]): void {
  mkdirSync(join(path, '..'), { recursive: true });
  rmSync(`${path}.key`);
  const database = new DatabaseSync(path);
  const write = database.prepare('UPDATE payment SET token = ?, preimage = ?, note = ? WHERE payment_hash = ?');
  for (const note of ['x'.repeat(4000), '']) for (const { paymentHash, token, preimage } of bought) write.run(token, preimage, note, paymentHash);
  database.exec('DROP TABLE seal; PRAGMA user_version = 3');
  database.close();
}
