/**
 * Listeners beside the one that sells: each begins and ends with it.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { ListenAddress } from '../ConfigFields.ts';
import type { Gateway } from '../Gateway.ts';
import type { Listener, ListenerLimits } from '../Listener.ts';

/** A listener beside the one that sells. */
export type Beside = {
  readonly name: 'introspection' | 'health' | 'metrics' | 'admin';
  readonly path: string;
  readonly listener: Listener;
  readonly listen: ListenAddress;
  /** Whether it goes on until the last request is over. */
  readonly outlives: boolean;
};

/** The gateway with further listeners, which begin and end with it. `drain`: told as soon as it begins to end. */
export function withListeners(gateway: Gateway, beside: readonly Beside[], drain: () => void): Gateway {
  return {
    ...gateway,
    listen: async () => {
      const listening = await gateway.listen();
      const urls: Record<string, string> = {};
      for (const { name, path, listener, listen } of beside) urls[`${name}Url`] = (await listenBeside(name, listener, listen)) + path;
      return { ...listening, ...urls };
    },
    close: async (how) => {
      drain();
      const close = async ({ listener }: Beside) => listener.close(besideGraceMs);
      // Where another process has its place, nobody is to ask this one any more.
      const [later, now] = [beside.filter(({ outlives }) => outlives && !how?.isReplaced), beside.filter(({ outlives }) => !outlives || how?.isReplaced)];
      await Promise.all([...now.map(close), gateway.close(how)]);
      await Promise.all(later.map(close));
    },
  };
}

async function listenBeside(name: string, listener: Listener, { host, port }: ListenAddress): Promise<string> {
  try {
    const { host: at, port: number } = await listener.listen(host, port);
    return urlOf(at, number);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new FareboxError('CONFIG_INVALID', `Cannot listen on ${host}:${port} for ${name} (${code}). Name another address under "${name}".`, { cause: error });
  }
}

/** What bounds those who ask a question without a body. */
export const besideLimits: ListenerLimits = {
  headerBytes: 8192,
  connections: 256,
  streams: 100,
  headTimeoutMs: 5000,
  requestTimeoutMs: 5000,
  keepAliveTimeoutMs: 60_000,
  idleTimeoutMs: 5000,
};

/** A call is answered in less, or by a store that does not answer. */
const besideGraceMs = 2000;

/** Where something listens. */
export function urlOf(host: string, port: number, scheme = 'http'): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
