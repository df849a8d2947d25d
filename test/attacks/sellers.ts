/**
 * A process that sells: the three stands over one paywall and one store, for tests in which several processes sell the same.
 *
 * Arguments: the store's place as JSON, and the upstream's URL. Says `{ urls }` when it is open, and ends with its parent.
 */
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createPaywall } from '../../src/server/Paywall.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { masterKey, type StandName, stands, timeoutMs } from '../conformance/shop/shop.ts';
import { openAt } from '../conformance/stores/Place.ts';
import { countedRoutes } from './countedRoutes.ts';

const [place = '', upstream = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());

const clock = FixedClock.create();
const paywall = await createPaywall({
  keys: createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'test' }),
  receiver: createSandboxNetwork({ clock }).receiver('seller'),
  store: await openAt(JSON.parse(place), clock),
  clock,
  inUseWaitMs: 0,
});
const routes = [{ methods: ['GET'], path: '/a', upstream, options: { price: '50 sat' } }, ...countedRoutes({ url: upstream })];
const urls: Partial<Record<StandName, string>> = {};
for (const name of Object.keys(stands) as StandName[]) urls[name] = (await stands[name]({ paywall, routes, clock, timeoutMs })).url;
process.send?.({ urls });
