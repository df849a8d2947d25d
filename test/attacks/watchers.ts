/**
 * Row 32 for those who look on: what webhooks are told, what a scraper reads, what receipts and their keys say, and what is said of all of these in events,
 * errors and the configuration as it is shown.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import { fromHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { explain, toJson } from '../../src/gateway/index.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createEvents } from '../../src/server/Events.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { startUpstream } from '../conformance/shop/upstream.ts';
import { type Closing, portOf } from '../gateway/harness.ts';
import { leaks, type Secret, type Trace, traceOf } from './secrets.ts';

const digest = (text: string) => new Uint8Array(createHash('sha256').update(text).digest());
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const [master, hookPath, hookSecret, ofQuery] = [digest('a master'), digest('a path'), digest('what signs'), digest('an API key')];

/** A receiver of events, everything that it was told, and a way to wait for more of it. */
async function openReceiver(closing: Closing) {
  const told: string[] = [];
  let whenTold = () => {};
  let status = 204;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      told.push(JSON.stringify([request.rawHeaders, body]));
      response.writeHead(status).end();
      whenTold();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      whenTold = () => holds() && resolve();
      whenTold();
    });
  return { told, until, port: portOf(server), answer: (next: number) => (status = next) };
}

/** A gateway that tells everybody, and breaks where it is told to, by saying everything that it knows. */
async function open(closing: Closing) {
  const clock = FixedClock.create();
  const [receiver, upstream] = [await openReceiver(closing), await startUpstream()];
  const sandbox = createSandboxNetwork({ clock });
  const store = createMemoryStore({ clock });
  const keys = createRootKeys({ masters: [master], network: 'sandbox', realm: 'main' });
  const events = createEvents();
  const config = createConfig(
    {
      listen: '127.0.0.1:0',
      store: 'memory',
      receipts: 'signed',
      metrics: { listen: '127.0.0.1:0' },
      webhooks: [{ name: 'books', url: `http://127.0.0.1:${receiver.port}/${hex(hookPath)}`, secret: `/dev/null`, allowPrivate: true }],
      services: [{ name: 'api', upstream: upstream.url, routes: [{ path: '/*', price: '10 sat' }] }],
    },
    {},
  );
  const withSecret = { ...config, webhooks: config.webhooks.map((one) => ({ ...one, secret: { kind: 'text', text: hex(hookSecret) } as const })) };
  let broken: string | undefined;
  const node = sandbox.receiver('seller');
  const createInvoice: typeof node.createInvoice = (request) => (broken === undefined ? node.createInvoice(request) : Promise.reject(new Error(broken)));
  const gateway = await createGateway({ config: withSecret, receiver: { ...node, createInvoice }, keys, store, clock, events });
  const { url, metricsUrl = '' } = await gateway.listen();
  // In this order: nobody is to be told by what is gone.
  closing.push(() => sandbox.close(), upstream.close, store.close, gateway.close);
  return { config: withSecret, events, keys, store, sandbox, receiver, url, metricsUrl, breakNode: (words: string) => (broken = words) };
}

/** Registers the test. */
export function testWatchers(closing: Closing): void {
  describe('those who look on', () => {
    test('are told of payments, and nothing that could be spent: webhooks, a scraper, readers of receipts and of the configuration', async () => {
      const { config, events, keys, store, sandbox, receiver, url, metricsUrl, breakNode } = await open(closing);
      const traces: Trace[] = [];
      const secrets: Secret[] = [
        { name: 'the master key', bytes: master },
        { name: 'what receipts are signed with', bytes: keys.receiptSeed(keys.mintingAt(0)) as Uint8Array },
        { name: 'the path of a webhook', bytes: hookPath },
        { name: 'the secret of a webhook', bytes: hookSecret },
        { name: 'what stood in a query', bytes: ofQuery },
      ];
      const note = (where: string, value: unknown) => void traces.push(traceOf(where, value));
      events.on((event) => note('an event', event));
      const isTold = new Promise<void>((resolve) => {
        events.on((event) => {
          if (event.kind === 'trouble' && event.what === 'a webhook') resolve();
        });
      });
      const buy = async (path: string) => {
        const unpaid = await fetch(url + path);
        await unpaid.text();
        const challenge = Challenge.choose(Challenge.parse(unpaid.headers.get('www-authenticate') ?? ''));
        if (!challenge) throw new Error('no challenge');
        const paid = await sandbox.payer('buyer').pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
        if (paid.kind !== 'settled') throw new Error('not paid');
        const macaroon = Macaroon.parse(challenge.token);
        secrets.push({ name: 'a preimage', bytes: fromHex(paid.preimage) as Uint8Array }, { name: 'a signature', bytes: macaroon.signature });
        secrets.push({ name: 'a root key', bytes: keys.derive(keys.mintingAt(0), macaroon.identifier) as Uint8Array });
        const authorization = `L402 ${challenge.token}:${paid.preimage}`;
        const answer = await fetch(url + path, { headers: { authorization } });
        await answer.text();
        note('a receipt', Buffer.from(answer.headers.get('l402-receipt') ?? '', 'base64url').toString());
        note('a receipt', [...answer.headers].flat());
        return authorization;
      };
      const first = await buy(`/a?api_key=${hex(ofQuery)}`);
      await buy(`/a?do=status-500&api_key=${hex(ofQuery)}`);
      await receiver.until(() => receiver.told.length >= 3);
      receiver.answer(500);
      await buy('/b');
      breakNode(`cannot serve ${first} to ?api_key=${hex(ofQuery)}`);
      await (await fetch(`${url}/c?api_key=${hex(ofQuery)}`)).text();
      await receiver.until(() => receiver.told.some((one) => one.includes('alert.raised')));
      // It takes nothing any more: what is said of that is searched as well.
      await isTold;
      note('the webhook', receiver.told);
      note('the metrics', await (await fetch(metricsUrl)).text());
      note('the keys of receipts', await (await fetch(`${url}/.well-known/farebox/receipts.json`)).text());
      note('the configuration', [explain(config), toJson(config)]);
      note('the ledger', await store.ledger({ after: 0, limit: 100 }));
      note('the bookmark', [await store.bookmark('webhook:books')]);
      // The node's own words of its failure are for logs alone, which write them down where they were asked to.
      const told = traces.filter(({ where, text }) => where !== 'an event' || !text.includes("what: 'the node'"));
      expect(leaks(told, secrets)).toEqual([]);
      for (const where of ['the webhook', 'the metrics', 'a receipt', 'the keys of receipts', 'the configuration', 'an event'])
        expect([where, traces.some((trace) => trace.where === where && trace.text.length > 40)]).toEqual([where, true]);
      expect(receiver.told.join()).toContain('payment.earned');
      expect(traces.filter(({ where }) => where === 'an event').some(({ text }) => text.includes('WEBHOOK_FAILED'))).toBe(true);
    });
  });
}
