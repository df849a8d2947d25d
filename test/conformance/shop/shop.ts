/**
 * A shop for tests: one engine on an in-process sandbox, behind one of the three stands, with an upstream that does as it is told, a clock
 * that stands still and a wallet that pays.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect as connectHttp2, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import * as Amount from '../../../src/core/Amount.ts';
import * as Challenge from '../../../src/core/Challenge.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import type { Preimage } from '../../../src/core/Preimage.ts';
import type { Receiver } from '../../../src/lightning/Lightning.ts';
import { createSandboxNetwork, type Sandbox } from '../../../src/lightning/sandbox.ts';
import { createPaywall, type Paywall } from '../../../src/server/Paywall.ts';
import type { PaywallOptions } from '../../../src/server/PaywallOptions.ts';
import type { Price } from '../../../src/server/Price.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import { pass } from '../../../src/server/terms/Pass.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { expressStand, gatewayStand, honoStand, type Stand, type StandOptions, type StandRoute } from './stands.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** The stands that every case runs behind. */
export const stands = { gateway: gatewayStand, express: expressStand, hono: honoStand } as const satisfies {
  [name: string]: (options: StandOptions) => Promise<Stand>;
};

export type StandName = keyof typeof stands;

/** A stand and what is spoken to it; HTTP/1.1, where nothing is said. */
export type ShopName = StandName | 'gateway over HTTP/2';

/** An HTTP answer, whole. */
export type Got = {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly lines: readonly string[];
  readonly body: string;
  readonly whole: boolean;
};

/** A paid credential. */
export type Bought = {
  readonly macaroon: Macaroon.Macaroon;
  readonly token: string;
  readonly preimage: Preimage;
  readonly invoice: string;
  readonly authorization: string;
};

export type Ask = { readonly method?: string; readonly headers?: { readonly [name: string]: string | string[] }; readonly body?: string };

/** See the head of this file. */
export type Shop = {
  readonly url: string;
  /** Whether it is spoken to over HTTP/2. */
  readonly isHttp2: boolean;
  readonly paywall: Paywall;
  readonly clock: FixedClock.FixedClock;
  readonly sandbox: Sandbox;
  readonly store: Store;
  readonly upstream: Upstream;
  /** Sends a request and reads its answer to the end, or to where it broke off. */
  readonly get: (path: string, ask?: Ask) => Promise<Got>;
  /** Sends a request and hangs up when `when` resolves. */
  readonly leave: (path: string, ask: Ask, when: 'seen' | 'headed') => Promise<void>;
  /** Asks unpaid, pays the invoice, and returns the credential. */
  readonly buy: (path: string, ask?: Ask) => Promise<Bought>;
  /** Pays the challenge of an answer. */
  readonly pay: (unpaid: Pick<Got, 'status' | 'lines' | 'body'>) => Promise<Bought>;
  /** How many invoices were made. */
  readonly invoices: () => number;
  /** What the paywall has asked of the store since the shop was opened, in order: `claim`, `commit` and so on. */
  readonly asked: () => readonly string[];
  /** The kinds of what the ledger holds, in order. */
  readonly ledger: () => Promise<readonly string[]>;
  /** Resolves once the paywall has told of so many sales that ended so. */
  readonly ended: (kind: string, count?: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** How long a stand waits for its upstream's head. */
export const timeoutMs = 5000;

export const masterKey = new Uint8Array(32).fill(7);

/** What a shop is given instead of its own. `receiver` is put around its own one. */
export type Given = {
  readonly store?: Store | ((clock: FixedClock.FixedClock) => Promise<Store>) | undefined;
  readonly receiver?: (real: Receiver) => Receiver;
  readonly routes?: (upstream: Upstream) => readonly StandRoute[];
} & Pick<StandOptions, 'gateway' | 'log'>;

export async function openShop(name: ShopName, overrides: Partial<PaywallOptions> = {}, given: Given = {}): Promise<Shop> {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const upstream = await startUpstream();
  const store = (typeof given.store === 'function' ? await given.store(clock) : given.store) ?? createMemoryStore({ clock });
  const real = (given.receiver ?? ((own) => own))(sandbox.receiver('seller'));
  let invoices = 0;
  const receiver: typeof real = {
    ...real,
    createInvoice: (...args) => {
      invoices++;
      return real.createInvoice(...args);
    },
  };
  const keys = createRootKeys({ masters: [masterKey], network: 'sandbox', realm: 'test' });
  const asked: string[] = [];
  const paywall = await createPaywall({ keys, receiver, store: listening(store, asked), clock, inUseWaitMs: 0, ...overrides });
  asked.length = 0;
  const isHttp2 = name === 'gateway over HTTP/2';
  const stand = await stands[isHttp2 ? 'gateway' : name]({
    paywall,
    routes: (given.routes ?? routesOn)(upstream),
    clock,
    timeoutMs,
    gateway: given.gateway,
    log: given.log,
  });
  const payer = sandbox.payer('buyer');
  const told: string[] = [];
  const listeners = new Set<() => void>();
  paywall.events.on((event) => {
    told.push(event.kind === 'released' ? `released ${event.reason}` : event.kind);
    for (const listener of listeners) listener();
  });
  const get = (path: string, ask: Ask = {}) => (isHttp2 ? fetchOverHttp2(stand.url, path, ask) : fetchWhole(stand.url + path, ask));
  const pay = async (unpaid: Pick<Got, 'status' | 'lines' | 'body'>): Promise<Bought> => {
    const challenge = Challenge.choose(Challenge.parse(unpaid.lines));
    if (!challenge) throw new Error(`no challenge: ${unpaid.status} ${unpaid.body}`);
    const paid = await payer.pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(`not paid: ${paid.kind}`);
    return { ...credential(challenge.token, paid.preimage), invoice: challenge.invoice };
  };
  return {
    url: stand.url,
    isHttp2,
    paywall,
    clock,
    sandbox,
    store,
    upstream,
    get,
    leave: (path, ask, when) => leave(stand.url + path, ask, when, upstream),
    buy: async (path, ask) => pay(await get(path, ask)),
    pay,
    invoices: () => invoices,
    asked: () => asked,
    ledger: async () => (await store.ledger({ after: 0, limit: 100 })).map(({ kind }) => kind),
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
      upstream.release();
      await stand.close();
      await paywall.close();
      await upstream.close();
      await store.close();
      await sandbox.close();
      if (clock.timers() !== 0) throw new Error(`${clock.timers()} timers go on after everything was closed`);
    },
  };
}

/** A token and its preimage as a client sends them. */
export function credential(token: string, preimage: Preimage): Omit<Bought, 'invoice'> {
  return { macaroon: Macaroon.parse(token), token, preimage, authorization: `L402 ${token}:${preimage}` };
}

/** The same store, every call of which is written down. */
function listening(store: Store, calls: string[]): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        // What is revoked is followed beside the requests, and costs none of them anything.
        if (name !== 'changes' && name !== 'denials') calls.push(String(name));
        return value.apply(target, args) as unknown;
      };
    },
  });
}

/** What a shop sells where it is told nothing else. */
export function routesOn({ url, deadUrl }: Upstream): readonly StandRoute[] {
  const title = 'Translation API';
  return [
    { methods: ['GET', 'POST'], path: '/api/v1/translate', upstream: url, options: { price: '50 sat', title } },
    { methods: ['GET'], path: '/api/v1/premium', upstream: url, options: { price: '200 sat', title: 'Premium' } },
    { methods: ['GET'], path: '/other', upstream: url, options: { price: '50 sat', service: 'other' } },
    { methods: ['GET'], path: '/dead', upstream: deadUrl, options: { price: '50 sat' } },
    { methods: ['GET'], path: '/priced', upstream: url, options: { price: byModel } },
    { methods: ['GET'], path: '/deep/*', upstream: url, options: { price: '50 sat', service: 'deep' } },
    { methods: ['GET'], path: '/library/*', upstream: url, options: { price: '100 sat', service: 'library', terms: pass({ seconds: 3600 }) } },
    { methods: ['GET'], path: '/vault', upstream: url, options: { price: '900 sat', service: 'vault' } },
    { methods: ['GET'], path: '/pass', upstream: url, options: { price: '500 sat', terms: pass({ seconds: 3600 }) } },
    { methods: ['GET'], path: '/steady', upstream: url, options: { price: '500 sat', terms: pass({ seconds: 3600 }), outage: 'passes-only' } },
  ];
}

/** A price that hangs on the query. */
const byModel: Price = {
  of: ({ target }) => {
    const model = new URL(target, 'http://shop').searchParams.get('model') ?? 'mini';
    return { amountMsat: Amount.fromSat(model === 'mini' ? 10 : 100), inputs: [model] };
  },
};

function fetchWhole(url: string, { method = 'GET', headers = {}, body }: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          lines: response.headersDistinct['www-authenticate'] ?? [],
          body: Buffer.concat(chunks).toString(),
          whole: response.complete,
        });
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', () => {});
      response.on('close', done);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Whether Node's client of HTTP/2 sends two lines of a header that has one; an older one does not, and then they are one, which reads the same. */
export const canRepeat: boolean = Number(process.versions.node.split('.', 1)[0]) >= 24;

/** The same over HTTP/2, without what that has no place for: headers of a connection, and spaces around values. */
export async function fetchOverHttp2(url: string, path: string, { method = 'GET', headers = {}, body }: Ask): Promise<Got> {
  const {
    host: authority,
    connection: _,
    'transfer-encoding': __,
    ...rest
  } = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const lines = Object.entries(rest).flatMap(([name, value]) => {
    const values = [value ?? []].flat().map((one) => one.trim());
    return (canRepeat || values.length < 2 ? values : [values.join(', ')]).flatMap((one) => [name, one]);
  });
  const pseudo = [':method', method, ':scheme', 'http', ':authority', [authority ?? new URL(url).host].flat()[0] ?? '', ':path', path];
  // Several lines of a header that has one are what is to be tried.
  const session = connectHttp2(url, { strictSingleValueFields: false } as object);
  session.on('error', () => {});
  try {
    const stream = session.request([...pseudo, ...lines] as unknown as OutgoingHttpHeaders, { endStream: body === undefined });
    let status = 0;
    let raw: readonly string[] = [];
    const chunks: Buffer[] = [];
    stream
      .on('response', (head, _flags, received) => {
        status = Number(head[':status']);
        raw = received as unknown as string[];
      })
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('error', () => {});
    if (body !== undefined) stream.end(body);
    await new Promise((resolve) => stream.on('close', resolve));
    const named = raw.flatMap((name, index) => (index % 2 === 0 && !name.startsWith(':') ? [[name, raw[index + 1] as string] as const] : []));
    // A request that is none is refused by a reset, as another server would by a 400.
    if (status === 0 && stream.rstCode === constants.NGHTTP2_PROTOCOL_ERROR) status = 400;
    return {
      status,
      headers: Object.fromEntries(named),
      lines: named.flatMap(([name, value]) => (name === 'www-authenticate' ? [value] : [])),
      body: Buffer.concat(chunks).toString(),
      whole: stream.rstCode === 0,
    };
  } finally {
    session.destroy();
  }
}

/** Hangs up, and waits until the server has noticed: Node tells of every request that a server in this process begins. */
async function leave(url: string, { method = 'GET', headers = {}, body }: Ask, when: 'seen' | 'headed', upstream: Upstream): Promise<void> {
  const seen = upstream.sees(upstream.seen.length + 1);
  const port = Number(new URL(url).port);
  const noticed = new Promise<void>((resolve) => {
    const begins = (message: unknown) => {
      const { response, socket } = message as { response: ServerResponse; socket: Socket };
      if (socket.localPort !== port) return;
      unsubscribe('http.server.request.start', begins);
      response.once('close', () => resolve());
    };
    subscribe('http.server.request.start', begins);
  });
  const sent = request(url, { method, headers, agent: false });
  sent.on('error', () => {});
  sent.end(body);
  if (when === 'seen') await seen;
  else {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    await once(response, 'data');
  }
  sent.destroy();
  await noticed;
}
