/**
 * The API that is sold: it lives in the runner, is never killed, counts every request by its idempotency key, and misbehaves as it is told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What it does with one request:
 *
 * - `answer`: a short answer. `long`: one of many chunks.
 * - `refuse`: 503. `miss`: 404. `reset`: the connection breaks before the head. `break`: it breaks after the head and a part of the body.
 * - `slow`: asks for time ({@link UpstreamOptions.onSlow}) before it answers. `late`: the same, for so long that nobody waits any more.
 * - `hold`: nothing, until {@link Upstream.release}; then a short answer. `stall`: head and a part of the body, and nothing until then.
 */
export type Behaviour = 'answer' | 'long' | 'refuse' | 'miss' | 'reset' | 'break' | 'slow' | 'late' | 'hold' | 'stall';

/** One request as it was answered. */
export type Served = {
  readonly method: string;
  /** Under what its path was sold. */
  readonly terms: string;
  /** What is bought: the rest of its path. */
  readonly item: string;
  readonly idempotencyKey: string | undefined;
  readonly behaviour: Behaviour;
  /** The body as it was sent, or would have been. */
  readonly body: string;
  /** The head went out, with this status. */
  status: number;
  /** The last byte went out. */
  whole: boolean;
};

/** See the head of this file. */
export type Upstream = {
  readonly url: string;
  readonly served: readonly Served[];
  /** What the next requests for an item get, in turn; after that they are answered. */
  readonly script: (item: string, behaviours: readonly Behaviour[], then?: Behaviour) => void;
  /** Resolves when a request for the item has come that is held. */
  readonly isHeld: (item: string) => Promise<void>;
  readonly release: (item: string) => void;
  readonly close: () => Promise<void>;
};

/** How it is made. */
export type UpstreamOptions = {
  /** Called by what is slow or late; it answers when that resolves. */
  readonly onSlow: (behaviour: 'slow' | 'late') => Promise<void>;
  /** Called with every request that has come whole. */
  readonly onServed: (served: Served) => void;
};

/**
 * The requests, without those that were sent again behind a `reset`: what changes nothing, and of which no byte of an answer came on a connection
 * that had been used before, is sent once more, and is one request all the same.
 */
export function withoutRepeated(served: readonly Served[]): readonly Served[] {
  const repeated = new Set<string>();
  return served.filter(({ method, behaviour, idempotencyKey }, index) => {
    if (method !== 'GET' || behaviour !== 'reset' || idempotencyKey === undefined || repeated.has(idempotencyKey)) return true;
    if (!served.some((later, at) => at > index && later.idempotencyKey === idempotencyKey)) return true;
    repeated.add(idempotencyKey);
    return false;
  });
}

/** Starts it on a port that is free. */
export async function startUpstream({ onSlow, onServed }: UpstreamOptions): Promise<Upstream> {
  const served: Served[] = [];
  const scripts = new Map<string, { next: Behaviour[]; readonly last: Behaviour }>();
  const held = new Map<string, () => void>();
  const watchers = new Set<() => void>();
  const hold = (item: string, response: ServerResponse) =>
    new Promise<void>((resolve) => {
      held.set(item, resolve);
      response.once('close', resolve);
      for (const watcher of watchers) watcher();
    }).finally(() => held.delete(item));

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const sent = await textOf(request);
    const [, terms = '', item = ''] = (request.url ?? '').split('/');
    const script = scripts.get(item);
    const behaviour = script?.next.shift() ?? script?.last ?? 'answer';
    const text = `${item} for ${sent === '' ? 'nothing' : sent}, served as number ${served.length}.`;
    const body = behaviour === 'long' ? `${text}\n${'and so on '.repeat(1000)}` : text;
    const key = request.headers['idempotency-key'];
    const record: Served = {
      method: request.method ?? '',
      terms,
      item,
      idempotencyKey: typeof key === 'string' ? key : undefined,
      behaviour,
      body,
      status: 0,
      whole: false,
    };
    served.push(record);
    onServed(record);
    if (behaviour === 'slow' || behaviour === 'late') await onSlow(behaviour);
    if (behaviour === 'hold') await hold(item, response);
    if (behaviour === 'reset') return void response.socket?.destroy();
    if (response.destroyed) return;
    record.status = behaviour === 'refuse' ? 503 : behaviour === 'miss' ? 404 : 200;
    response.on('finish', () => {
      record.whole = true;
    });
    response.writeHead(record.status, { 'Content-Type': 'text/plain', ...(behaviour === 'long' ? {} : { 'Content-Length': Buffer.byteLength(body) }) });
    if (behaviour === 'break' || behaviour === 'stall') {
      await new Promise<void>((resolve) => response.write(body.slice(0, 10), () => resolve()));
      if (behaviour === 'stall') await hold(item, response);
      return void response.socket?.destroy();
    }
    if (behaviour === 'long') {
      for (let from = 0; from < body.length && !response.destroyed; from += 2000) {
        response.write(body.slice(from, from + 2000));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    response.end(behaviour === 'long' ? undefined : body);
  };

  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    answer(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 0;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served,
    script: (item, behaviours, then = 'answer') => scripts.set(item, { next: [...behaviours], last: then }),
    isHeld: (item) =>
      new Promise((resolve) => {
        const look = () => {
          if (!held.has(item)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    release: (item) => held.get(item)?.(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
