/**
 * Which requests are let near the listener at all, before anybody is asked who he is.
 *
 * - `Host` names the listener's own address, or what `admin.url` says. A name of somebody else's that resolves to this machine (DNS rebinding) is refused.
 * - A page of another origin is refused: by `Origin`, and where a browser sends none, by `Sec-Fetch-Site`. Following a link to a page of ours is let through.
 * - A request that was handed on (`Forwarded`, `Via`, `X-Forwarded-…` and their kind) is refused, unless its other end is a proxy that `admin.proxies`
 *   names: else a proxy on this machine, which looks like this machine, would lead everybody here.
 *
 * @see docs/decisions/0063-who-reaches-admin.md
 */
import { FareboxError } from '../../core/Errors.ts';
import type { ListenAddress } from '../../gateway/index.ts';

/** What the guard goes by. */
export type GuardOptions = {
  /** As the configuration says, with the port that it really is. */
  readonly listen: ListenAddress;
  readonly url: string | undefined;
  readonly origins: readonly string[];
  /** Whether an address is that of a proxy which may hand requests on. */
  readonly isProxy: (address: string) => boolean;
};

/** What it looks at. */
export type Arriving = {
  readonly method: string;
  readonly path: string;
  /** As `HTTP/1.1` has it: `1.1`. */
  readonly version: string;
  /** The connection's other end. */
  readonly peer: string;
  /** Of all lines of a header, joined by `, `. */
  readonly header: (name: string) => string | undefined;
  readonly names: readonly string[];
};

/** Lets a request through. @throws ADMIN_ORIGIN_REFUSED – see the head of this file */
export function createGuard({ listen, url, origins, isProxy }: GuardOptions): (arriving: Arriving) => void {
  const own = authoritiesOf(listen);
  const outside = url === undefined ? undefined : new URL(url);
  const hosts = new Set([...own, ...(outside ? [outside.host] : [])]);
  const allowed = new Set([...own.map((authority) => `http://${authority}`), ...(url === undefined ? [] : [url]), ...origins]);
  return ({ method, path, version, peer, header, names }) => {
    const host = header('host')?.toLowerCase();
    if (host === undefined || !hosts.has(host)) {
      throw refused(
        `Ask at ${url ?? `http://${own[0]}`}: this listener does not answer to another name. Where a proxy hands requests on, name it in the configuration.`,
      );
    }
    if (!isProxy(peer) && (version === '1.0' || names.some((name) => handedOn.test(name)))) {
      throw refused('This request was handed on by a proxy that the configuration does not name under "admin.proxies".');
    }
    const origin = header('origin');
    if (origin !== undefined && !allowed.has(origin.toLowerCase()))
      throw refused('A page of another origin may not ask here. Name it under "admin.origins" where it should.');
    const site = header('sec-fetch-site');
    if (origin !== undefined || site === undefined || site === 'same-origin' || site === 'none') return;
    const isVisit = method === 'GET' && header('sec-fetch-mode') === 'navigate' && header('sec-fetch-dest') === 'document' && !path.startsWith('/v1/');
    if (!isVisit) throw refused('A page of another origin may not ask here.');
  };
}

/** What a listener may be called: by its address, and on this machine alone by its names as well. */
export function authoritiesOf({ host, port }: ListenAddress): readonly string[] {
  const written = host.includes(':') ? `[${host}]` : host.toLowerCase();
  const names = loopback.has(written) || anywhere.has(written) ? [...loopback] : [];
  return [...new Set([...(anywhere.has(written) ? [] : [written]), ...names])].flatMap((name) => (port === 80 ? [`${name}:80`, name] : [`${name}:${port}`]));
}

const loopback: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const anywhere: ReadonlySet<string> = new Set(['0.0.0.0', '[::]']);

/** What proxies and those who stand in for them write. */
const handedOn =
  /^(?:forwarded|via|x-forwarded(?:-.*)?|x-real-ip|x-client-ip|x-original-.*|x-originating-ip|true-client-ip|cf-connecting-ip|cf-ray|fastly-client-ip|x-cluster-client-ip|x-envoy-.*|x-arr-.*|x-proxyuser-ip|proxy-.*)$/i;

function refused(message: string): FareboxError {
  return new FareboxError('ADMIN_ORIGIN_REFUSED', message);
}
