/**
 * Which addresses lead into a network of the operator's own, and not to the public: what whoever writes a URL must not reach through us.
 *
 * @see IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6890; RFC 6052, section 2.1
 */
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { FareboxError } from '../core/Errors.ts';

/** Whether an address, as `isIP` knows one, can be reached by anybody. What cannot be read is not. */
export function isPublic(address: string): boolean {
  const plain = address.split('%')[0] as string;
  const family = isIP(plain);
  if (family === 4) return !special.check(plain, 'ipv4');
  if (family !== 6) return false;
  const embedded = embeddedIn(plain);
  if (embedded !== undefined) return isPublic(embedded);
  return global.check(plain, 'ipv6') && !special.check(plain, 'ipv6');
}

/**
 * Looks up a name, and refuses it where any of its addresses is private. A connection goes to what is answered here and to nothing else, so that a name
 * whose answer changes leads nowhere.
 * @param refused - the error, by the name that was looked up
 */
export function publicOnly(lookup: LookupFunction, refused: (host: string) => FareboxError): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = typeof found === 'string' ? [] : found;
      if (addresses.length === 0 || !addresses.every(({ address }) => isPublic(address))) return callback(refused(hostname), []);
      const [first] = addresses;
      return options.all ? callback(null, addresses) : callback(null, first?.address ?? '', first?.family);
    });
}

/** The IPv4 address inside one of IPv6, where that is where it leads: mapped ones, and those of the well-known prefix of NAT64. */
function embeddedIn(address: string): string | undefined {
  // The URL parser writes every form in one way.
  const [, high, low] = /^\[(?:::ffff:|64:ff9b::)(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})\]$/.exec(new URL(`http://[${address}]`).hostname) ?? [];
  if (low === undefined) return undefined;
  const value = (Number.parseInt(high ?? '0', 16) << 16) | Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}

const special = listOf([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24'],
  ...['192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  // Of 2000::/3: protocol assignments with Teredo among them, documentation, and 6to4, which leads to any address of IPv4.
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
]);

/** All that is global unicast in IPv6; anything else is special in one way or another. */
const global = listOf(['2000::/3']);

function listOf(blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = '', bits] = block.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
