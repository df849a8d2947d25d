/**
 * A sentiment analyzer that costs 10 sat, on the sandbox of this machine. README.md beside it says what it needs.
 *
 * In a project of your own, `../../src/…` reads `farebox/express`, `farebox/lightning/sandbox`, `farebox/server` and `farebox/store/memory`.
 */
import express from 'express';
import { paywall } from '../../src/adapters/express.ts';
import { createSandboxReceiver } from '../../src/lightning/sandbox.ts';
import { createPaywall, createRootKeys } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { masterKey, sandboxSetting, serve } from '../program.ts';

const receiver = createSandboxReceiver({ ...sandboxSetting(), node: 'sentiment' });
const keys = createRootKeys({ masters: [masterKey('sentiment.key')], network: receiver.network, realm: 'main' });
const farebox = await createPaywall({ keys, receiver, store: createMemoryStore() });

const app = express();
app.post('/sentiment', paywall(farebox, { price: '10 sat', title: 'Sentiment' }), express.json(), (request, response) => {
  const { text = '' } = request.body as { readonly text?: string };
  response.json({ sentiment: /moon|glad|good/.test(text) ? 'positive' : 'negative' });
});
await serve(app, 'A sentiment costs 10 sat (sandbox)');
await receiver.close();
