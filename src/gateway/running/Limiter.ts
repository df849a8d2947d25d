/**
 * How many requests a client address may send, and how many a route takes. Asked before anything is looked up, made or sold.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { Rates } from '../../server/Rates.ts';
import type { GatewayConfig, RouteConfig } from '../Config.ts';

/** Asks for a request: 0 where it may go on, or after how many seconds to ask again. */
export type Limiter = {
  readonly client: (address: string) => number | Promise<number>;
  readonly route: (name: string) => number | Promise<number>;
};

/** As configured; undefined where nothing is bounded. */
export function createLimiter({ limits, routes }: Pick<GatewayConfig, 'limits' | 'routes'>, rates: Pick<Rates, 'take'>): Limiter | undefined {
  const perClient = limits.requestsPerClient;
  const ofRoutes = new Map(routes.flatMap(({ name, rate }): [string, NonNullable<RouteConfig['rate']>][] => (rate === undefined ? [] : [[name, rate]])));
  if (perClient === undefined && ofRoutes.size === 0) return undefined;
  return {
    client: (address) => (perClient === undefined ? 0 : rates.take('client', address, perClient)),
    route: (name) => {
      const rate = ofRoutes.get(name);
      return rate === undefined ? 0 : rates.take('route', name, rate);
    },
  };
}

/** Goes on where a limit lets it, at once where that is known at once. `orElse` is told what went wrong later. @throws RATE_LIMITED – at once, it may not */
export function within(wait: number | Promise<number>, goOn: () => void, orElse: (error: unknown) => void): void {
  const pass = (seconds: number) => {
    if (seconds > 0) throw tooMany(seconds);
    goOn();
  };
  if (typeof wait === 'number') pass(wait);
  else wait.then(pass).catch(orElse);
}

function tooMany(retryAfterSeconds: number): FareboxError {
  return new FareboxError('RATE_LIMITED', 'More requests came than are taken here. Ask again later.', { details: { retryAfterSeconds } });
}
