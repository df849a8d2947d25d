/**
 * A stall for tests of the adapters: one engine on an in-process sandbox, behind whatever app the test brings, with a clock that stands
 * still, a wallet that pays and a client that speaks over a raw socket where it has to.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import * as Amount from '../../src/core/Amount.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import type { PaywallEvent } from '../../src/server/Events.ts';
import { createPaywall, type Paywall } from '../../src/server/Paywall.ts';
import type { PaywallOptions } from '../../src/server/PaywallOptions.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';

export type Ask = { readonly method?: string; readonly headers?: { readonly [name: string]: string | string[] }; readonly body?: string };
export type Got = {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly lines: readonly string[];
  readonly body: string;
  readonly whole: boolean;
};

export type Stall = {
  readonly paywall: Paywall;
  readonly clock: FixedClock.FixedClock;
  /** How many timers are set, beyond those by which the paywall follows what is revoked. */
  readonly timers: () => number;
  readonly store: Store;
  /** What the paywall told, `released <reason>` and `refused <code>` with their word. */
  readonly told: readonly string[];
  readonly troubles: readonly unknown[];
  /** Serves a Node handler (an Express app) or a Hono app; the answer is its address. */
  readonly open: (app: RequestListener | Hono) => Promise<string>;
  readonly buy: (url: string, ask?: Ask) => Promise<{ readonly authorization: string; readonly token: string; readonly preimage: string }>;
  readonly ended: (kind: string, count?: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function openStall(overrides: Partial<PaywallOptions> = {}, change: (store: Store) => Store = (store) => store): Promise<Stall> {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const store = change(createMemoryStore({ clock }));
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
  const paywall = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, inUseWaitMs: 0, ...overrides });
  const idle = clock.timers();
  const payer = sandbox.payer('buyer');
  const told: string[] = [];
  const troubles: unknown[] = [];
  const listeners = new Set<() => void>();
  paywall.events.on((event: PaywallEvent) => {
    if (event.kind === 'trouble') troubles.push(event.error);
    told.push(event.kind === 'released' ? `released ${event.reason}` : event.kind === 'refused' ? `refused ${event.code}` : event.kind);
    for (const listener of [...listeners]) listener();
  });
  const closing: (() => Promise<unknown>)[] = [];
  return {
    paywall,
    clock,
    timers: () => clock.timers() - idle,
    store,
    told,
    troubles,
    open: async (app) => {
      const server = ('fetch' in app ? serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) : createServer(app).listen(0, '127.0.0.1')) as Server;
      if (!server.listening) await once(server, 'listening');
      closing.push(() => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      });
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    buy: async (url, ask) => {
      const unpaid = await get(url, ask);
      const challenge = Challenge.choose(Challenge.parse(unpaid.lines));
      if (!challenge) throw new Error(`no challenge: ${unpaid.status} ${unpaid.body}`);
      const paid = await payer.pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(`not paid: ${paid.kind}`);
      return { authorization: `L402 ${challenge.token}:${paid.preimage}`, token: challenge.token, preimage: paid.preimage };
    },
    ended: (kind, count = 1) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (told.filter((one) => one === kind).length < count) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    close: async () => {
      for (const end of closing) await end();
      await paywall.close();
      await store.close();
      await sandbox.close();
    },
  };
}

/** Sends a request and reads its answer to the end, or to where it broke off; rejects where the answer cannot be read as HTTP. */
export function get(url: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', () => {});
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          lines: response.headersDistinct['www-authenticate'] ?? [],
          body: Buffer.concat(chunks).toString(),
          whole: response.complete,
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A connection that says exactly what it is told. */
export async function raw(url: string, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.write(text);
  return socket;
}

/** Lets every step that is under way come to rest. Sockets of one process need a few turns of the loop. */
export async function rest(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

export const paid = (authorization: string, more: Ask = {}): Ask => ({ ...more, headers: { ...more.headers, authorization } });
