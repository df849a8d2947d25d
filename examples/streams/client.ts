/**
 * Sells an hour of ticks as `farebox.yaml` says, buys it, and takes three of them over a WebSocket and two as events: in one process, with play money.
 *
 * In a project of your own, `../../src/…` reads `farebox`, `farebox/client`, `farebox/gateway`, `farebox/lightning/sandbox`, `farebox/server` and
 * `farebox/store/memory`.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { createClient, createMemoryClientStore, payInvoice } from '../../src/client/index.ts';
import { createGateway, parseConfig } from '../../src/gateway/index.ts';
import { Amount, Challenge, Credential } from '../../src/index.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { openTicks } from './ticks.ts';

const network = createSandboxNetwork();
const ticks = await openTicks();

// The gateway, on a port of the system's.
const file = new URL('farebox.yaml', import.meta.url);
const text = readFileSync(file, 'utf8').replace('http://localhost:3000', ticks.url);
const gateway = await createGateway({
  config: parseConfig(`${text}listen: 127.0.0.1:0\n`, { file: 'farebox.yaml', folder: '.', environment: {} }),
  receiver: network.receiver('seller'),
  keys: createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: 'sandbox', realm: 'main' }),
  store: createMemoryStore(),
});
const { url } = await gateway.listen();

try {
  // Asked without a payment, a WebSocket is answered as everything else is: 402 with a challenge.
  const unpaid = await fetch(`${url}/live/socket`);
  const challenge = Challenge.choose(Challenge.parse(unpaid.headers.get('www-authenticate') ?? ''));
  if (challenge === undefined) throw new RangeError(`${url} asks for no payment: ${unpaid.status}`);
  const payer = network.payer('listener', { openingMsat: Amount.fromSat(1000) });
  const client = createClient({ payer, store: createMemoryClientStore(), maxPerRequest: '110 sat', maxTotal: '110 sat' });
  const { payment } = await payInvoice(client, challenge.invoice);
  if (payment.preimage === undefined) throw new RangeError('The payment has no proof.');
  const authorization = Credential.format({ scheme: 'L402', token: challenge.token, preimage: payment.preimage });

  // The credential goes into the handshake, as into any request.
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live/socket`, { headers: { authorization } });
  for (let count = 0; count < 3; count++) console.log(`over a WebSocket: ${(await once(socket, 'message'))[0]}`);
  socket.close();

  // A pass is good for any number of requests: the same one opens the stream of events.
  const events = await fetch(`${url}/live/events`, { headers: { authorization, 'last-event-id': '41' } });
  let heard = '';
  for await (const chunk of (events.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    heard += chunk;
    if (heard.split('\n\n').length > 2) break;
  }
  for (const event of heard.split('\n\n').slice(0, 2)) console.log(`as an event: ${event.split('data: ')[1]}`);
} finally {
  await gateway.close();
  await ticks.close();
  await network.close();
}
