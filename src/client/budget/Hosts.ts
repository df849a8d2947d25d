/**
 * Which hosts a rule is about: `api.example.com`, `*.example.com` (whatever is below it, not itself), either with a port, or `*`. Without a port
 * every port is meant.
 */

/** A pattern in normal form. */
export type HostPattern = string;

/**
 * Reads a pattern into its normal form: lower case, names of other alphabets in ASCII, no dot at the end.
 * @throws TypeError – it is none
 */
export function parse(text: string): HostPattern {
  if (text === '*') return '*';
  const below = typeof text === 'string' && text.startsWith('*.');
  const rest = below ? text.slice(2) : text;
  // What a URL may hold besides a host would be dropped in silence.
  const url = typeof rest === 'string' && /^[^\s/?#@\\*%]+$/.test(rest) ? URL.parse(`wss://${rest}`) : null;
  const hasPort = /:\d+$/.test(rest.replace(/^\[[^\]]*\]/, ''));
  if (url === null || url.hostname === '' || (below && /^[\d.]+$|^\[/.test(url.hostname))) {
    throw new TypeError(`a host is written as api.example.com, *.example.com or localhost:3000, not "${String(text).slice(0, 100)}"`);
  }
  const port = hasPort ? `:${portOf(url)}` : '';
  return `${below ? '*.' : ''}${nameOf(url)}${port}`;
}

/** Whether an origin, such as `https://api.example.com`, is meant. */
export function matches(pattern: HostPattern, origin: string): boolean {
  if (pattern === '*') return true;
  const url = new URL(origin);
  const [, name = '', port] = /^(.*?)(?::(\d+))?$/.exec(pattern.replace(/^(\[[^\]]*\])/, (address) => address.replaceAll(':', ';'))) ?? [];
  const wanted = name.replaceAll(';', ':');
  if (port !== undefined && port !== portOf(url)) return false;
  const host = nameOf(url);
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1 : host === wanted;
}

/** A name may end in a dot and is the same name. */
function nameOf(url: URL): string {
  return url.hostname.toLowerCase().replace(/\.+$/, '');
}

function portOf({ port, protocol }: URL): string {
  if (port !== '') return port;
  return protocol === 'http:' || protocol === 'ws:' ? '80' : '443';
}
