/**
 * One of several processes of a gateway: serves as the others do, and does what its supervisor tells it.
 */
import { systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { GatewayConfig, Snapshot } from '../../gateway/index.ts';
import type { Rates } from '../../server/Rates.ts';
import type { CliContext } from '../Context.ts';
import type { ConfigSource } from '../serve/ConfigSource.ts';
import type { Served } from '../serve.ts';
import type { Terminal } from '../Terminal.ts';
import { createAskedRates } from './asking.ts';
import { createAskedMeasures } from './measuring.ts';
import type { Ports, ToWorker, WorkerLink } from './messages.ts';

/** What makes a gateway one of several. */
export type Part = {
  /** From 1 on. */
  readonly slot: number;
  readonly processes: number;
  readonly rates: Rates;
  /** Adds what the others counted. */
  readonly measured: (own: Snapshot) => Promise<Snapshot>;
  /** A configuration with the ports of this start. */
  readonly withPorts: (config: GatewayConfig) => GatewayConfig;
};

/** The configuration with the ports of this start. */
function withPorts(config: GatewayConfig, { listen, introspection, health, metrics, admin }: Ports): GatewayConfig {
  return {
    ...config,
    ...(listen !== undefined && { listen: { ...config.listen, port: listen } }),
    ...(introspection !== undefined &&
      config.introspection && { introspection: { ...config.introspection, listen: { ...config.introspection.listen, port: introspection } } }),
    ...(health !== undefined && config.health && { health: { ...config.health, listen: { ...config.health.listen, port: health } } }),
    ...(admin !== undefined && config.admin && { admin: { ...config.admin, listen: { ...config.admin.listen, port: admin } } }),
    ...(metrics !== undefined && config.metrics && { metrics: { ...config.metrics, listen: { ...config.metrics.listen, port: metrics } } }),
  };
}

/** Starts a gateway in the context that it is handed. */
type Begin = (context: CliContext, config: GatewayConfig, part: Part) => Promise<Served>;

/** Serves until it is told to end. */
export async function work(context: CliContext, link: WorkerLink, source: ConfigSource, begin: Begin): Promise<void> {
  const asked = createAskedRates(link.send, context.clock ?? systemClock);
  const measures = createAskedMeasures(link.send, context.clock ?? systemClock);
  const started = Promise.withResolvers<ToWorker & { readonly kind: 'start' }>();
  const ending = Promise.withResolvers<{ readonly isReplaced: boolean }>();
  const serving = Promise.withResolvers<Served>();
  const hurry = new AbortController();
  let follows = false;
  let served: Served | undefined;
  const exchange = createExchange(link.send, async (text) => {
    const { ports } = await started.promise;
    const { gateway } = await serving.promise;
    return gateway.prepare(withPorts(await source.parseAside(text), ports));
  });
  link.hear((message) => {
    if (message.kind === 'start') started.resolve(message);
    else if (message.kind === 'rate') asked.hear(message);
    else if (message.kind === 'measured-all') measures.hear(message);
    else if (message.kind === 'measure') link.send({ kind: 'measured', id: message.id, snapshot: served?.gateway.measure() ?? {} });
    else if (message.kind === 'prepare' || message.kind === 'apply' || message.kind === 'forget') exchange(message);
    else if (message.kind === 'reopen') served?.logs.reopen();
    else if (message.kind === 'follow') {
      follows = true;
      served?.gateway.follow();
    } else {
      ending.resolve({ isReplaced: message.kind === 'leave' });
      if (message.kind === 'stop') hurry.abort();
    }
  });
  context.signal.addEventListener('abort', () => ending.resolve({ isReplaced: false }), { once: true });
  try {
    const { slot, count, text, secret, ports } = await started.promise;
    const own: CliContext = { ...context, terminal: named(context.terminal, slot), askSecret: async () => secret };
    const part = { slot, processes: count, rates: asked.rates, measured: measures.measured, withPorts: (config: GatewayConfig) => withPorts(config, ports) };
    served = await begin(own, part.withPorts(source.parse(text)), part);
    serving.resolve(served);
    if (follows) served.gateway.follow();
    const { url, introspectionUrl, healthUrl, metricsUrl, adminUrl, adminLink } = served;
    link.send({ kind: 'ready', url, introspectionUrl, healthUrl, metricsUrl, adminUrl, adminLink });
    const how = await ending.promise;
    await served.gateway.unfollow();
    link.send({ kind: 'unfollowed' });
    await served.close({ ...how, hurry: hurry.signal });
  } finally {
    link.close();
  }
}

/** Makes another configuration ready when it is told to, and takes it when all have. */
function createExchange(send: WorkerLink['send'], prepare: (text: string) => Promise<{ readonly take: () => void }>) {
  let prepared: { readonly id: number; readonly take: () => void } | undefined;
  return (message: ToWorker & { readonly kind: 'prepare' | 'apply' | 'forget' }): void => {
    const { id } = message;
    if (message.kind === 'prepare') {
      prepare(message.text).then(
        ({ take }) => {
          prepared = { id, take };
          send({ kind: 'prepared', id });
        },
        (error: unknown) => {
          const { code, message: words } = FareboxError.is(error) ? error : { code: 'CONFIG_INVALID' as const, message: String(error) };
          send({ kind: 'prepared', id, refused: { code, message: words } });
        },
      );
      return;
    }
    if (prepared?.id !== id) return;
    const { take } = prepared;
    prepared = undefined;
    if (message.kind === 'apply') take();
  };
}

/** A terminal whose lines say which process they are of. */
function named(terminal: Terminal, slot: number): Terminal {
  const mark = terminal.tone('quiet', `[${slot}]`);
  return {
    ...terminal,
    line: (text = '') => terminal.line(text === '' ? text : `${mark} ${text}`),
    data: (value) => terminal.data({ ...(value as object), worker: slot }),
    note: (text) => terminal.note(`${mark} ${text}`),
    withJson: (isJson) => named(terminal.withJson(isJson), slot),
  };
}
