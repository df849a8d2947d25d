/**
 * Upstreams of which some stand for several: a request to one of those goes to one of them, and every other as it did.
 */
import type { TimerWheel } from '../../../core/TimerWheel.ts';
import type { UpstreamGroup, Upstreams, UpstreamTarget } from '../../Upstream.ts';
import { Group, type GroupSurroundings } from './Group.ts';
import { GroupCall } from './GroupCall.ts';
import { startHealthChecks } from './Health.ts';

/** What groups need of the gateway. */
export type GroupsSurroundings = GroupSurroundings & { readonly timers: TimerWheel };

/** Upstreams that look after groups. */
export type GroupedUpstreams = Upstreams & {
  /** Begins to ask those of groups how they are, where they are to be asked, before the first request does. */
  readonly watch: (targets: Iterable<UpstreamTarget>) => void;
};

/** Puts groups before upstreams. What is known of each lasts as long as this does. */
export function createGroups(upstreams: Upstreams, surroundings: GroupsSurroundings): GroupedUpstreams {
  const groups = new Map<UpstreamTarget, Watched>();
  const open = (target: UpstreamTarget, options: UpstreamGroup): Watched => {
    const group = new Group(options, surroundings);
    const stop = options.health === undefined ? () => {} : startHealthChecks(group, options.health, { upstreams, ...surroundings });
    groups.set(target, { group, stop });
    return { group, stop };
  };
  return {
    send: (request, handler) => {
      const { upstream } = request;
      if (upstream.group === undefined) return upstreams.send(request, handler);
      const { group } = groups.get(upstream) ?? open(upstream, upstream.group);
      const call = new GroupCall(group, upstreams, request, handler);
      call.start();
      return call;
    },
    watch: (targets) => {
      for (const target of targets) if (target.group !== undefined && !groups.has(target)) open(target, target.group);
    },
    drop: (target) => {
      const dropped = groups.get(target);
      groups.delete(target);
      if (dropped === undefined) return upstreams.drop(target);
      dropped.group.isClosed = true;
      dropped.stop();
    },
    ...(upstreams.depth && { depth: upstreams.depth }),
    close: async () => {
      for (const { group, stop } of groups.values()) {
        group.isClosed = true;
        stop();
      }
      await upstreams.close();
    },
  };
}

type Watched = { readonly group: Group; readonly stop: () => void };
