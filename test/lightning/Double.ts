/**
 * A product's HTTP API on loopback, as strict as the original: what it does not know it refuses, in the product's own way.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request, whole. */
export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Aborted when the caller is gone. */
  readonly gone: AbortSignal;
};

/** An answer: JSON, text, or lines of JSON as they come. */
export type Told = { readonly status: number; readonly body?: unknown; readonly text?: string; readonly lines?: AsyncIterable<unknown> };

/** One that runs. */
export type Double = {
  readonly url: string;
  /** Down: nobody listens, and who was connected is not any more. Up again, at the same address. */
  readonly setDown: (isDown: boolean) => Promise<void>;
  /** Slow: what is asked is taken, and answered once it is not slow any more. */
  readonly setSlow: (isSlow: boolean) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Starts one. An answer that throws is a 500 with the words of the error. */
export async function openDouble(answer: (asked: Asked) => Promise<Told>): Promise<Double> {
  const sockets = new Set<Socket>();
  let held = Promise.withResolvers<void>();
  held.resolve();
  const whenNotSlow = async (asked: Asked) => {
    await held.promise;
    return answer(asked);
  };
  const server = createServer((request, response) => void serve(request, response, whenNotSlow));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const listen = (port: number) => new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const setSlow = async (isSlow: boolean) => {
    if (isSlow) held = Promise.withResolvers<void>();
    else held.resolve();
  };
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { url: `http://127.0.0.1:${port}`, setDown: (isDown) => (isDown ? close() : listen(port)), setSlow, close };
}

async function serve(request: IncomingMessage, response: ServerResponse, answer: (asked: Asked) => Promise<Told>): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  try {
    const told = await answer({ ...(await read(request)), gone: gone.signal });
    const { status, body, text, lines } = told;
    response.writeHead(status, { 'content-type': text === undefined ? 'application/json' : 'text/plain' });
    if (lines) {
      response.flushHeaders();
      for await (const line of lines) response.write(`${JSON.stringify(line)}\n`);
    }
    response.end(text ?? (body === undefined ? undefined : JSON.stringify(body)));
  } catch (error) {
    if (!response.headersSent) response.writeHead(500);
    response.end(String(error));
  }
}

async function read(request: IncomingMessage): Promise<Omit<Asked, 'gone'>> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://double');
  return { method: request.method ?? '', path: pathname, query: searchParams, headers: request.headers, body: Buffer.concat(parts).toString('utf8') };
}

/** The JSON object of a body, refused where it has a field that the API does not document. @throws Error */
export function fields(body: string, known: readonly string[]): { readonly [name: string]: unknown } {
  const value = JSON.parse(body) as { readonly [name: string]: unknown };
  for (const name of Object.keys(value)) if (!known.includes(name)) throw new Error(`unknown field "${name}"`);
  return value;
}
