import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Macaroon from '../../core/Macaroon.ts';
import { createRootKeys } from '../../server/RootKeys.ts';
import * as AdminToken from './AdminToken.ts';
import { holds, scopes } from './Scope.ts';

const now = 1_800_000_000;
const keys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: 'sandbox', realm: 'main' });
const mint = (wishes: AdminToken.AdminTokenWishes) => AdminToken.mint(keys, keys.mintingAt(now), new Uint8Array(16).fill(2), wishes);

const label = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/);
const operation = fc.constantFrom('routes.list', 'routes.change', 'health.show', 'audit.list');
const wishes = fc.record({
  label,
  scope: fc.constantFrom(...scopes),
  expiresAt: fc.integer({ min: now + 1, max: now + 1_000_000 }),
  operations: fc.option(fc.uniqueArray(operation, { minLength: 1 }), { nil: undefined }),
});

test('what a token is made for, it grants', () => {
  fc.assert(
    fc.property(wishes, (wished) => {
      const grant = AdminToken.read(keys, mint(wished), now);
      expect(grant).toEqual({
        id: '02'.repeat(16),
        label: wished.label,
        scope: wished.scope,
        expiresAt: wished.expiresAt,
        operations: wished.operations && new Set(wished.operations),
      });
    }),
  );
});

test('however often a token is narrowed, it never grants more than before', () => {
  fc.assert(
    fc.property(
      wishes,
      fc.array(
        fc.record(
          {
            label,
            scope: fc.constantFrom(...scopes),
            expiresAt: fc.integer({ min: now + 1, max: now + 2_000_000 }),
            operations: fc.uniqueArray(operation, { minLength: 1 }),
          },
          { requiredKeys: [] },
        ),
        { maxLength: 5 },
      ),
      (wished, steps) => {
        let token = mint(wished);
        let before = AdminToken.read(keys, token, now) as AdminToken.AdminGrant;
        for (const step of steps) {
          token = AdminToken.narrow(token, step);
          const after = AdminToken.read(keys, token, now) as AdminToken.AdminGrant;
          expect(after.id).toBe(before.id);
          expect(holds(before.scope, after.scope)).toBe(true);
          expect(after.expiresAt).toBeLessThanOrEqual(before.expiresAt);
          const { operations } = before;
          if (operations) expect([...(after.operations ?? ['everything'])].every((one) => operations.has(one))).toBe(true);
          before = after;
        }
      },
    ),
  );
});

test('whatever is read grants nothing where it was not made here, and throws nothing', () => {
  const good = mint({ label: 'a', scope: 'admin', expiresAt: now + 60 });
  const bytes = Macaroon.encode(Macaroon.parse(good));
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (place, flip) => {
      const altered = bytes.with(place, (bytes[place] as number) ^ flip);
      const grant = AdminToken.read(keys, Buffer.from(altered).toString('base64url'), now);
      // The location is a hint that no signature covers.
      const isHint = place >= 3 && place < 3 + 'farebox-admin'.length;
      if (!isHint) expect(grant).toBeUndefined();
    }),
  );
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (text) => AdminToken.read(keys, text, now) === undefined));
});

test('a caveat that says something else than one of ours refuses the token', () => {
  const good = Macaroon.parse(mint({ label: 'a', scope: 'admin', expiresAt: now + 60 }));
  for (const caveat of [
    'scope=root',
    'scope = read',
    'expires=soon',
    'expires=',
    'operation=',
    'operation=routes',
    'label=',
    'label=a b',
    'time<2030',
    '',
    'SCOPE=read',
  ]) {
    const token = Macaroon.format(Macaroon.attenuate(good, [caveat]));
    expect([caveat, AdminToken.read(keys, token, now)]).toEqual([caveat, undefined]);
  }
});

test('keys of another network, another realm or another ring open nothing', () => {
  const token = mint({ label: 'a', scope: 'admin', expiresAt: now + 60 });
  for (const other of [
    createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: 'bitcoin', realm: 'main' }),
    createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: 'sandbox', realm: 'other' }),
    createRootKeys({ masters: [new Uint8Array(32).fill(3)], network: 'sandbox', realm: 'main' }),
  ])
    expect(AdminToken.read(other, token, now)).toBeUndefined();
});
