/**
 * Where a Redis server is and what lets one in, read from one address: `redis://user:password@host:6379/0`, `rediss://…` over TLS,
 * `unix:///run/redis.sock?db=0`. The address is a secret: nothing here tells it, nor what was wrong in it.
 *
 * Read by ourselves: the client library takes its own options out of an address's query, before those that it is given.
 *
 * @see https://www.iana.org/assignments/uri-schemes/prov/redis
 */

/** How a server is reached. */
export type Address = {
  readonly host?: string;
  readonly port?: number;
  /** A socket in the file system. */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  /** The number of the database. */
  readonly db: number;
  readonly tls: boolean;
  /** What the server's certificate has to be signed by, in PEM; not part of the text. */
  readonly ca?: string;
};

/** Reads an address. @throws TypeError – it is none */
export function parseAddress(url: unknown): Address {
  const expected = 'url: expected the address of a Redis server, such as redis://127.0.0.1:6379, rediss://… for TLS, or unix:///run/redis.sock';
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  if (parsed === null || !['redis:', 'rediss:', 'unix:'].includes(parsed.protocol) || parsed.hash !== '') throw new TypeError(expected);
  const isSocket = parsed.protocol === 'unix:';
  const names = [...parsed.searchParams.keys()];
  if (names.some((name) => name !== 'db') || names.length > 1) throw new TypeError('url: its query names a database at most, such as ?db=1');
  const written = parsed.searchParams.get('db') ?? (isSocket ? '' : parsed.pathname.replace(/^\//, ''));
  if (!/^\d{0,4}$/.test(written)) throw new TypeError('url: the database of a Redis server is a number, such as redis://127.0.0.1:6379/1');
  const way = isSocket ? { path: decoded(parsed.pathname) } : { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port || 6379) };
  if (!(way.path ?? way.host)) throw new TypeError(expected);
  return {
    ...way,
    ...(parsed.username !== '' && { username: decoded(parsed.username) }),
    ...(parsed.password !== '' && { password: decoded(parsed.password) }),
    db: Number(written),
    tls: parsed.protocol === 'rediss:',
  };
}

/** Whether that is the address of a Redis server. */
export function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}

/** Host and database, such as `cache.example:6379/0`, without who logs in there and how; undefined where it cannot be read. */
export function placeOf(url: string): string | undefined {
  if (!isAddress(url)) return undefined;
  const { host = '', port, path, db } = parseAddress(url);
  return path === undefined ? `${host.includes(':') ? `[${host}]` : host}:${port}/${db}` : `${path}, database ${db}`;
}

/** Whether it lets somebody in by itself. */
export function hasPassword(url: string): boolean {
  return isAddress(url) && parseAddress(url).password !== undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('url: a part of it is not percent-encoded as it should be');
  }
}
