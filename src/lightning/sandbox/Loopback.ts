/**
 * Which addresses are this machine and nothing else. Names other than `localhost` are not asked of anybody: a name can be pointed
 * here from outside (DNS rebinding).
 */

/** Whether an address to listen on, such as `127.0.0.1` or `::1`, is loopback. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(address);
}

/** Whether a `Host`, with or without a port, is loopback. */
export function isLoopbackHost(host: string): boolean {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host)?.[1] ?? '';
  if (name.startsWith('[')) return isLoopbackAddress(name.slice(1, -1));
  return name.toLowerCase() === 'localhost' || (name !== '::1' && isLoopbackAddress(name));
}
