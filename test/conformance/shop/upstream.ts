/**
 * An API behind the paywall that does what each request's query tells it: `?do=status-500`, `?do=hold`, `?do=break` and so on. It
 * remembers every request it saw.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the upstream saw it. */
export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};

/** See the head of this file. */
export type Upstream = {
  readonly url: string;
  /** A loopback address where nobody listens. */
  readonly deadUrl: string;
  readonly seen: readonly Seen[];
  /** Resolves when that many requests have come in all. */
  readonly sees: (count: number) => Promise<void>;
  /** Lets every held answer go on. */
  readonly release: () => void;
  /** Resolves when a connection was given up by the other side before its answer was whole. */
  readonly isGivenUp: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The body of every plain answer. */
export const answerText = JSON.stringify({ translation: 'hola', source: 'en', target: 'es' });

export async function startUpstream(): Promise<Upstream> {
  const seen: Seen[] = [];
  const watchers = new Set<() => void>();
  const held = new Set<() => void>();
  let givenUp = 0;
  const server = createServer((request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) givenUp++;
      for (const watcher of watchers) watcher();
    });
    answer(request, response).catch(() => response.destroy());
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
    for (const watcher of watchers) watcher();
    const what = new URL(request.url ?? '/', 'http://upstream').searchParams.get('do') ?? 'answer';
    const released = () => new Promise<void>((resolve) => held.add(resolve));
    const status = /^status-(\d{3})$/.exec(what)?.[1];
    if (status) return respond(response, Number(status));
    if (what === 'reset') return void response.socket?.destroy();
    if (what === 'hold') await released();
    if (what === 'break' || what === 'stall') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answerText.length });
      response.write(answerText.slice(0, 5));
      await released();
      if (what === 'break') return void response.socket?.destroy();
      return void response.end(answerText.slice(5));
    }
    if (what === 'echo') return respond(response, 200, Buffer.concat(chunks));
    respond(response, 200);
  };
  const listening = createServer();
  for (const one of [server, listening]) await once(one.listen(0, '127.0.0.1'), 'listening');
  const urlOf = (one: typeof server) => `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  const deadUrl = urlOf(listening);
  listening.close();
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!holds()) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  return {
    url: urlOf(server),
    deadUrl,
    seen,
    sees: (count) => until(() => seen.length >= count),
    isGivenUp: () => until(() => givenUp > 0),
    release: () => {
      for (const go of held) go();
      held.clear();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function respond(response: ServerResponse, status: number, body: string | Buffer = answerText): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(status === 304 ? {} : { 'content-length': Buffer.byteLength(body) }) });
  response.end(status === 304 ? undefined : body);
}
