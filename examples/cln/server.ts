/**
 * An API that sells into a Core Lightning node: a translation for 50 sat a request, or a list of words for an hour for 40 sat.
 *
 * README.md beside it says what it needs. In a project of your own, `../../src/…` reads `farebox`, `farebox/express`,
 * `farebox/lightning/cln`, `farebox/server` and `farebox/store/sqlite`.
 */
import express from 'express';
import { paywall } from '../../src/adapters/express.ts';
import { Amount } from '../../src/index.ts';
import { createClnReceiver } from '../../src/lightning/cln.ts';
import { createPaywall, createRootKeys, pass, startPruning } from '../../src/server/index.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { kept, masterKey, networkSetting, serve, setting } from '../program.ts';

// The node. The rune makes invoices and cannot spend: whoever breaks in here takes nothing out of it.
const receiver = createClnReceiver({
  url: setting('CLN_URL', 'the address of its clnrest', 'https://127.0.0.1:3010'),
  certificatePath: process.env.CLN_CERTIFICATE,
  runePath: setting('CLN_RUNE', 'the file of a rune that may make and look up invoices'),
  network: networkSetting('CLN_NETWORK'),
});
const { alias } = await receiver.info();

// The paywall: tokens come from the key, and what was used is counted in the store.
const keys = createRootKeys({ masters: [masterKey('cln-server.key')], network: receiver.network, realm: 'main' });
const store = await createSqliteStore({ path: kept('cln-server.db') });
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
await serve(app, `Paid into Core Lightning "${alias}" on ${receiver.network}`);
for (const one of [pruning, farebox, store, receiver]) await one.close();
