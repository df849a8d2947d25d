/**
 * A shop that sells WebSockets, an upstream that holds its end of each in its hands, and a client that writes what it likes.
 */
import type { Socket } from 'node:net';
import { acceptOf } from '../../src/gateway/tunnel/Handshake.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import type { Shop } from '../conformance/shop/shop.ts';
import { type Closing, openRaw, openTcp, type RawClient } from '../gateway/harness.ts';
import { enter } from './thief.ts';

/** What is sold: a WebSocket for one payment, and as many as one likes for an hour. */
export const live = '/live?feed=btc';
export const livePass = '/feed';

/** What a client asks with, and what is the right answer to it. */
export const key = 'dGhlIHNhbXBsZSBub25jZQ==';
export const agreed = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`;
/** A frame that closes in order: a server's, and a client's. */
export const close = { server: '\x88\x02\x03\xe8', client: '\x88\x82\0\0\0\0\x03\xe8' } as const;

/** Ends what a client has received: the gateway closes because what was bought is over, because nothing moves or it goes itself, or it was agreed on. */
export const ends = { withPolicy: ending('\x88\x02\x03\xf0'), goingAway: ending('\x88\x02\x03\xe9'), inOrder: ending('\x88\x02\x03\xe8') } as const;

function ending(text: string): RegExp {
  return new RegExp(`${text}$`);
}

/** A handshake as bytes. */
export function handshake(target: string, ...lines: readonly string[]): string {
  const own = ['Host: a', 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13'];
  return [`GET ${target} HTTP/1.1`, ...own, ...lines, '', ''].join('\r\n');
}

/** See the head of this file. */
export type LiveShop = {
  readonly shop: Shop;
  readonly port: number;
  /** Connections that have reached the upstream, and the heads that came on them. */
  readonly sockets: readonly Socket[];
  readonly heads: readonly string[];
  /** Everything that has reached the upstream. */
  readonly received: () => string;
  /** What the upstream answers to the next head. */
  readonly answer: (how: string | ((socket: Socket) => void)) => void;
  /** Asks with a credential, and waits for nothing. */
  readonly dial: (target: string, authorization?: string, more?: string) => Promise<RawClient>;
  /** Resolves when so many heads have reached the upstream. */
  readonly reached: (count: number) => Promise<void>;
};

/** Opens one; `given` as for any shop. */
export async function enterLive(closing: Closing, overrides: Parameters<typeof enter>[1] = {}, given: Parameters<typeof enter>[2] = {}): Promise<LiveShop> {
  const sockets: Socket[] = [];
  const heads: string[] = [];
  let received = '';
  let how: string | ((socket: Socket) => void) = agreed;
  const upstream = await openTcp(closing, (socket) => {
    sockets.push(socket);
    let text = '';
    let hasBegun = false;
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
      text += bytes.toString('latin1');
      if (hasBegun || !text.includes('\r\n\r\n')) return;
      hasBegun = true;
      heads.push(text);
      if (typeof how === 'string') socket.write(how, 'latin1');
      else how(socket);
    });
  });
  const url = `http://127.0.0.1:${upstream}`;
  const shop = await enter('gateway', overrides, {
    routes: () => [
      { methods: ['GET'], path: '/live', upstream: url, options: { price: '50 sat' } },
      { methods: ['GET'], path: '/feed', upstream: url, options: { price: '500 sat', terms: pass({ seconds: 3600 }), outage: 'passes-only' } },
    ],
    ...given,
  });
  const port = Number(new URL(shop.url).port);
  return {
    shop,
    port,
    sockets,
    heads,
    received: () => received,
    answer: (next) => {
      how = next;
    },
    dial: async (target, authorization, more = '') => {
      const client = await openRaw(closing, port);
      client.write(handshake(target, ...(authorization === undefined ? [] : [`Authorization: ${authorization}`])) + more);
      return client;
    },
    reached: async (count) => {
      while (heads.length < count) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** The status that a client has been answered with. */
export async function statusOf(client: RawClient): Promise<number> {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(await client.until(/^HTTP\/1\.1 \d{3} [\s\S]*\r\n\r\n/))?.[1]);
}
