/**
 * A connection to an upstream, plain or over TLS with its certificate verified.
 *
 * @see RFC 8446; RFC 7301; RFC 9110, section 4.3.4
 */
import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext } from 'node:tls';

/** How a connection is read. */
export type Reading = { readonly onread: OnReadOpts } | { readonly allowHalfOpen: true };

/**
 * Begins to connect.
 * @param protocols - offered over TLS, the one that is liked best first
 * @param reading - where to read to, and who is told, or that each direction ends by itself; undefined: as any other stream
 */
export function dial(url: URL, secureContext: SecureContext | undefined, protocols: string[], reading?: Reading): Socket {
  // An address in brackets is one of version 6.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isSecure = url.protocol === 'https:';
  const port = Number(url.port) || (isSecure ? 443 : 80);
  if (!isSecure) return connectPlain({ host, port, noDelay: true, ...reading });
  // The name on the certificate is the one in the configuration, and not the `Host` that goes out, which a client may have chosen.
  const servername = isIP(host) === 0 ? host : '';
  const options: ConnectionOptions & { readonly onread?: OnReadOpts } = {
    host,
    port,
    servername,
    ...verified,
    ALPNProtocols: protocols,
    secureContext,
    ...reading,
  };
  const socket = connectTls(options);
  socket.setNoDelay(true);
  return socket;
}

/** Whatever the environment says. */
const verified: ConnectionOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2' };
