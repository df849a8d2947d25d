/**
 * The request that a model wants sent: its part of the schemas, and what of it may be said at all.
 */
import { malformed, objectOf, type ValueSchema } from './input.ts';

/** A request as a model writes it. */
export type RequestInput = {
  readonly url: string;
  readonly method?: string;
  readonly headers?: readonly { readonly name: string; readonly value: string }[];
  readonly body?: string;
};

/** Its properties in a schema. */
export const requestProperties: { readonly [name in keyof Required<RequestInput>]: ValueSchema } = {
  url: { type: 'string', description: 'The address: http or https, with its query.' },
  method: { type: 'string', enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], description: 'Default: GET.' },
  headers: {
    type: 'array',
    maxItems: 32,
    items: objectOf({ name: { type: 'string', maxLength: 64, pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" }, value: { type: 'string', maxLength: 4096 } }, [
      'name',
      'value',
    ]),
    description: 'Such as Content-Type for a body. Authorization, Cookie and Host are not for you to set: payment is seen to.',
  },
  body: { type: 'string', maxLength: 1_000_000, description: 'Text. Say in Content-Type what it is.' },
};

/** What is handed to `fetch` or `quote` of a client. */
export type Sent = { readonly url: URL; readonly init: RequestInit };

/**
 * Reads a request.
 * @throws INPUT_MALFORMED – no address that can be asked, or a header that is not for a model to set
 */
export function requestOf({ url: text, method = 'GET', headers = [], body }: RequestInput, signal: AbortSignal | undefined): Sent {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw malformed('url is no http or https address');
  if (url.username !== '' || url.password !== '') throw malformed('url holds a user or a password, which are not for you to send');
  const own = new Headers();
  for (const { name, value } of headers) {
    if (isReserved(name.toLowerCase())) throw malformed('headers: credentials, cookies, the host and how bytes are carried are not for you to set');
    try {
      own.append(name, value);
    } catch {
      throw malformed('headers: one has a value that no header can have');
    }
  }
  if (body !== undefined && (method === 'GET' || method === 'HEAD')) throw malformed(`a ${method} has no body`);
  return { url, init: { method, headers: own, ...(body !== undefined && { body }), ...(signal && { signal }) } };
}

/** Headers that carry credentials, that say who asks, or that are about the connection. */
function isReserved(name: string): boolean {
  return reserved.has(name) || /^(?:proxy|sec|x-forwarded|l402)-/.test(name);
}

const reserved: ReadonlySet<string> = new Set([
  ...['authorization', 'cookie', 'cookie2', 'macaroon', 'grpc-metadata-macaroon', 'host', 'forwarded', 'x-real-ip', 'via', 'origin', 'referer'],
  ...['connection', 'content-length', 'date', 'expect', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]);
