/**
 * One of several processes of a gateway: serves as the others do, and does what its supervisor tells it.
 */
import { systemClock } from '../../core/Clock.ts';
import type { GatewayConfig } from '../../gateway/index.ts';
import type { Rates } from '../../server/Rates.ts';
import type { CliContext } from '../Context.ts';
import type { Served } from '../serve.ts';
import type { Terminal } from '../Terminal.ts';
import { createAskedRates } from './asking.ts';
import type { Ports, ToWorker, WorkerLink } from './messages.ts';

/** What makes a gateway one of several. */
export type Part = {
  /** From 1 on. */
  readonly slot: number;
  readonly processes: number;
  readonly rates: Rates;
  readonly ports: Ports;
};

/** The configuration with the ports of this start. */
export function withPorts(config: GatewayConfig, { listen, introspection }: Ports): GatewayConfig {
  return {
    ...config,
    ...(listen !== undefined && { listen: { ...config.listen, port: listen } }),
    ...(introspection !== undefined &&
      config.introspection && { introspection: { ...config.introspection, listen: { ...config.introspection.listen, port: introspection } } }),
  };
}

/** Serves until it is told to end. `begin` starts the gateway in the context that it is handed. */
export async function work(context: CliContext, link: WorkerLink, begin: (context: CliContext, part: Part) => Promise<Served>): Promise<void> {
  const asked = createAskedRates(link.send, context.clock ?? systemClock);
  const started = Promise.withResolvers<ToWorker & { readonly kind: 'start' }>();
  const ending = Promise.withResolvers<{ readonly isReplaced: boolean }>();
  const hurry = new AbortController();
  let follows = false;
  let served: Served | undefined;
  link.hear((message) => {
    if (message.kind === 'start') started.resolve(message);
    else if (message.kind === 'rate') asked.hear(message);
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
    const { slot, count, secret, ports } = await started.promise;
    const own: CliContext = { ...context, terminal: named(context.terminal, slot), askSecret: async () => secret };
    served = await begin(own, { slot, processes: count, rates: asked.rates, ports });
    if (follows) served.gateway.follow();
    const { url, introspectionUrl } = served;
    link.send({ kind: 'ready', url, ...(introspectionUrl !== undefined && { introspectionUrl }) });
    const how = await ending.promise;
    await served.gateway.unfollow();
    link.send({ kind: 'unfollowed' });
    await served.close({ ...how, hurry: hurry.signal });
  } finally {
    link.close();
  }
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
