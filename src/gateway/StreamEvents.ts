/**
 * What happens to a stream of HTTP/2, told to one object that belongs to it. Node's streams come and go with every request, and it looks at each
 * listener that one is given: half a dozen of them cost more than the answer's head. They would also keep what they close over alive for much
 * longer than the stream: Node's own part of it is moved to where collecting is dear, with everything that hangs on it.
 */
import type { Http2Stream } from 'node:http2';

/** Told of a stream's events, before its other listeners are. An `error` that nobody else listens to ends here. */
export type StreamFollower = {
  /** True: it has been seen to, as Node asks of some. */
  readonly onEvent: (event: string | symbol, first: unknown, second: unknown, third: unknown) => boolean;
};

/** Tells the follower from now on. One a stream. */
export function followStream(stream: Http2Stream, follower: StreamFollower): void {
  const followed = stream as Followed;
  followed[following] = follower;
  followed.emit = emit;
}

const following = Symbol('follower');

type Followed = Http2Stream & { [following]: StreamFollower };

/** One function for all streams: none of them has one of its own to be made and collected. */
function emit(this: Followed, event: string | symbol, ...values: unknown[]): boolean {
  const isSeenTo = this[following].onEvent(event, values[0], values[1], values[2]);
  if (this.listenerCount(event) === 0) return isSeenTo;
  return Object.getPrototypeOf(this).emit.call(this, event, ...values) || isSeenTo;
}
