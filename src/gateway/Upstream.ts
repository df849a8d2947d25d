/**
 * What the gateway asks of whoever carries requests to upstreams, and what it is told of the answers. Who carries is chosen in
 * `upstream/createUpstreams.ts`.
 *
 *     onInformational* ─┬─ onHead ─ onChunk* ─ onEnd        or onError, at any moment, and nothing after it
 *                       └─ onSwitch
 *
 * @see RFC 9112, section 6; docs/wire.md, "The life of a claim"
 */
import type { SecureContext } from 'node:tls';
import type { RequestBody } from './RequestBody.ts';
import type { Wire } from './tunnel/Wire.ts';

/** Where requests go. Two with the same origin and other certificates share no connection. */
export type UpstreamTarget = {
  /** Such as `https://api.internal:8443`. */
  readonly origin: string;
  /** Whom to believe, and what to show, over https; default: as everybody does. */
  readonly secureContext?: SecureContext;
  /** `h2`: HTTP/2 alone; `auto`: over TLS, as the upstream says. Default: HTTP/1.1. */
  readonly protocol?: 'h2' | 'auto';
  /** It stands for several, of which one gets each request; `origin` is the first one's then. */
  readonly group?: UpstreamGroup;
};

/** Several that do the same. */
export type UpstreamGroup = GroupRules & { readonly members: readonly UpstreamTarget[] };

/** How requests are shared out among several. */
export type GroupRules = {
  /** Each in its turn, or the one with the fewest requests under way. */
  readonly balance: 'round-robin' | 'least-busy';
  /** On how many others a request that failed is tried. */
  readonly retries: number;
  readonly breaker: BreakerOptions;
  /** Undefined: nobody is asked how it is. */
  readonly health: HealthOptions | undefined;
};

/** When one of several is left out, and for how long. */
export type BreakerOptions = {
  /** So many failures in a row. */
  readonly failures: number;
  /** The first time; each time after it twice as long. */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  /** Statuses that are failures. */
  readonly statuses: readonly number[];
};

/** How each of several is asked how it is. */
export type HealthOptions = {
  /** Whole, with the path of their addresses. */
  readonly path: string;
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** So many good answers in a row, and it is used again. */
  readonly healthy: number;
  /** So many others in a row, and it is left out. */
  readonly unhealthy: number;
  /** Statuses that are good answers. */
  readonly statuses: readonly number[];
};

/** A request as it goes out. */
export type OnwardRequest = {
  readonly method: string;
  readonly upstream: UpstreamTarget;
  /** With the query. */
  readonly path: string;
  /** Names and values in turn, one byte a character. Without `Content-Length` a body goes out in chunks; `Host` is the upstream's unless it is here. */
  readonly headers: readonly string[];
  readonly body: RequestBody | null;
  /** Asks to go on as a WebSocket, on a connection of its own. */
  readonly isUpgrade?: boolean;
};

/** Some bytes; few of them may come as text, one byte a character. */
export type Chunk = Buffer | string;

/** How far a request had come that failed. `unsent`: nothing of it went out; `begun`: something of an answer has come. */
export type Reach = 'unsent' | 'begun';

/** Told what becomes of a request. Headers and trailers are names and values in turn, one byte a character. */
export type AnswerHandler = {
  /** An answer before the answer, such as 103. */
  readonly onInformational: (status: number, headers: readonly string[]) => void;
  readonly onHead: (status: number, headers: readonly string[]) => void;
  /** A 101 to a request that asked for it: what the connection says from now on is the handler's, who also ends it. Nobody reads it yet. */
  readonly onSwitch: (headers: readonly string[], wire: Wire) => void;
  /** Bytes of the body, which are the handler's from now on. `release`: where they are wanted back, is called when nobody looks at them any more, or never. */
  readonly onChunk: (chunk: Chunk, release?: () => void) => void;
  /** The answer is whole. */
  readonly onEnd: (trailers: readonly string[]) => void;
  /** There will be no whole answer. `reach`: undefined where nothing is known. */
  readonly onError: (error: Error, reach?: Reach) => void;
};

/** A request under way. */
export type Sending = {
  /** No more of the answer for now; what has been read already may still come. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Breaks it off, and tells the handler nothing more that matters. After the end this does nothing. */
  readonly abort: () => void;
  /** Told before `abort` where it is broken off because no answer came in time. */
  readonly onLate?: () => void;
};

/** Every upstream of a gateway. */
export type Upstreams = {
  /** Sends a request. The handler is told nothing before this returns, unless it failed at once. */
  readonly send: (request: OnwardRequest, handler: AnswerHandler) => Sending;
  /** Closes the connections to a target that nobody uses any more. */
  readonly drop: (target: UpstreamTarget) => void;
  /** How full they are; undefined: nobody can tell. */
  readonly depth?: () => UpstreamDepth;
  /** Breaks off what is under way and closes every connection. */
  readonly close: () => Promise<void>;
};

/** Connections that are open, and requests that wait for one. */
export type UpstreamDepth = { readonly connections: number; readonly waiting: number };

/** All of them together. */
export function totalDepth(depths: Iterable<UpstreamDepth | undefined>): UpstreamDepth {
  let [connections, waiting] = [0, 0];
  for (const depth of depths) {
    connections += depth?.connections ?? 0;
    waiting += depth?.waiting ?? 0;
  }
  return { connections, waiting };
}

/** What bounds them. */
export type UpstreamLimits = {
  /** Connections to one upstream; requests beyond it wait for one. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** A connection that is not used is closed after that long, where the upstream does not say how long it keeps it. */
  readonly keepAliveMs: number;
  /** Requests that wait for a connection to one upstream; more are refused. */
  readonly queue: number;
  /** One that has waited for so long is refused as well. */
  readonly queueTimeoutMs: number;
};
