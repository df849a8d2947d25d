/**
 * Row 21 over sockets, with a server that is away: killed, or there and silent. What is used up is neither served nor forwarded on a guess, nothing is
 * sold that would not be served, passes go on where their route says so, for a minute; and when it is back everything is as good as it was, once.
 */
import { expect, test } from 'vitest';
import type { Clock } from '../../../src/core/Clock.ts';
import { bucket } from '../../../src/server/terms/Bucket.ts';
import { pass } from '../../../src/server/terms/Pass.ts';
import * as Books from '../../../src/store/Books.ts';
import type { Store } from '../../../src/store/Store.ts';
import { type Ask, type Bought, type Got, openShop, type Shop } from '../../conformance/shop/shop.ts';
import type { StandRoute } from '../../conformance/shop/stands.ts';
import { answerText } from '../../conformance/shop/upstream.ts';
import { until } from '../lnd/Nodes.ts';

/** A server that can be away. */
type Server = { readonly kill: () => Promise<void>; readonly start: () => Promise<void>; readonly hold: (isHeld: boolean) => void };

/** How it is away, and how it comes back. */
const absences = {
  killed: { leave: (server: Server) => server.kill(), comeBack: (server: Server) => server.start() },
  silent: { leave: async (server: Server) => server.hold(true), comeBack: async (server: Server) => server.hold(false) },
} as const;

/** What is counted asks the store in any case, since its routes say that passes are served meanwhile. */
const sold = {
  single: { outage: 'passes-only' },
  pail: { outage: 'passes-only', terms: bucket({ units: 3 }) },
  dear: { outage: 'passes-only', terms: bucket({ units: 3 }), consume: 'on-request' },
  shut: {},
  club: { terms: pass({ seconds: 86_400 }) },
  steady: { outage: 'passes-only', terms: pass({ seconds: 86_400 }) },
} as const satisfies { readonly [service: string]: Omit<StandRoute['options'], 'price'> };
type Ware = keyof typeof sold;
const wares = Object.keys(sold) as Ware[];

const routes = ({ url }: { readonly url: string }): readonly StandRoute[] =>
  wares.map((service) => ({ methods: ['GET'], path: `/${service}`, upstream: url, options: { price: '50 sat', service, ...sold[service] } }));

const codeOf = ({ status, body }: Got) => (status < 400 ? '' : (JSON.parse(body) as { readonly code?: string }).code);

/** Tests the store of a server. @param open - a new store there, which does not wait for long */
export function testAway(serverOf: () => Server, open: (clock: Clock) => Promise<Store>): void {
  test.each(Object.keys(absences) as (keyof typeof absences)[])('a store whose server is %s is never read as "allowed"', async (how) => {
    const server = serverOf();
    const shop = await openShop('gateway', {}, { store: open, routes });
    let isAway = false;
    try {
      const bought = Object.fromEntries(await Promise.all(wares.map(async (ware) => [ware, await shop.buy(`/${ware}`)] as const))) as Record<Ware, Bought>;
      const paid = (ware: Ware, more: { readonly [name: string]: string } = {}): Ask => ({ headers: { authorization: bought[ware].authorization, ...more } });
      for (const ware of ['pail', 'club', 'steady'] as const) expect((await shop.get(`/${ware}`, paid(ware))).status).toBe(200);

      const underWay = shop.get('/single?do=hold', paid('single'));
      await shop.upstream.sees(4);
      isAway = true;
      await absences[how].leave(server);
      shop.upstream.release();
      const got = await underWay;
      expect([got.status, codeOf(got), got.body.includes(answerText)]).toEqual([503, 'STORE_UNAVAILABLE', false]);

      await passing(shop, 'it is seen to be away', async () => (await shop.get('/club', paid('club'))).status === 503);
      const [seen, invoices] = [shop.upstream.seen.length, shop.invoices()];
      const named = { 'idempotency-key': 'mine' };
      const asks: readonly (readonly [Ware, Ask?])[] = [
        ...wares.filter((ware) => ware !== 'steady').map((ware) => [ware, paid(ware)] as const),
        ['pail', paid('pail', named)],
        ['dear', paid('dear', named)],
        ['shut'],
        ['club'],
      ];
      const refused = await Promise.all(asks.map(async ([ware, ask]) => [ware, await shop.get(`/${ware}`, ask)] as const));
      for (const [ware, one] of refused) expect([ware, one.status, codeOf(one), one.lines]).toEqual([ware, 503, 'STORE_UNAVAILABLE', []]);
      expect([shop.upstream.seen.length, shop.invoices()]).toEqual([seen, invoices]);
      expect((await shop.get('/steady', paid('steady'))).status).toBe(200);
      shop.clock.advance(61_000);
      expect(codeOf(await shop.get('/steady', paid('steady')))).toBe('STORE_UNAVAILABLE');

      await absences[how].comeBack(server);
      isAway = false;
      // Whatever was set aside without anybody's hearing of it comes back with its lease.
      shop.clock.advance(31_000);
      await passing(shop, 'it is seen to be back', async () => (await shop.get('/club', paid('club'))).status === 200);
      // What may have been spent for the answer that did not go out is given back within a second, and is good for one.
      await passing(shop, 'what was under way is good again', async () => (await shop.get('/single', paid('single'))).status === 200);
      const left = [];
      for (const ware of ['single', 'pail', 'dear', 'shut'] as const) left.push(`${ware} ${await rest(shop, ware, paid(ware))}`);
      expect(left).toEqual(['single 0', 'pail 2', 'dear 3', 'shut 1']);
      expect((await Books.verify(shop.store.audit())).discrepancies).toEqual([]);
    } finally {
      if (isAway) await absences[how].comeBack(server);
      await shop.close();
    }
  });
}

/** Asks until it is so, while time goes on. */
function passing(shop: Shop, what: string, isSo: () => Promise<boolean>): Promise<void> {
  return until(what, async () => {
    shop.clock.advance(200);
    return isSo();
  });
}

/** How often it is still served. What is set aside for a moment is waited for. */
async function rest(shop: Shop, ware: Ware, ask: Ask): Promise<number> {
  let served = 0;
  await passing(shop, `${ware} is used up`, async () => {
    const got = await shop.get(`/${ware}`, ask);
    if (got.status === 200) served += 1;
    return codeOf(got) === 'CREDENTIAL_USED';
  });
  return served;
}
