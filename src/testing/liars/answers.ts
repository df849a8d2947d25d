/**
 * What sellers and wallets do with a connection, honest ones and others.
 */
import type { ServerResponse } from 'node:http';
import { encode } from '../../lightning/sandbox/Wire.ts';
import type { MadeOffer, OfferScript } from '../Offers.ts';
import type { Booth, Done, Script, Visit } from './Way.ts';

type Serving = NonNullable<Script['serve']>;

/** An offer, or one that is being made. */
export type Making = MadeOffer | Promise<MadeOffer>;

/** What is sold. */
export const answerBody = '{"ok":true}';

/** Sells one answer for one payment. */
export function sell(visit: Visit, booth: Booth, script?: OfferScript): Done {
  const { paid, response } = visit;
  if (!paid || paid.isDelivered) return ask(response, booth.offer(script));
  paid.isDelivered = true;
  deliver(response);
}

/** Lets a proof of payment be seen by one, and a request without it by another. */
export function byProof(paid: Serving, bare: Serving = (visit, booth) => ask(visit.response, booth.offer())): Serving {
  return (visit, booth) => (visit.paid ? paid(visit, booth) : bare(visit, booth));
}

/** Answers 402 with an offer, in both schemes. */
export async function ask(response: ServerResponse, making: Making, extra: { readonly headers?: Record<string, string>; readonly body?: unknown } = {}) {
  const offer = await making;
  const lines = [challengeOf(offer, 'LSAT'), challengeOf(offer, 'L402')];
  send(response, 402, { 'WWW-Authenticate': lines, ...extra.headers }, extra.body ?? { message: 'Payment required' });
}

/** One challenge. */
export function challengeOf({ token, invoice }: Pick<MadeOffer, 'token' | 'invoice'>, scheme: 'L402' | 'LSAT' = 'L402'): string {
  return `${scheme} macaroon="${token}", invoice="${invoice}"`;
}

/** Answers with what is sold. */
export function deliver(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(answerBody);
}

/** Answers with JSON. */
export function send(response: ServerResponse, status: number, headers: Record<string, string | string[]> = {}, body: unknown = { message: 'No.' }): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Answers as a wallet does: amounts as decimal strings. */
export function reply(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(encode(value));
}

/** Refuses as a wallet does. */
export function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: { code, message } }));
}

/** Sends the reader elsewhere. */
export function redirect(response: ServerResponse, location: string, status = 302): void {
  response.writeHead(status, { Location: location }).end();
}

/** Writes bytes as they are, then closes the connection. */
export function sendRaw(response: ServerResponse, text: string): void {
  response.socket?.end(text, 'latin1');
}

/** Resets the connection. */
export function cut(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

/** Writes for as long as somebody reads, up to so many bytes; tells when all of them were taken. */
export function pour(response: ServerResponse, mostBytes: number, taken: () => void = () => {}, chunk: string | Buffer = ' '.repeat(16_384)): void {
  let sent = 0;
  const more = () => {
    while (!response.destroyed && sent < mostBytes) {
      sent += chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', more);
        return;
      }
    }
    if (response.destroyed) return;
    taken();
    response.destroy();
  };
  more();
}
