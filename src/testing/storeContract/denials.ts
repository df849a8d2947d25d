/**
 * What is refused from now on.
 */
import assert from 'node:assert/strict';
import type { Denial } from '../../store/Store.ts';
import { digest, entryOf, expiresAt, type StoreCase } from './StoreCase.ts';

const token: Denial = { kind: 'token', value: digest('token'), expiresAt };

export const denialCases: readonly StoreCase[] = [
  {
    name: 'every kind of denial is kept, in order',
    run: async (store) => {
      assert.deepEqual(await store.denials(), { denials: [], seq: 0 });
      const all: readonly Denial[] = [
        token,
        { kind: 'part', value: digest('token'), expiresAt },
        { kind: 'payment', value: digest('token'), expiresAt },
        { kind: 'key', value: '0a0b0c0d', expiresAt },
        { kind: 'minted-before', value: '1800000000', expiresAt },
      ];
      for (const denial of all) await store.deny(denial);
      const { denials, seq } = await store.denials();
      assert.deepEqual(denials, all);
      assert.ok(seq > 0);
    },
  },
  {
    name: 'behind any number, however high, is the number of the newest change',
    run: async (store) => {
      await store.deny(token);
      await store.append([entryOf('received', 'payment')]);
      const { seq } = await store.denials();
      assert.deepEqual(await store.denials(Number.MAX_SAFE_INTEGER), { denials: [], seq });
      assert.equal((await store.ledger({ after: 0, limit: 10 })).at(-1)?.seq, seq);
    },
  },
  {
    name: 'denying twice is denying once, and the longer denial stands',
    run: async (store) => {
      await store.deny(token);
      const { seq } = await store.denials();
      await store.deny(token);
      await store.deny({ ...token, expiresAt: expiresAt - 1 });
      assert.deepEqual(await store.denials(), { denials: [token], seq });
      await store.deny({ ...token, expiresAt: expiresAt + 1 });
      const later = await store.denials();
      assert.deepEqual(later.denials, [{ ...token, expiresAt: expiresAt + 1 }]);
      assert.ok(later.seq > seq);
    },
  },
  {
    name: 'of the denials those behind a change can be asked for, and how far the store is; other changes are none of them',
    run: async (store, clock) => {
      await store.deny(token);
      const { seq } = await store.denials();
      assert.deepEqual(await store.denials(0), await store.denials());
      assert.deepEqual(await store.denials(seq), { denials: [], seq });
      await store.append([entryOf('received', 'a')]);
      const later = { ...token, value: digest('later') };
      await store.deny(later);
      await store.deny({ ...token, expiresAt: expiresAt + 1 });
      const behind = await store.denials(seq);
      assert.deepEqual(behind.denials, [later, { ...token, expiresAt: expiresAt + 1 }]);
      assert.equal(behind.seq, (await store.denials()).seq);
      assert.deepEqual(await store.denials(behind.seq + 1000), { denials: [], seq: behind.seq });
      clock.advance((expiresAt + 3601) * 1000 - clock.nowMs());
      assert.deepEqual(await store.denials(seq), { denials: [], seq: behind.seq });
    },
  },
  {
    name: 'a denial ends an hour after what it denies has expired: a clock set back frees nobody',
    run: async (store, clock) => {
      await store.deny(token);
      clock.advance((expiresAt + 3600) * 1000 - clock.nowMs() - 1);
      assert.equal((await store.denials()).denials.length, 1);
      clock.advance(1);
      assert.equal((await store.denials()).denials.length, 0);
    },
  },
];
