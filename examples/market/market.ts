/**
 * A market in one process: a sandbox network of play money, sellers with a paywall in front of each of their routes, and wallets.
 *
 * In a project of your own, `../../src/…` reads `farebox/express`, `farebox/lightning/sandbox`, `farebox/server` and `farebox/store/memory`.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { paywall } from '../../src/adapters/express.ts';
import { Amount } from '../../src/index.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createPaywall, createRootKeys, pass } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

/** What somebody sells. */
export type Route = {
  readonly method?: 'get' | 'post';
  /** As Express has it, such as `/articles/:name`. */
  readonly path: string;
  readonly title: string;
  /** Such as `"10 sat"`; undefined: free. */
  readonly price?: string;
  /** One payment buys this path for so long; without it, one answer. */
  readonly lastsSeconds?: number;
  /** The answer, from the path's words and the body. */
  readonly answer: (asked: { readonly [name: string]: unknown }) => unknown;
};

/** Opens a market; `close` ends it. */
export function openMarket() {
  const network = createSandboxNetwork();
  const servers: Server[] = [];
  /** Puts a seller into the market; the answer is its address. The money goes to the node of that name. */
  const open = async (name: string, routes: readonly Route[]): Promise<string> => {
    const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: 'sandbox', realm: name });
    const farebox = await createPaywall({ keys, receiver: network.receiver(name), store: createMemoryStore() });
    const app = express();
    for (const { method = 'get', path, title, price, lastsSeconds, answer } of routes) {
      const terms = lastsSeconds === undefined ? {} : { terms: pass({ seconds: lastsSeconds }) };
      // The paywall first: it has to see a body as it was sent.
      if (price !== undefined) app[method](path, paywall(farebox, { price, title, ...terms }));
      app[method](path, express.json(), (request, response) => void response.json(answer({ ...request.params, ...request.body })));
    }
    const server = createServer(app).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  return {
    open,
    /** A wallet with so much in it. */
    wallet: (name: string, sat: number) => network.payer(name, { openingMsat: Amount.fromSat(sat) }),
    /** What a node has been paid, in words. */
    earned: async (name: string): Promise<string> => {
      const { nodes } = await network.audit();
      return Amount.format(nodes.find((node) => node.name === name)?.receivedMsat ?? Amount.zero);
    },
    close: async (): Promise<void> => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
      await network.close();
    },
  };
}
