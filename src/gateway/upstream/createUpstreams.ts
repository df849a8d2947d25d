/**
 * Who carries requests to upstreams.
 */
import type { Clock } from '../../core/Clock.ts';
import type { UpstreamLimits, Upstreams } from '../Upstream.ts';
import { createUndiciUpstreams } from './UndiciUpstream.ts';

/** Upstreams that open as they are needed. */
export function createUpstreams(limits: UpstreamLimits, clock: Clock): Upstreams {
  return createUndiciUpstreams(limits, clock);
}
