/**
 * Which headers stop at a proxy: those of one connection, those that carry a credential, and those that we alone may say.
 *
 * Names are given in lower case. Where a header must not slip past, `_` counts as `-`: servers that hand headers on as environment
 * variables cannot tell the two apart.
 *
 * @see RFC 9110, section 7.6.1; docs/wire.md, "The credential a server accepts"
 */

/** Of the connection, not of the message: never forwarded, in either direction. And a length beside the one that frames the message. */
const ofConnection: ReadonlySet<string> = new Set([
  'connection',
  'content_length',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

const ofOurs: ReadonlySet<string> = new Set(['grpc-metadata-macaroon', 'macaroon', 'payment-receipt']);

/** What proxies say of the client. From anybody but a trusted proxy it is a claim that nobody has checked. */
const ofClient: ReadonlySet<string> = new Set([
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-pseudo-ipv4',
  'client-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'forwarded',
  'forwarded-for',
  'remote-addr',
  'true-client-ip',
  'x-appengine-user-ip',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'x-forwarded',
  'x-original-forwarded-for',
  'x-originating-ip',
  'x-proxyuser-ip',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
]);

/** Method, host and path of another request, for frameworks that honour them. */
const ofAnotherRequest: ReadonlySet<string> = new Set([
  'x-envoy-original-path',
  'x-host',
  'x-http-host-override',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-override-url',
  'x-rewrite-url',
]);

/** Names that most messages are made of, and that none of the rules here is about. */
const ofMessage: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'access-control-allow-origin',
  'age',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-security-policy',
  'content-type',
  'date',
  'etag',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'link',
  'location',
  'origin',
  'pragma',
  'range',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'server',
  'set-cookie',
  'strict-transport-security',
  'user-agent',
  'vary',
  'x-content-type-options',
  'x-frame-options',
  'x-powered-by',
  'x-request-id',
]);

/** Whether a header is known to be none of those that are looked at here: the way of most, at the price of one look. */
export function isOfMessage(name: string): boolean {
  return ofMessage.has(name);
}

/** Whether a header belongs to one connection. */
export function isHopByHop(name: string): boolean {
  return ofConnection.has(name) || (name.includes('_') && ofConnection.has(name.replaceAll('_', '-')));
}

/** A `Cookie` value without the paywall's own, which are credentials; '' where nothing is left. */
export function withoutOurCookies(value: string): string {
  if (!value.includes('farebox_')) return value;
  return value
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !pair.startsWith('farebox_'))
    .join('; ');
}

/** The headers that `Connection` names as belonging to this connection as well, in lower case. */
export function connectionOptions(lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return [];
  return lines
    .join(',')
    .split(',')
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== '' && option !== 'close' && option !== 'keep-alive');
}

/** Whether a header exists for a credential alone, or could be taken for something that we say: `L402-*`, `X-L402-*`, `Payment-Receipt`, hex macaroons. */
export function isOurs(name: string): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name;
  return plain.startsWith('l402-') || plain.startsWith('x-l402-') || ofOurs.has(plain);
}

/** Whether a header says who the client is on a proxy's word: `X-Forwarded-*`, `Forwarded`, `X-Real-IP` and their kin. */
export function isClientClaim(name: string): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name;
  return plain.startsWith('x-forwarded-') || ofClient.has(plain);
}

/** Whether a header makes a server take a request for another one than its line says: what was priced is what the line says. */
export function changesRequest(name: string): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name;
  return ofAnotherRequest.has(plain);
}

/** Whether an answer's header is one that only we may set. */
export function isOursToSay(name: string): boolean {
  return isOurs(name);
}

/**
 * Whether a value of `Authorization` or `WWW-Authenticate` has L402 or LSAT as a scheme, wherever in it. The whole line then stops here:
 * leaving out a part of it would need a second reading of what was read once already.
 */
export function namesOurScheme(value: string): boolean {
  return /(?:^|[\s,])(?:L402|LSAT)(?:[\s,]|$)/i.test(value);
}
