/** What needs somebody: said in a sentence each, the worst first; and where nothing does, that. */
import type { ComponentChildren } from 'preact';
import type { Health, Measured, Statistics } from '../answers.ts';
import * as Format from '../format.ts';
import type { Loaded } from '../hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Panel } from '../parts/parts.tsx';

/** Refusals that say something about the gateway, rather than about who asks. */
const ours: { readonly [code: string]: string | undefined } = {
  LIGHTNING_UNAVAILABLE: 'the node did not answer, so no invoice could be made',
  LIGHTNING_UNAUTHORIZED: 'the node does not let us in any more',
  STORE_UNAVAILABLE: 'the store did not answer',
  UPSTREAM_UNREACHABLE: 'the upstream could not be reached',
  UPSTREAM_TIMEOUT: 'the upstream took too long',
  UPSTREAM_MALFORMED: 'the upstream answered with what is no HTTP',
  UPSTREAM_AWAY: 'every upstream of the route was left out',
  UPSTREAM_BUSY: 'the upstream had no room',
  PRICE_UNKNOWN: 'the price could not be found out',
  RATE_LIMITED: 'a limit of yours was reached',
};

type Point = { readonly tone: 'bad' | 'wait'; readonly name: string; readonly words: ComponentChildren };

export function Attention(given: {
  readonly measured: Loaded<Measured>;
  readonly health: Loaded<Health>;
  readonly statistics: Statistics | undefined;
  readonly previous: Statistics | undefined;
  readonly isNew: boolean;
}) {
  const points = pointsOf(given);
  return (
    <Panel title="Needs attention" {...(points.length > 0 && { note: String(points.length) })}>
      {points.length === 0 ? (
        <p class="all-well">
          <Icon name="check" />
          <span>
            {given.health.value === undefined ? 'Looking …' : 'Nothing. The store serves, no upstream is left out, and nothing failed since the start.'}
          </span>
        </p>
      ) : (
        <ul class="points">
          {points.map(({ tone, name, words }) => (
            <li key={name} class={`point point-${tone}`}>
              <Icon name="alert" />
              <div>
                <p class="point-name">{name}</p>
                <p>{words}</p>
              </div>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function pointsOf({ measured, health, statistics, previous, isNew }: Parameters<typeof Attention>[0]): readonly Point[] {
  const points: Point[] = [];
  if (health.value?.status === 'store-away')
    points.push({ tone: 'bad', name: 'The store is away', words: 'What is counted is refused with 503 until it is back.' });
  for (const upstream of measured.value?.upstreamsLeftOut ?? [])
    points.push({ tone: 'bad', name: 'An upstream is left out', words: `${upstream} gets no requests at present.` });
  for (const { code, count } of measured.value?.refusals ?? []) {
    const why = ours[code];
    if (why !== undefined)
      points.push({ tone: 'bad', name: `${Format.plural(count, 'request')} refused`, words: `Since the start, because ${why} (${code}).` });
  }
  for (const { what, count } of measured.value?.troubles ?? [])
    points.push({ tone: 'bad', name: `Trouble with ${what}`, words: `${Format.plural(count, 'time')} since the start. The log says more.` });
  const { totals } = statistics ?? {};
  if (totals && totals.reversals > 0 && totals.reversals > 0.05 * (totals.sales + totals.reversals)) {
    points.push({
      tone: 'wait',
      name: 'Many answers are given back',
      words: (
        <>
          {Format.share(totals.reversals, totals.sales + totals.reversals)} of what was bought failed, and{' '}
          <a href="#/payments?state=reversed">the payments are good again</a>.
        </>
      ),
    });
  }
  if (!isNew && totals?.payments === 0 && (previous?.totals.payments ?? 0) > 0)
    points.push({
      tone: 'wait',
      name: 'Nobody has paid in this span',
      words: `In the one before there were ${Format.plural(previous?.totals.payments ?? 0, 'payment')}.`,
    });
  return points;
}
