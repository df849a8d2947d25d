/**
 * A client of HTTP/2 in the clear, in a process of its own: so many requests at once over a few connections, one after the other on each
 * stream's place, counted by status. gRPC calls are requests with a body, counted by their `grpc-status` as well.
 */
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { quantile } from '../harness/Comparison.ts';
import type { Driven } from '../harness/Load.ts';
import { serve } from '../harness/Program.ts';

/** What to send. */
export type Http2Drive = {
  readonly port: number;
  /** Sent in turn and from the start again. */
  readonly requests: readonly OutgoingHttpHeaders[];
  /** Of each request. */
  readonly body: Buffer | undefined;
  readonly count: number;
  readonly connections: number;
  /** At once, over all connections. */
  readonly streams: number;
  /** All answers must have come by then. */
  readonly withinMs: number;
};

const sessions = new Map<number, ClientHttp2Session[]>();

serve(() => ({
  ready: undefined,
  answer: (drive: Http2Drive) => send(drive),
  close: () => {
    for (const session of [...sessions.values()].flat()) session.destroy();
  },
}));

function send({ port, requests, body, count, connections, streams, withinMs }: Http2Drive): Promise<Driven> {
  return new Promise((resolve, reject) => {
    const open = take(port, connections);
    const statuses: { [status: number]: number } = {};
    const tookMs: number[] = [];
    let sent = 0;
    // As in `loadProgram.ts`: it never sleeps while it works.
    let isOver = false;
    const stayAwake = () => {
      if (!isOver) setImmediate(stayAwake);
    };
    setImmediate(stayAwake);
    const end = () => {
      isOver = true;
      clearTimeout(late);
    };
    const late = setTimeout(() => {
      end();
      reject(new Error(`${tookMs.length} of ${count} answers within ${withinMs} ms`));
    }, withinMs);
    const next = (session: ClientHttp2Session) => {
      if (sent === count) return;
      const sentAtMs = performance.now();
      const stream = session.request(requests[sent++ % requests.length] as OutgoingHttpHeaders, { endStream: body === undefined });
      let status = 0;
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
        if (headers['grpc-status'] !== undefined && headers['grpc-status'] !== '0') status = 600 + Number(headers['grpc-status']);
      });
      stream.on('trailers', (trailers) => {
        if (trailers['grpc-status'] !== '0') status = 600 + Number(trailers['grpc-status']);
      });
      stream.on('error', () => {
        status = 599;
      });
      stream.on('close', () => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        tookMs.push(performance.now() - sentAtMs);
        if (tookMs.length < count) return next(session);
        end();
        resolve({ statuses, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) });
      });
      stream.resume();
      if (body !== undefined) stream.end(body);
    };
    for (let at = 0; at < Math.min(streams, count); at++) next(open[at % open.length] as ClientHttp2Session);
  });
}

function take(port: number, count: number): readonly ClientHttp2Session[] {
  const open = (sessions.get(port) ?? []).filter((session) => !session.closed && !session.destroyed);
  while (open.length < count) {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { enablePush: false } });
    session.on('error', () => {});
    open.push(session);
  }
  sessions.set(port, open);
  return open.slice(0, count);
}
