/**
 * What an operator is to look at: the node is away, or answers fail. Each is told once when it begins and once when it is over, as an event, and so in logs,
 * metrics and webhooks. What is left of accounts is told by whoever counts it.
 *
 * Answers fail where the upstream or the gateway itself is at fault: 5xx, and answers that broke off. A node is away when it gave no invoice, and back when
 * it gives one; each payee's is looked at by itself. That a payment could not be asked about says nothing of it.
 */
import type { Clock } from '../../core/Clock.ts';
import type { Alert, Events, PaywallEvent } from '../../server/Events.ts';
import type { RequestOutcome } from '../Steps.ts';

/** Failures of the last five minutes, in parts of them. */
const windowMs = { slice: 30_000, slices: 10 };

/** So many answers, and such a part of them failed: it begins; less than the smaller part: it is over. */
const bounds = { fewest: 20, begins: 0.1, ends: 0.05 };

/** Begins to watch. The answer is told of every request that is over. */
export function watchForAlerts(events: Events, clock: Clock): (outcome: Pick<RequestOutcome, 'status' | 'ended'>) => void {
  const emit = (alert: Alert) => events.emit({ at: clock.nowMs(), kind: 'alert', ...alert });
  const hear = followNodes((payee, isAway) => {
    const node = payee === undefined ? 'The Lightning node' : `The Lightning node of "${payee}"`;
    const words = isAway ? `${node} gives no invoices: nothing that is paid to it can be bought.` : `${node} gives invoices again.`;
    emit({ alert: 'node-away', subject: payee ?? 'the node', state: isAway ? 'raised' : 'cleared', words });
  }).hear;
  events.on(hear, { onlyWithOthers: true });

  const slices = Array.from({ length: windowMs.slices }, () => ({ number: -1, all: 0, failed: 0 }));
  let isRising = false;
  return ({ status, ended }) => {
    const number = Math.floor(clock.nowMs() / windowMs.slice);
    const slice = slices[number % windowMs.slices] as (typeof slices)[number];
    if (slice.number !== number) Object.assign(slice, { number, all: 0, failed: 0 });
    slice.all++;
    const isFailed = status >= 500 || ended === 'upstream-failed';
    if (isFailed) slice.failed++;
    // Nothing has begun, and this is no reason to.
    if (!isFailed && !isRising) return;
    const recent = slices.filter((one) => one.number > number - windowMs.slices);
    const all = recent.reduce((sum, one) => sum + one.all, 0);
    const failed = recent.reduce((sum, one) => sum + one.failed, 0);
    const isNow = isRising ? failed >= all * bounds.ends : all >= bounds.fewest && failed >= all * bounds.begins;
    if (isNow === isRising) return;
    isRising = isNow;
    const words = `${failed} of the last ${all} answers have failed${isNow ? '' : ': that is over'}.`;
    emit({ alert: 'failures-rising', subject: 'the gateway', state: isNow ? 'raised' : 'cleared', words });
  };
}

/** Whose nodes give no invoices. Payees have names, no more of them than a configuration has; undefined is the gateway's own. */
export type Nodes = {
  readonly hear: (event: PaywallEvent) => void;
  readonly standing: () => 'ok' | 'away' | 'unknown';
};

/** Follows them by what is told of them. `onChange` is told of each that goes, or comes back. */
export function followNodes(onChange: (payee: string | undefined, isAway: boolean) => void = () => {}): Nodes {
  const away = new Set<string | undefined>();
  let isAnyKnown = false;
  return {
    hear: (event) => {
      const isAway = event.kind === 'trouble' && event.what === 'the node';
      if (!isAway && event.kind !== 'challenged') return;
      isAnyKnown = true;
      if (away.has(event.payee) === isAway) return;
      if (isAway) away.add(event.payee);
      else away.delete(event.payee);
      onChange(event.payee, isAway);
    },
    standing: () => (away.size > 0 ? 'away' : isAnyKnown ? 'ok' : 'unknown'),
  };
}
