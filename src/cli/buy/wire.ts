/**
 * What stands between the client and the network for one call: what `--verbose` shows of it, what `--credential` keeps back, and the offer
 * that `--no-pay` prints.
 */
import { shown } from '../../client/Client.ts';
import type { ClientOptions } from '../../client/index.ts';
import { limitConnecting } from '../../client/Timeouts.ts';
import { createUndiciFetch } from '../../client/undici.ts';
import { printable, type Terminal } from '../Terminal.ts';

/** As the client sends a request. */
export type Send = (url: string, init?: RequestInit) => Promise<Response>;

/** The runtime's own. */
export const sendPlainly: Send = (url, init) => fetch(url, init);

/** With a limit on how long a connection may take to stand, each time; the runtime's own where there is none. */
export function sendingWithin(connectMs: number | undefined): Send {
  if (connectMs === undefined) return sendPlainly;
  // The runtime speaks HTTP/1.1 alone, and how a server is spoken to is not to depend on a limit.
  const limited = limitConnecting(createUndiciFetch({ allowH2: false }), { connectMs });
  return (url, init = {}) => limited(url, init);
}

/** What a client is made with to send like that, and to say which limit it was: `send` keeps to the limit by itself. */
export function clientSending(send: Send, connectMs: number | undefined): Pick<ClientOptions, 'fetch' | 'timeouts'> {
  if (connectMs === undefined) return { fetch: send };
  const limited: Send = (url, init) => send(url, init);
  return { fetch: Object.assign(limited, { withConnectLimit: () => limited }), timeouts: { connectMs } };
}

/** Shows heads, as they go out and come in. What lets somebody in is not shown, whoever put it there. */
export function showing(terminal: Terminal, send: Send): Send {
  const say = (text: string) => terminal.note(terminal.tone('quiet', text));
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    const isOurs = /^(L402|LSAT) /.test(headers.get('authorization') ?? '');
    say(`→ ${init?.method ?? 'GET'} ${printable(shown(new URL(url)))}${isOurs ? '  with a credential' : ''}`);
    for (const [name, value] of headers) say(`    ${name}: ${secretNames.test(name) ? '(not shown)' : printable(value)}`);
    const response = await send(url, init);
    say(`← ${response.status} ${printable(response.statusText)}`.trimEnd());
    for (const [name, value] of response.headers) say(`    ${name}: ${secretNames.test(name) ? '(not shown)' : short(printable(value))}`);
    return response;
  };
}

/** What was held back: the credential that would have been sent. */
export type Kept = { readonly send: Send; readonly credential: () => string | undefined };

/** Holds the paid request back and keeps its credential. */
export function keepingCredential(send: Send): Kept {
  let credential: string | undefined;
  return {
    credential: () => credential,
    send: (url, init) => {
      const sent = new Headers(init?.headers).get('authorization');
      if (sent === null || !/^(L402|LSAT) /.test(sent)) return send(url, init);
      credential = sent;
      return Promise.resolve(new Response(null, { status: 200 }));
    },
  };
}

/** Keeps a copy of the last 402, which the client reads for itself. */
export function keepingOffer(send: Send): { readonly send: Send; readonly offer: () => Response | undefined } {
  let offer: Response | undefined;
  return {
    offer: () => offer,
    send: async (url, init) => {
      const response = await send(url, init);
      if (response.status === 402) {
        await offer?.body?.cancel();
        offer = response.clone();
      }
      return response;
    },
  };
}

const secretNames = /^(authorization|proxy-authorization|cookie|set-cookie|l402-authorization|macaroon|grpc-metadata-macaroon|x-api-key|api-key|.*-token)$/i;

/** A token or an invoice is too long to be read. */
function short(value: string): string {
  return value.replace(/[\w+/=-]{100,}/g, (long) => `${long.slice(0, 24)}…`);
}
