/**
 * A `fetch` for addresses that somebody else has chosen: it connects to public addresses alone, unless a host is named that may be private. What is
 * checked is the address that is connected to, whatever name led there and whatever that name led to a moment before; each redirect is a connection
 * of its own.
 */

import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import * as undici from 'undici';
import { FareboxError } from '../../core/Errors.ts';
import { isPublic, publicOnly } from '../../http/NodeAddresses.ts';
import * as Hosts from '../budget/Hosts.ts';
import type { LimitedFetch } from '../Timeouts.ts';

/** What may be reached. */
export type Reach = {
  /** Asks these hosts and no others, free or not: `api.example.com`, `*.example.com`, either with a port. Default: any. */
  readonly allow?: readonly string[] | undefined;
  /** Never asks these, also where `allow` has them. */
  readonly deny?: readonly string[] | undefined;
  /** Hosts that may be at private addresses, such as `localhost:8402`, or `*` for any. Default: none. */
  readonly allowPrivate?: readonly string[] | undefined;
};

/**
 * Makes one.
 * @param reach - see there
 * @param options - `connectMs`: how long a connection may take; `lookup`: how names are looked up, for tests
 * @throws TypeError – a host that is none
 */
export function createPublicFetch(reach: Reach = {}, options: { readonly connectMs?: number; readonly lookup?: LookupFunction } = {}): LimitedFetch {
  const allow = reach.allow?.map(Hosts.parse);
  const [deny, allowPrivate] = [(reach.deny ?? []).map(Hosts.parse), (reach.allowPrivate ?? []).map(Hosts.parse)];
  const isMeant = (patterns: readonly Hosts.HostPattern[], origin: string) => patterns.some((pattern) => Hosts.matches(pattern, origin));
  const dispatcher = new undici.Agent({ connect: connectorOf((origin) => isMeant(allowPrivate, origin), options) });
  const fetch: LimitedFetch = async (url, init) => {
    const { origin, host } = new URL(url);
    if (isMeant(deny, origin) || !(allow === undefined || isMeant(allow, origin))) throw refused(host, 'host', 'is not among the hosts that may be asked');
    return (await undici.fetch(url, { ...(init as object), dispatcher })) as unknown as Response;
  };
  return Object.assign(fetch, { withConnectLimit: (connectMs: number) => createPublicFetch(reach, { ...options, connectMs }) });
}

type Connector = undici.buildConnector.connector;

/** Connects where it may. */
function connectorOf(
  mayBePrivate: (origin: string) => boolean,
  { connectMs, lookup = systemLookup as LookupFunction }: { connectMs?: number; lookup?: LookupFunction },
): Connector {
  const timeout = connectMs === undefined ? {} : { timeout: connectMs };
  const anywhere = undici.buildConnector({ ...timeout, lookup } as undici.buildConnector.BuildOptions);
  const publicly = undici.buildConnector({ ...timeout, lookup: publicOnly(lookup, privately) } as undici.buildConnector.BuildOptions);
  return (options, callback) => {
    const { protocol, host, hostname } = options;
    if (mayBePrivate(`${protocol}//${host ?? hostname}`)) return anywhere(options, callback);
    // An address is not looked up.
    const name = hostname.replace(/^\[|\]$/g, '');
    if (isIP(name) !== 0 && !isPublic(name)) return callback(privately(name), null);
    return publicly(options, callback);
  };
}

function privately(host: string): FareboxError {
  return refused(host, 'private', 'is, or leads to, an address that is not public');
}

function refused(host: string, why: 'host' | 'private', words: string): FareboxError {
  return new FareboxError('ADDRESS_REFUSED', `${host.slice(0, 253)} ${words}. It was not asked, and nothing was paid.`, {
    details: { host: host.slice(0, 253), why },
  });
}
