/**
 * Upstreams in a test's hand: requests that are sent without a gateway, and what became of each, word by word.
 */
import { expect } from 'vitest';
import type { Clock } from '../../src/core/Clock.ts';
import { TimerWheel } from '../../src/core/TimerWheel.ts';
import type { OnwardRequest, Sending, UpstreamLimits, Upstreams, UpstreamTarget } from '../../src/gateway/Upstream.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { type Closing, deferred } from './harness.ts';

/** What became of a request. */
export type Heard = {
  readonly told: string[];
  readonly sending: Sending;
  readonly over: Promise<readonly string[]>;
  readonly until: (pattern: RegExp) => Promise<void>;
};

/** Makes upstreams; `send` sends a request to this one. */
export function openUpstreamClient(
  closing: Closing,
  create: (limits: UpstreamLimits, clock: Clock, timers: TimerWheel) => Upstreams,
  upstream: UpstreamTarget,
  limits: Partial<UpstreamLimits> = {},
) {
  const clock = FixedClock.create();
  const timers = new TimerWheel(clock);
  const upstreams = create({ connections: 8, connectTimeoutMs: 5000, keepAliveMs: 4000, queue: 100, queueTimeoutMs: 10_000, ...limits }, clock, timers);
  closing.push(async () => {
    await upstreams.close();
    timers.close();
    expect(clock.timers()).toBe(0);
  });
  const send = (request: Partial<OnwardRequest> = {}): Heard => {
    const told: string[] = [];
    const over = deferred<readonly string[]>();
    const watchers = new Set<() => void>();
    const tell = (what: string) => {
      told.push(what);
      for (const watcher of watchers) watcher();
      if (/^(?:end|error)/.test(what)) over.resolve(told);
    };
    const sending = upstreams.send(
      { method: 'GET', upstream, path: '/', headers: [], body: null, ...request },
      {
        onInformational: (status, headers) => tell(`${status} ${headers.join(' ')}`),
        onSwitch: (_, wire) => wire.reset(),
        onHead: (status) => tell(`head ${status}`),
        onChunk: (chunk) => tell(chunk.length > 50 ? `${chunk.length} bytes` : chunk.toString()),
        onEnd: (trailers) => tell(trailers.length > 0 ? `end ${trailers.join(' ')}` : 'end'),
        onError: (error) => tell(`error ${error.message}`),
      },
    );
    const until = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => told.some((one) => pattern.test(one)) && resolve();
        watchers.add(look);
        look();
      });
    return { told, sending, over: over.promise, until };
  };
  return { clock, upstreams, send };
}
