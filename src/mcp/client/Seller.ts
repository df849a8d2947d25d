/**
 * The server whose tools are bought: the name under which credentials are kept for it, and which nobody but its configuration gives it.
 *
 *     https://api.example.com/mcp     a server that is reached at a URL: the URL, without its query, so that two servers on one host are two
 *     mcp://weather                   any other, such as one that was started here: the name that the configuration gave it
 *
 * What a server says of itself, such as its `serverInfo`, names nothing: it could say that it is another.
 *
 * @see docs/decisions/0058-a-tool-call-is-a-request.md
 */
import type { Place } from '../../client/Outgoing.ts';
import { isSafe } from '../../client/Outgoing.ts';

/** See the head of this file. */
export type Seller = Place;

/**
 * Names a server.
 * @param server - a URL, or a name of up to 64 letters, digits, `-` and `_`
 * @throws TypeError – neither
 */
export function from(server: string | URL): Seller {
  const text = String(server);
  if (/^[A-Za-z0-9][\w-]{0,63}$/.test(text)) return { origin: `mcp://${text}`, isSafe: true };
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new TypeError(`server is the URL of the server, or a name for it of letters, digits, "-" and "_", not "${text.slice(0, 100)}"`);
  }
  return { origin: `${url.origin}${url.pathname}`.replace(/\/+$/, ''), isSafe: isSafe(url) };
}

/** The address of a tool, as it stands in the journal. */
export function hrefOf({ origin }: Seller, tool: string): string {
  return `${origin}/tools/${encodeURIComponent(tool).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)}`;
}
