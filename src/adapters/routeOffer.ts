/**
 * The offer behind an adapter's route: made once for each route that the adapter stands in front of.
 */
import type { Msat } from '../core/Amount.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import * as Offer from '../server/Offer.ts';
import * as Price from '../server/Price.ts';
import { perRequest } from '../server/terms/PerRequest.ts';
import type { Terms } from '../server/terms/Terms.ts';

/** What a paywall in front of a route sells. */
export type RouteOptions = {
  /** Such as `"50 sat"`. */
  readonly price: string | Msat | Price.Price;
  /** What one payment buys; default: one request. */
  readonly terms?: Terms;
  /** The service's name in the token; default `api`. A token is bound to its path and method; two paywalls on one path (two hosts, or `HEAD` apart from `GET`) need a service each. */
  readonly service?: string;
  /** What the invoice says is bought: `{title} - 1 request`; default: the service's name. */
  readonly title?: string;
  /** Instead of the title and its units. */
  readonly description?: string;
  readonly capabilities?: readonly string[];
  /** Ask for the price to the millisatoshi; default: rounded up to a whole satoshi. */
  readonly exactMsat?: boolean;
  /** What each client has for nothing, by its address (and by trial token where it may have several `clients`), before it is asked to pay; default: nothing. */
  readonly free?: { readonly requests: number; readonly seconds: number; readonly inAll?: number; readonly clients?: number };
  /** Who is paid for this route; default: the paywall's receiver. On the same network. What is sold for a whole service is paid to whoever is named where it was bought, wherever it is spent. */
  readonly receiver?: Receiver;
  /** `settled`: the payee's wallet has to say that it was paid, and is asked once a payment; default: `preimage`, which proves the payment and asks nobody. */
  readonly verify?: Offer.Offer['verify'];
  /** `passes-only`: passes are served by the last list of what was revoked while the store does not answer. Default: `refuse`, nothing is. */
  readonly outage?: Offer.Offer['outage'];
  /** `on-request`: a request is charged when it is let through, also where it fails then, and the 402 says so; not with a pass. Default: `on-success`, what fails costs nothing. Say the same on all routes that one bucket or credit is spent on. */
  readonly consume?: Offer.Offer['consume'];
};

/** The offer of a route, by its method and pattern. */
export type RouteOffer = (method: string, pattern: string | undefined) => Offer.Offer;

/** Routes that are remembered at most; a framework names few, and none of them comes from a request's text. */
const maxRoutes = 1000;

/**
 * Checks the options at once, so that a mistake shows at start and not with the first buyer.
 * @throws AMOUNT_MALFORMED, RangeError – see `Price.fixed` and `Offer.create`
 */
export function routeOffer(options: RouteOptions): RouteOffer {
  const price = typeof options.price === 'object' ? options.price : Price.fixed(options.price);
  const { title, description, capabilities, exactMsat, receiver, verify, outage, free, consume } = options;
  const make = (route: string, pattern: string | undefined) =>
    Offer.create({
      service: options.service ?? 'api',
      route,
      pattern,
      price,
      terms: options.terms ?? perRequest(),
      title,
      description,
      ...(capabilities ? { capabilities } : {}),
      ...(exactMsat === undefined ? {} : { exactMsat }),
      ...(verify === undefined ? {} : { verify }),
      ...(outage === undefined ? {} : { outage }),
      receiver,
      free,
      consume,
    });
  make('*', undefined);
  const offers = new Map<string, Offer.Offer>();
  return (method, pattern) => {
    const route = `${method} ${pattern ?? '*'}`;
    const known = offers.get(route);
    if (known) return known;
    const offer = make(route, pattern);
    if (offers.size < maxRoutes) offers.set(route, offer);
    return offer;
  };
}

/** A framework's route path as a pattern: an exact path, or a prefix that ends in `/*`; undefined where it is neither, or longer than a token holds. */
export function patternOf(routePath: string): string | undefined {
  return routePath.length <= 128 && /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+(?:\/\*)?$/.test(routePath) ? routePath : undefined;
}
