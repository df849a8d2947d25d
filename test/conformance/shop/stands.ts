/**
 * The three ways of standing in front of an API: the gateway, Express and Hono. Each offers the same routes over one engine, so that one
 * table of cases runs against all.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express, { type Request as ExpressRequest } from 'express';
import { Hono } from 'hono';
import { Agent, request as send } from 'undici';
import { paywall as expressPaywall, principalOf as expressPrincipalOf } from '../../../src/adapters/express.ts';
import { paywall as honoPaywall, principalOf as honoPrincipalOf } from '../../../src/adapters/hono.ts';
import type { RouteOptions } from '../../../src/adapters/routeOffer.ts';
import * as Amount from '../../../src/core/Amount.ts';
import type { Clock } from '../../../src/core/Clock.ts';
import { createConfig } from '../../../src/gateway/Config.ts';
import { assemble } from '../../../src/gateway/Gateway.ts';
import type { RequestOutcome } from '../../../src/gateway/Steps.ts';
import type { Offer, Principal } from '../../../src/server/Offer.ts';
import type { Paywall } from '../../../src/server/Paywall.ts';
import type { Terms } from '../../../src/server/terms/Terms.ts';

/** One paid route. */
export type StandRoute = {
  readonly methods: readonly string[];
  /** Only requests that name this host; default: any. */
  readonly host?: string;
  readonly path: string;
  readonly upstream: string;
  /** What the gateway is told instead of it: several that do the same. */
  readonly group?: object;
  readonly options: RouteOptions;
  /** What else stands at it in the gateway's configuration. */
  readonly more?: object;
};

/** What a stand is put up with. */
export type StandOptions = {
  readonly paywall: Paywall;
  readonly routes: readonly StandRoute[];
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** What else stands in the gateway's configuration. */
  readonly gateway?: { readonly [name: string]: unknown } | undefined;
  /** Where the gateway tells of every request. */
  readonly log?: ((outcome: RequestOutcome) => void) | undefined;
};

/** A stand that is open. */
export type Stand = { readonly url: string; readonly close: () => Promise<void> };

/** Puts up the gateway, as a configuration file would. */
export async function gatewayStand({ paywall, routes, clock, timeoutMs, gateway: more, log }: StandOptions): Promise<Stand> {
  const config = createConfig({
    listen: '127.0.0.1:0',
    store: 'memory',
    timeouts: { upstream: `${timeoutMs}ms` },
    ...more,
    services: Object.entries(Object.groupBy(routes, ({ options, upstream, group }) => `${options.service ?? 'api'} ${upstream} ${JSON.stringify(group)}`)).map(
      ([key, group = []], index) => ({
        name: key.startsWith('api ') && index > 0 ? `api${index}` : (key.split(' ')[0] as string),
        ...(group[0]?.group ?? { upstream: group[0]?.upstream }),
        ...(group[0]?.host === undefined ? {} : { host: group[0].host }),
        ...(group[0]?.options.capabilities === undefined ? {} : { capabilities: group[0].options.capabilities }),
        ...Object.fromEntries(group.flatMap(({ options: { terms } }) => (terms?.binds === 'service' ? [[terms.kind, soldByService(terms)]] : []))),
        routes: group.map(({ methods, path, more: rest = {}, options: { price, title, terms, free, outage, consume } }) => ({
          path,
          methods,
          ...(title === undefined ? {} : { title }),
          ...(outage === undefined ? {} : { outage }),
          ...(consume === undefined ? {} : { consume }),
          ...(terms?.kind === 'bucket' && terms.binds === 'service' ? {} : { price: typeof price === 'string' ? price : '10 sat' }),
          ...termsInWords(terms),
          ...rest,
          ...(free === undefined
            ? {}
            : { free: { requests: free.requests, per: `${free.seconds}s`, ...(free.clients !== undefined && { clients: free.clients }) } }),
        })),
      }),
    ),
  });
  // A price that hangs on the request has no place in the file yet; the engine has one.
  const priceOf = (offer: Offer): Offer => {
    const own = routes.find(({ path }) => path === offer.pattern)?.options.price;
    return typeof own === 'object' ? { ...offer, price: own } : offer;
  };
  const gateway = assemble({
    config,
    paywall: { check: (request, target, offer) => paywall.check(request, target, priceOf(offer)), standing: paywall.standing, close: async () => {} },
    clock,
    random: (length) => new Uint8Array(length),
    events: paywall.events,
    log: log ?? (() => {}),
  });
  const { url } = await gateway.listen();
  return { url, close: gateway.close };
}

/** What a service sells for all of its routes, as its configuration says it. */
function soldByService({ kind, caveat, priceMsat, lastsSeconds }: Terms): object {
  const much = caveat.slice(kind.length + 1);
  const price = `${priceMsat} msat`;
  return { ...(kind === 'bucket' ? { units: Number(much) } : { amount: `${much} msat` }), price, lasts: `${lastsSeconds}s` };
}

/** What a route sells, as its configuration says it. */
function termsInWords(terms: Terms | undefined): object {
  if (terms?.kind === 'pass') return { terms: `pass: ${terms.lastsSeconds}s` };
  if (terms?.kind === 'credit') return { terms: 'credit' };
  if (terms?.kind !== 'bucket') return {};
  return terms.binds === 'route' ? { terms: terms.caveat } : { terms: 'bucket', weight: Number(terms.takes?.(Amount.zero)) };
}

/** Puts up Express with its own small proxy as the handler. */
export async function expressStand({ paywall, routes, clock, timeoutMs }: StandOptions): Promise<Stand> {
  const app = express();
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  for (const route of routes) {
    for (const method of route.methods) {
      const verb = method.toLowerCase() as 'get';
      const onlyHost = (request: ExpressRequest, _: unknown, next: (what?: 'route') => void) =>
        next(route.host === undefined || request.hostname === route.host ? undefined : 'route');
      app[verb](route.path.replace('/*', '/*rest'), onlyHost, expressPaywall(paywall, { ...route.options, clock }), async (request, response) => {
        const said = { 'idempotency-key': String(request.headers['idempotency-key']), 'x-principal': tell(expressPrincipalOf(request)) };
        const answer = await ask(agent, route.upstream + request.originalUrl, method, said, request, clock, timeoutMs);
        if (typeof answer === 'number') return void response.status(answer).end();
        response.writeHead(answer.statusCode, { 'content-type': 'application/json' });
        try {
          for await (const chunk of answer.body) response.write(chunk);
          response.end();
        } catch {
          response.destroy();
        }
      });
    }
  }
  const server = createServer(app);
  return open(server, () => agent.destroy());
}

/** Puts up Hono on Node with its own small proxy as the handler. */
export async function honoStand({ paywall, routes, clock, timeoutMs }: StandOptions): Promise<Stand> {
  const apps = new Map<string, Hono>();
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  for (const route of routes) {
    const app = apps.get(route.host ?? '') ?? new Hono();
    apps.set(route.host ?? '', app);
    app.on([...route.methods], route.path, honoPaywall(paywall, route.options), async (context) => {
      const { pathname, search } = new URL(context.req.url);
      const body = context.req.raw.body === null ? undefined : Buffer.from(await context.req.arrayBuffer());
      const said = { 'idempotency-key': context.req.header('idempotency-key') ?? '', 'x-principal': tell(honoPrincipalOf(context)) };
      const answer = await ask(agent, route.upstream + pathname + search, context.req.method, said, body, clock, timeoutMs);
      if (typeof answer === 'number') return context.body(null, answer as 502);
      const stream = new ReadableStream<Uint8Array>({
        start: async (controller) => {
          try {
            for await (const chunk of answer.body) controller.enqueue(new Uint8Array(chunk as Buffer));
            controller.close();
          } catch (error) {
            controller.error(error);
          }
        },
        cancel: () => void answer.body.destroy(),
      });
      return new Response([204, 304].includes(answer.statusCode) ? null : stream, {
        status: answer.statusCode,
        headers: { 'content-type': 'application/json' },
      });
    });
  }
  const fetch = async (request: Request, env: object) =>
    (apps.get(new URL(request.url).hostname) ?? apps.get(''))?.fetch(request, env) ?? new Response(null, { status: 404 });
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }) as Server;
  return open(server, () => agent.destroy());
}

/** What a handler knows of who paid, in a header. */
function tell(principal: Principal | undefined): string {
  return JSON.stringify(principal ?? null, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** Asks the upstream as a careful handler would; a number is the status to answer instead. */
async function ask(agent: Agent, url: string, method: string, headers: { readonly [name: string]: string }, body: unknown, clock: Clock, timeoutMs: number) {
  const timeout = new AbortController();
  const cancel = clock.after(timeoutMs, () => timeout.abort());
  try {
    const carriesBody = method !== 'GET' && method !== 'HEAD';
    return await send(url, { dispatcher: agent, method: method as 'GET', headers, signal: timeout.signal, ...(carriesBody ? { body: body as Buffer } : {}) });
  } catch {
    return timeout.signal.aborted ? 504 : 502;
  } finally {
    cancel();
  }
}

async function open(server: Server, alsoClose: () => Promise<void>): Promise<Stand> {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await alsoClose();
    },
  };
}
