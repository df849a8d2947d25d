/**
 * What a credential for a tool call is good for: the tool and the arguments that were paid, in any spelling that JSON has for them, and nothing else.
 *
 * @see RFC 8785
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { offerOf, openToolShop, type Result, type ToolShop } from '../../test/mcp/toolShop.ts';
import * as Messages from './Messages.ts';
import { createTill, type Ruling, type Till } from './Till.ts';
import * as ToolPayment from './ToolPayment.ts';

let shop: ToolShop;
let till: Till;
beforeAll(async () => {
  shop = await openToolShop();
  till = createTill({ farebox: shop.farebox, prices: { '*': '1 sat' }, clock: shop.clock });
});
afterAll(() => shop.close());

/** Asks as a message does; what was let through is given back at once, so that one credential can be tried on many calls. */
async function ask(tool: string, args: ToolPayment.JsonObject, credential?: string): Promise<Ruling> {
  const offer = till.offerOf(tool);
  if (!offer) throw new Error('not sold');
  const _meta = credential === undefined ? {} : { [ToolPayment.paymentKey]: { scheme: 'l402', proof: credential } };
  const call = Messages.readCall({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args, _meta } }, undefined, true);
  const ruling = await till.decide(offer, { ...call, clientAddress: '' }, { isStructured: true, takesArgument: true });
  if (ruling.kind === 'go') await ruling.sale?.unanswered('upstream');
  return ruling;
}

async function buy(tool: string, args: ToolPayment.JsonObject): Promise<string> {
  const ruling = await ask(tool, args);
  if (ruling.kind !== 'answer') throw new Error(`not asked to pay: ${ruling.kind}`);
  const { token, invoice } = offerOf(ruling.result as unknown as Result);
  return `${token}:${await shop.pay(invoice)}`;
}

const names = fc.oneof(
  fc.constantFrom('a', 'b', '1', '10', '__proto__', 'toJSON', 'constructor', 'é', '😀', ''),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
);
const leaves = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, -1, 0.1, 1e21, 1e-7, '', '0', '1', 'null', 'true', '[]', '{}', '\u0000', '"', '\\', '\u2028'),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaves, fc.array(tie('value'), { maxLength: 3 }), objects(tie('value'))),
}));
const args = objects(values) as fc.Arbitrary<ToolPayment.JsonObject>;

/** As JSON.parse makes them, so that a member may be called anything. */
function objects(of: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const text = (value: unknown): string => JSON.stringify(value);
  const entries = fc.uniqueArray(fc.tuple(names, of), { maxLength: 4, selector: ([name]) => name });
  return entries
    .filter((list) => list.every(([name]) => name !== ToolPayment.credentialArgument))
    .map((list) => JSON.parse(`{${list.map(([name, value]) => `${text(name)}:${text(value)}`).join(',')}}`) as unknown);
}

/** Arguments, and others that differ from them in one place, or by little. */
const pairs = args.chain((one) =>
  fc.tuple(
    fc.constant(one),
    fc.oneof(
      args,
      fc.tuple(names, values).map(([name, value]) => JSON.parse(JSON.stringify({ ...one, [`${name}`]: value })) as ToolPayment.JsonObject),
      fc.constantFrom(...Object.keys(one), 'a').map((name) => Object.fromEntries(Object.entries(one).filter(([other]) => other !== name))),
      fc.constant({ a: one }),
      fc.constant(Object.fromEntries(Object.entries(one).map(([name, value]) => [name, String(value)]))),
      fc.constant(Object.fromEntries(Object.entries(one).map(([name, value]) => [name, [value]]))),
    ),
  ),
);

/** The same value by the rules of JSON: -0 is 0, and the order of members says nothing. */
const isSame = (one: unknown, other: unknown) => isDeepStrictEqual(plain(one), plain(other));
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value), (_, part: unknown) => (part === 0 ? 0 : part));

/** Another text for the same value: members in another order, blanks, escapes. */
function respelt(value: unknown, turn: number): string {
  if (Array.isArray(value)) return `[ ${value.map((part) => respelt(part, turn)).join(' ,\n')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([name, part]) => `${respelt(name, turn)}\t: ${respelt(part, turn)}`);
    return `{ ${[...members.slice(turn % (members.length || 1)), ...members.slice(0, turn % (members.length || 1))].reverse().join(',')} }`;
  }
  if (typeof value === 'string') return `"${[...Array(value.length).keys()].map((at) => `\\u${value.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0e0` : JSON.stringify(value);
}

const runs = { numRuns: 60 };

test('no credential for some arguments passes for others', async () => {
  await fc.assert(
    fc.asyncProperty(pairs, async ([bought, asked]) => {
      const credential = await buy('a', bought);
      expect((await ask('a', asked, credential)).kind).toBe(isSame(bought, asked) ? 'go' : 'answer');
    }),
    runs,
  );
});

test('arguments that differ only in how JSON is written are the same', async () => {
  await fc.assert(
    fc.asyncProperty(args, fc.nat(5), async (bought, turn) => {
      const credential = await buy('a', bought);
      expect((await ask('a', JSON.parse(respelt(bought, turn)) as ToolPayment.JsonObject, credential)).kind).toBe('go');
    }),
    runs,
  );
});

test('no credential for one tool passes for another, whatever their names', async () => {
  const tools = fc.oneof(
    fc.constantFrom('a', 'a/b', 'a%2Fb', 'a*', '*', '/*', '.', '..', '{}', 'A', 'a ', 'é', 'e\u0301', '#', '?x', 'a:b', 'a=b', 'a,b'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
  );
  await fc.assert(
    fc.asyncProperty(tools, tools, args, async (bought, asked, given) => {
      const credential = await buy(bought, given);
      expect((await ask(asked, given, credential)).kind).toBe(bought === asked ? 'go' : 'answer');
    }),
    runs,
  );
});
