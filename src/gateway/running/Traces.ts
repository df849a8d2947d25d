/**
 * Spans for OpenTelemetry: one for each request, with one for what the paywall decided and one for the upstream within it.
 *
 *     GET /api/v1/translate (server)
 *       ├─ paywall
 *       └─ upstream (client)         traceparent goes on
 *
 * Whoever starts the gateway sets OpenTelemetry up (`node --import ./tracing.mjs`); here is its API alone. No span holds a query, a credential or a body. A trace that a
 * proxy we trust has begun goes on; anybody else's is a claim, and is linked to.
 *
 * @see W3C Trace Context; OpenTelemetry, Semantic Conventions for HTTP
 */
import type { Attributes, Context, Link, Span } from '@opentelemetry/api';
import { FareboxError } from '../../core/Errors.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { Incoming } from '../Incoming.ts';
import type { RequestOutcome } from '../Steps.ts';

type Api = typeof import('@opentelemetry/api');

/** What is told of a request. */
export type Trace = {
  /** The paywall is asked. */
  readonly asks: () => void;
  /** It has decided. @param what - `pass`, or what else became of it */
  readonly decided: (what: string) => void;
  /** It goes on to an upstream. @returns the headers to send, with the trace that goes on; names and values in turn, as those that are given */
  readonly goesOn: (headers: readonly string[], origin: string) => string[];
  readonly isOver: (outcome: RequestOutcome) => void;
};

/** Begins the trace of a request. */
export type Traces = { readonly begin: (incoming: Incoming, startedAtMs: number) => Trace };

/** @throws CONFIG_INVALID – OpenTelemetry is not there */
export async function openTraces(choice: 'opentelemetry' | undefined): Promise<Traces | undefined> {
  if (choice === undefined) return undefined;
  try {
    return createTraces(await import('@opentelemetry/api'));
  } catch (cause) {
    throw new FareboxError('CONFIG_INVALID', '`traces: opentelemetry` needs its API beside this package: npm install @opentelemetry/api', { cause });
  }
}

/** Traces for whatever OpenTelemetry has been set up with. */
export function createTraces(api: Api): Traces {
  const tracer = api.trace.getTracer('farebox');
  return { begin: (incoming, startedAtMs) => begin(api, tracer, incoming, startedAtMs) };
}

function begin(
  { context, propagation, trace, ROOT_CONTEXT, SpanKind, SpanStatusCode }: Api,
  tracer: ReturnType<Api['trace']['getTracer']>,
  incoming: Incoming,
  startTime: number,
): Trace {
  const { view, rawHeaders, viaTrusted } = incoming;
  const around = viaTrusted ? context.active() : ROOT_CONTEXT;
  const said = propagation.extract(around, rawHeaders, {
    keys: (lines) => namesOf(lines),
    get: (lines, name) => linesOf(lines, name.toLowerCase()) as string[],
  });
  const root = tracer.startSpan(
    view.method,
    {
      kind: SpanKind.SERVER,
      startTime,
      links: viaTrusted ? [] : linksTo(trace.getSpanContext(said)),
      attributes: { 'http.request.method': view.method, 'client.address': view.clientAddress },
    },
    viaTrusted ? said : ROOT_CONTEXT,
  );
  const within: Context = trace.setSpan(ROOT_CONTEXT, root);
  let paywall: Span | undefined;
  let upstream: Span | undefined;
  const end = (span: Span | undefined, attributes: Attributes, failed: boolean) => {
    if (failed) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.setAttributes(attributes).end();
  };
  return {
    asks: () => {
      paywall = tracer.startSpan('paywall', { kind: SpanKind.INTERNAL }, within);
    },
    decided: (what) => {
      end(paywall, { 'farebox.decision': what }, false);
      paywall = undefined;
    },
    goesOn: (headers, origin) => {
      const { hostname, port, protocol } = new URL(origin);
      const attributes = { 'http.request.method': view.method, 'server.address': hostname, 'server.port': Number(port) || (protocol === 'https:' ? 443 : 80) };
      upstream = tracer.startSpan('upstream', { kind: SpanKind.CLIENT, attributes }, within);
      const fields: Record<string, string> = {};
      propagation.inject(trace.setSpan(ROOT_CONTEXT, upstream), fields);
      return withFields(headers, fields);
    },
    isOver: ({ route, path, status, ended, payment, chargedMsat, token }) => {
      const failed = status >= 500 || ended === 'upstream-failed';
      end(paywall, { 'farebox.decision': 'none' }, false);
      end(upstream, { 'farebox.ended': ended, ...(status > 0 && { 'http.response.status_code': status }) }, failed);
      root.updateName(nameOf(view.method, route));
      end(
        root,
        {
          'url.path': path,
          'farebox.ended': ended,
          ...(status > 0 && { 'http.response.status_code': status }),
          ...(route !== undefined && { 'http.route': route.slice(route.indexOf(' ') + 1) }),
          ...(payment !== undefined && { 'farebox.payment': payment }),
          ...(chargedMsat !== undefined && { 'farebox.charged_msat': String(chargedMsat) }),
          ...(token !== undefined && { 'farebox.token': token }),
        },
        failed,
      );
    },
  };
}

/** Such as `GET /api/v1/translate`; routes that take any method are named by their path alone. */
function nameOf(method: string, route: string | undefined): string {
  if (route === undefined) return method;
  return route.includes(' ') ? route : `${method} ${route}`;
}

/** Where they lead to anything. */
function linksTo(context: Link['context'] | undefined): Link[] {
  return context === undefined ? [] : [{ context }];
}

function namesOf(lines: readonly string[]): string[] {
  return lines.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
}

/** In place of whatever the client said under these names. */
function withFields(headers: readonly string[], fields: { readonly [name: string]: string }): string[] {
  const names = new Set(['traceparent', 'tracestate', 'baggage', ...Object.keys(fields).map((name) => name.toLowerCase())]);
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    if (!names.has((headers[index] as string).toLowerCase())) kept.push(headers[index] as string, headers[index + 1] as string);
  }
  for (const [name, value] of Object.entries(fields)) kept.push(name, value);
  return kept;
}
