/**
 * An Express app with a price on one route, on the sandbox. Run it (`npm run -s example -- express`) and buy from it with
 * `farebox get http://127.0.0.1:3000/api/v1/translate --max "60 sat"`, with `farebox sandbox` running.
 */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { paywall } from '../src/adapters/express.ts';
import { createSandboxReceiver } from '../src/lightning/sandbox.ts';
import { createPaywall, createRootKeys } from '../src/server/index.ts';
import { createMemoryStore } from '../src/store/memory.ts';

const home = process.env.FAREBOX_HOME ?? join(homedir(), '.farebox');
const sandbox = JSON.parse(readFileSync(join(home, 'sandbox.json'), 'utf8')) as { url: string; token: string };
const receiver = createSandboxReceiver({ ...sandbox, node: 'express' });
const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: receiver.network, realm: 'main' });
const farebox = await createPaywall({ keys, receiver, store: createMemoryStore() });

const app = express();
app.get('/api/v1/translate', paywall(farebox, { price: '50 sat', title: 'Translation API' }), (_, response) => {
  response.json({ translation: 'hola', source: 'en', target: 'es' });
});
app.listen(3000, '127.0.0.1', () => console.log('http://127.0.0.1:3000/api/v1/translate costs 50 sat (sandbox)'));
