/**
 * An API that sells into an lnd node: a translation for 50 sat a request, or a list of words for an hour for 40 sat.
 *
 * README.md beside it says what it needs. In a project of your own, `../../src/…` reads `farebox`, `farebox/express`,
 * `farebox/lightning/lnd`, `farebox/server` and `farebox/store/sqlite`.
 */
import express from 'express';
import { paywall } from '../../src/adapters/express.ts';
import { Amount } from '../../src/index.ts';
import { createLndReceiver } from '../../src/lightning/lnd.ts';
import { createPaywall, createRootKeys, pass, startPruning } from '../../src/server/index.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { kept, masterKey, networkSetting, serve, setting } from '../program.ts';

// The node. The macaroon makes invoices and cannot spend: whoever breaks in here takes nothing out of it.
const receiver = createLndReceiver({
  url: setting('LND_URL', 'the REST address of the node', 'https://127.0.0.1:8080'),
  certificatePath: process.env.LND_CERTIFICATE,
  macaroonPath: setting('LND_MACAROON', 'the file of a macaroon that may make and look up invoices'),
  network: networkSetting('LND_NETWORK'),
});
const { alias } = await receiver.info();

// The paywall: tokens come from the key, and what was used is counted in the store.
const keys = createRootKeys({ masters: [masterKey('lnd-server.key')], network: receiver.network, realm: 'main' });
const store = await createSqliteStore({ path: kept('lnd-server.db') });
const pruning = startPruning(store, console.error);
const farebox = await createPaywall({ keys, receiver, store });
farebox.events.on((event) => {
  if (event.kind === 'charged') console.log(`sold ${event.route} for ${Amount.format(event.amountMsat)}`);
  if (event.kind === 'trouble') console.error(`trouble with ${event.what}:`, event.error);
});

// The API, with a price in front of each route.
const app = express();
app.get('/api/v1/translate', paywall(farebox, { price: '50 sat', title: 'Translation API' }), (_, response) => {
  response.json({ translation: 'hola', source: 'en', target: 'es' });
});
app.get('/api/v1/words', paywall(farebox, { price: '40 sat', title: 'Words', terms: pass({ seconds: 3600 }) }), (_, response) => {
  response.json({ hello: 'hola', bread: 'pan', water: 'agua' });
});
await serve(app, `Paid into lnd "${alias}" on ${receiver.network}`);
for (const one of [pruning, farebox, store, receiver]) await one.close();
