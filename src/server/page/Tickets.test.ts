import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as Macaroon from '../../core/Macaroon.ts';
import type { RequestView } from '../../http/RequestView.ts';
import { create as createOffer } from '../Offer.ts';
import { fixed } from '../Price.ts';
import { createRootKeys } from '../RootKeys.ts';
import { bucket } from '../terms/Bucket.ts';
import { pass } from '../terms/Pass.ts';
import { perRequest } from '../terms/PerRequest.ts';
import type { Terms } from '../terms/Terms.ts';
import * as Tickets from './Tickets.ts';

const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
const target = { path: '/', query: '', authority: undefined };
const invoice = 'lnbcrt50n1p4ska';

/** A token that was minted here. */
function mint(number = 0): string {
  const identifier = new Uint8Array(66);
  identifier.set(Buffer.from(keys.mintingAt(0), 'hex'), 34);
  identifier.set([0x70, 0, 0, number, ...new Uint8Array(23), number], 38);
  return Macaroon.format(Macaroon.mint(keys.derive(keys.mintingAt(0), identifier) as Uint8Array, identifier, ['services=api:0']));
}

function showing(cookies: readonly string[], host = 'a.example'): RequestView {
  const headerLines = (name: string) => (name === 'cookie' ? cookies : []);
  return {
    method: 'GET',
    target: '/',
    clientAddress: '',
    header: (name) => (name === 'host' ? host : undefined),
    headerLines,
    readBody: async () => undefined,
  };
}

const nameOf = (number: number) => Tickets.nameOf('api', mint(number));
const read = (value: string, host?: string) => Tickets.read(keys, showing([value], host), target, 'api');

test('what was written is read, among other cookies, and those that were paid come first', () => {
  const waits = Tickets.format(keys, 'a.example', { token: mint(1), invoice });
  const paid = Tickets.format(keys, 'a.example', { token: mint() });
  const found = read(`theme="dark"; ${nameOf(1)}=${waits};${nameOf(0)}=${paid} ; farebox_other_7000000000000000=${paid}`);
  expect(found.map((ticket) => [ticket.text, ticket.invoice])).toEqual([
    [mint(), undefined],
    [mint(1), invoice],
  ]);
  expect(read(`${nameOf(0)}=${paid}`, 'b.example')).toEqual([]);
});

test('each has a name of its own, and of more than four the newest are read', () => {
  const numbers = [3, 1, 6, 0, 5, 2, 4];
  const cookies = numbers.map((number) => `${nameOf(number)}=${Tickets.format(keys, 'a.example', { token: mint(number), invoice })}`);
  expect(read(cookies.join('; ')).map(({ name }) => name)).toEqual([6, 5, 4, 3].map(nameOf));
  expect(nameOf(6)).toBe('farebox_api_7000000600000006');
  const value = Tickets.format(keys, 'a.example', { token: mint(), invoice });
  for (const name of ['farebox_api', 'farebox_api_', 'farebox_api_7000', 'farebox_ap_7000000000000000', 'farebox_api_x_7000000000000000'])
    expect(read(`${name}=${value}`)).toEqual([]);
});

test('nothing that a client can write is read as a ticket, or throws', () => {
  const good = Tickets.format(keys, 'a.example', { token: mint(), invoice }) as string;
  const spoilt = fc.tuple(fc.nat(good.length - 1), fc.constantFrom(...'AZaz09-_.=')).map(([at, sign]) => good.slice(0, at) + sign + good.slice(at + 1));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        spoilt,
        fc.base64String().map((text) => `p.${text}`),
      ),
      (value) => {
        // Two spellings of the last digit of a seal are the same bytes.
        fc.pre(value.slice(0, -1) !== good.slice(0, -1));
        expect(read(`${nameOf(0)}=${value}`)).toEqual([]);
      },
    ),
  );
});

describe('a browser sends it to what its token opens', () => {
  const offer = (terms: Terms, pattern: string | undefined) => createOffer({ service: 'api', route: 'r', price: fixed(1000n as never), terms, pattern });
  const hour = pass({ seconds: 3600 });
  const cases: readonly {
    readonly terms: Terms;
    readonly pattern: string | undefined;
    readonly path: string;
    readonly sent: string;
    readonly asked?: string;
  }[] = [
    { terms: hour, pattern: '/articles/first', path: '/articles/first', sent: '/articles/first' },
    { terms: hour, pattern: '/articles/*', path: '/articles/first', sent: '/articles/' },
    { terms: hour, pattern: '/users/{}/orders', path: '/users/1/orders', sent: '/users/' },
    { terms: hour, pattern: undefined, path: '/made/by/adapters', sent: '/made/by/adapters' },
    { terms: hour, pattern: '/a;b', path: '/a;b', sent: '/' },
    { terms: hour, pattern: '/a', path: '/a', sent: '/', asked: '/%61' },
    { terms: perRequest(), pattern: '/articles/*', path: '/articles/first', sent: '/articles/first' },
    { terms: bucket({ units: 5, servicePriceMsat: 5000n as never }), pattern: '/articles/*', path: '/articles/first', sent: '/' },
  ];
  test.each(cases)('$pattern: $sent', ({ terms, pattern, path, sent, asked = path }) => {
    expect(Tickets.pathOf(offer(terms, pattern), `${asked}?x=1`, path)).toBe(sent);
  });
});
