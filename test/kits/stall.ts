/**
 * A paid API behind a real gateway on a sandbox of its own, and an agent's tools that buy there.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient, type PayingClient } from '../../src/client/index.ts';
import { type AgentTool, createAgentTools } from '../../src/client/tools.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

/** See the head of this file. */
export type Stall = {
  /** 10 sat a request. */
  readonly url: string;
  readonly client: PayingClient;
  readonly tools: readonly AgentTool[];
  /** How many requests have come to the API itself: each was paid for. */
  readonly served: () => number;
  readonly close: () => Promise<void>;
};

/** Opens one. The agent may spend 20 sat a call. */
export async function openStall(): Promise<Stall> {
  let served = 0;
  const upstream = createServer((request, response) => {
    served++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ translation: 'hola', asked: request.url }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => upstream.once('listening', resolve));
  const sandbox = createSandboxNetwork();
  const store = createMemoryStore();
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
  const routes = [{ path: '/*', price: '10 sat' }];
  const services = [{ name: 'api', title: 'Translation', upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, routes }];
  const config = createConfig({ listen: '127.0.0.1:0', store: 'memory', services });
  const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store });
  const { url } = await gateway.listen();
  const client = createClient({ payer: sandbox.payer('agent'), maxPerRequest: '20 sat', maxTotal: '100 sat' });
  return {
    url: `${url}/v1/translate?text=hello`,
    client,
    tools: createAgentTools({ client, allowPrivate: [new URL(url).host] }),
    served: () => served,
    close: async () => {
      await client.close();
      await gateway.close();
      await store.close();
      await sandbox.close();
      upstream.closeAllConnections();
      await new Promise((resolve) => upstream.close(resolve));
    },
  };
}
