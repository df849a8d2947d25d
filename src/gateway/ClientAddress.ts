/**
 * Who the client is. The address of the connection, unless that is a proxy we were told to trust: then what the proxies say, read from the
 * nearest one backwards up to the first address that nobody vouches for.
 *
 *     X-Forwarded-For: client, proxy, proxy          Forwarded: for="[2001:db8::1]:4711", for=192.0.2.7
 *
 * `Forwarded` is read where there is no `X-Forwarded-For`. A trusted proxy has to write both, or take the one out that it does not write.
 *
 * @see RFC 7239, sections 4 to 6
 */
import { BlockList, isIP } from 'node:net';

/** Whether an address belongs to a proxy that is believed. */
export type Trust = (address: string) => boolean;

/**
 * Trusts these proxies, and nobody where the list is empty.
 * @param proxies - addresses and blocks, such as `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`
 * @throws RangeError – neither an address nor a block
 */
export function createTrust(proxies: readonly string[]): Trust {
  if (proxies.length === 0) return () => false;
  const list = new BlockList();
  for (const proxy of proxies) addTo(list, proxy);
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** An address as it is counted and compared: IPv4 inside IPv6 as IPv4, without a zone. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped ? (mapped[1] as string) : (address.split('%')[0] as string);
}

/**
 * The client behind a connection.
 * @param peer - the connection's other end, as `plainAddress` has it
 * @param lines - every line of a header, by its lower-case name
 */
export function clientAddress(peer: string, trust: Trust, lines: (name: string) => readonly string[]): string {
  if (!trust(peer)) return peer;
  const said = lines('x-forwarded-for');
  const hops = said.length > 0 ? said.join(',').split(',') : lines('forwarded').join(',').split(',').map(forOf);
  let client = peer;
  for (const hop of hops.reverse()) {
    const address = readHop(hop);
    // Beyond a hop that cannot be read nothing is vouched for.
    if (address === undefined) return client;
    client = address;
    if (!trust(client)) return client;
  }
  return client;
}

function addTo(list: BlockList, proxy: string): void {
  const [address = '', bits, ...rest] = proxy.split('/');
  const family = isIP(address);
  const length = bits === undefined ? undefined : Number(bits);
  const longest = family === 4 ? 32 : 128;
  const fits = length === undefined || (/^\d{1,3}$/.test(bits ?? '') && length <= longest);
  if (family === 0 || rest.length > 0 || !fits) {
    throw new RangeError(`"${proxy.slice(0, 64)}" is neither an address nor a block of them: write 10.0.0.1, 10.0.0.0/8 or fd00::/8`);
  }
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  if (length === undefined) list.addAddress(address, kind);
  else list.addSubnet(address, length, kind);
}

/** The `for` of one element of `Forwarded`, without quotes; '' where there is none. */
function forOf(element: string): string {
  return /(?:^|;)\s*for\s*=\s*"?([^";]*)"?\s*(?:;|$)/i.exec(element)?.[1] ?? '';
}

/** An address with or without a port, in brackets where it is IPv6. */
function readHop(text: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+)(?::\d+)?|([0-9A-Fa-f:.]+))$/.exec(text.trim());
  const address = match?.[1] ?? match?.[2] ?? match?.[3];
  return address !== undefined && isIP(address) !== 0 ? plainAddress(address) : undefined;
}
