/** How business is: what was earned, what is going on, and what needs somebody. */
import { useState } from 'preact/hooks';
import type { Happening, Health, Measured, Payments, Route, Statistics } from '../answers.ts';
import * as Format from '../format.ts';
import { useAsk, useHappenings, useNow, useThrottled } from '../hooks.ts';
import { Chart, type Measure } from '../parts/chart.tsx';
import { Choice, Empty, PageHead, Panel, Sat, State, Time, Waiting } from '../parts/parts.tsx';
import { useScheme } from '../theme.ts';
import { Attention } from './attention.tsx';
import { FirstSale } from './firstSale.tsx';

const spans = {
  hour: { seconds: 3600, step: 'minutes', words: 'Hour', before: 'the hour before' },
  day: { seconds: 86_400, step: 'hour', words: 'Day', before: 'the day before' },
  week: { seconds: 7 * 86_400, step: 'hour', words: 'Week', before: 'the week before' },
  month: { seconds: 30 * 86_400, step: 'day', words: '30 days', before: 'the 30 days before' },
} as const;

type Span = keyof typeof spans;

const place = 'farebox-span';

export function Overview() {
  const [span, setSpan] = useState<Span>(() => (localStorage.getItem(place) as Span | null) ?? 'day');
  const [measure, setMeasure] = useState<Measure>('earnedMsat');
  const { seconds, step, before } = spans[span] ?? spans.day;
  const offsetMinutes = -new Date().getTimezoneOffset();
  // Whole minutes, so that the question changes no more often than its answer.
  const nowAt = Math.floor(useNow() / 60) * 60 + 60;
  const statistics = useAsk<Statistics>('statistics.show', { fromAt: nowAt - seconds, toAt: nowAt, step, offsetMinutes });
  const previous = useAsk<Statistics>('statistics.show', { fromAt: nowAt - 2 * seconds, toAt: nowAt - seconds, step, offsetMinutes });
  const measured = useAsk<Measured>('measures.show');
  const health = useAsk<Health>('health.show');
  const routes = useAsk<{ readonly routes: readonly Route[] }>('routes.list');
  const ever = useAsk<Payments>('payments.list', { limit: 1 });
  const scheme = useScheme();
  // Longer spans have more to add up, and change less to look at.
  const reload = useThrottled(
    () => {
      statistics.reload();
      if (ever.value?.payments.length === 0) ever.reload();
    },
    span === 'hour' || span === 'day' ? 300 : 2000,
  );
  const reloadMeasured = useThrottled(measured.reload, 1500);
  useHappenings(({ seq }) => {
    if (seq !== null) reload();
    reloadMeasured();
  });
  const choose = (next: Span) => {
    localStorage.setItem(place, next);
    setSpan(next);
  };
  const isNew = ever.value?.payments.length === 0;
  return (
    <>
      <PageHead title="Overview">
        <Choice
          label="Span of time"
          value={span}
          options={(Object.keys(spans) as Span[]).map((each) => [each, spans[each].words] as const)}
          onChange={choose}
        />
      </PageHead>
      {isNew && <FirstSale routes={routes.value?.routes} measured={measured.value} network={health.value?.network} />}
      <Waiting of={statistics} lines={4}>
        {(now) => <Figures now={now} before={previous.value} beforeWords={before} measured={measured.value} />}
      </Waiting>
      <div class="columns">
        <div class="column">
          <Panel
            title="Sales over time"
            tools={
              <Choice
                label="What is shown"
                value={measure}
                options={[
                  ['earnedMsat', 'Earned, sat'],
                  ['payments', 'Payments'],
                  ['sales', 'Sales'],
                ]}
                onChange={setMeasure}
              />
            }
          >
            <Waiting of={statistics} lines={6}>
              {(now) =>
                now.series.some(({ payments, sales, earnedMsat }) => payments > 0 || sales !== 0 || earnedMsat !== '0') ? (
                  <Chart statistics={now} measure={measure} scheme={scheme} />
                ) : (
                  <Empty icon="overview" title="Nothing was sold in this span">
                    <p>With the first sale, what is earned appears here over time.</p>
                  </Empty>
                )
              }
            </Waiting>
          </Panel>
          <Panel title="Top routes" flush note={statistics.value && `${spans[span].words.toLowerCase()}, by what they earned`}>
            <Waiting of={statistics}>{(now) => <TopRoutes of={now} />}</Waiting>
          </Panel>
          <Latency measured={measured.value} />
        </div>
        <div class="column">
          <Attention measured={measured} health={health} statistics={statistics.value} previous={previous.value} isNew={isNew} />
          <Live />
        </div>
      </div>
    </>
  );
}

function Figures(given: {
  readonly now: Statistics;
  readonly before: Statistics | undefined;
  readonly beforeWords: string;
  readonly measured: Measured | undefined;
}) {
  const { now, before, beforeWords, measured } = given;
  const { totals } = now;
  return (
    <dl class="figures" aria-live="off">
      <Figure name="Earned" isMain delta={before && change(Format.satNumber(totals.earnedMsat), Format.satNumber(before.totals.earnedMsat), beforeWords)}>
        <Sat msat={totals.earnedMsat} />
      </Figure>
      <Figure name="Payments" delta={before && change(totals.payments, before.totals.payments, '')}>
        {Format.count(totals.payments)}
      </Figure>
      <Figure
        name="Sales"
        delta={totals.reversals > 0 ? `${Format.count(totals.reversals)} given back` : before && change(totals.sales, before.totals.sales, '')}
      >
        {Format.count(totals.sales)}
      </Figure>
      <Figure name="402s that were paid" delta={measured && `${Format.count(measured.paid)} of ${Format.count(measured.challenges)}`}>
        {measured === undefined ? '–' : Format.share(measured.paid, measured.challenges)}
      </Figure>
      <Figure
        name="Paid request, mean"
        delta={measured?.latency.whole.p95Seconds != null ? `95 % within ${Format.duration(measured.latency.whole.p95Seconds)}` : undefined}
      >
        {measured === undefined ? '–' : Format.duration(measured.latency.whole.meanSeconds)}
      </Figure>
    </dl>
  );
}

function Figure({
  name,
  isMain = false,
  delta,
  children,
}: {
  readonly name: string;
  readonly isMain?: boolean;
  readonly delta?: string | undefined;
  readonly children: preact.ComponentChildren;
}) {
  return (
    <div class={isMain ? 'figure figure-main' : 'figure'}>
      <dt>{name}</dt>
      <dd class="figure-value">{children}</dd>
      <dd class="figure-note">{delta ?? ' '}</dd>
    </div>
  );
}

/** `+12 % on the day before` */
function change(now: number, before: number, words: string): string {
  if (words === '') return before === 0 ? '' : `${signed(now, before)} %`;
  if (before === 0) return now === 0 ? `as ${words}` : `nothing ${words}`;
  return `${signed(now, before)} % on ${words}`;
}

function signed(now: number, before: number): string {
  const percent = Math.round(((now - before) / before) * 100);
  return percent === 0 ? '±0' : `${percent > 0 ? '+' : '−'}${Format.count(Math.abs(percent))}`;
}

function TopRoutes({ of }: { readonly of: Statistics }) {
  const most = Math.max(1, ...of.routes.map(({ earnedMsat }) => Format.satNumber(earnedMsat)));
  const routes = of.routes.filter(({ payments, sales, repeats, reversals }) => payments + sales + repeats + reversals > 0);
  if (routes.length === 0) {
    return (
      <Empty icon="sell" title="Nothing was sold in this span">
        <p>What each route earns appears here with its first sale.</p>
      </Empty>
    );
  }
  return (
    <table class="rows">
      <thead>
        <tr>
          <th scope="col">Route</th>
          <th scope="col" class="number hide-phone">
            Sales
          </th>
          <th scope="col" class="number">
            Earned
          </th>
        </tr>
      </thead>
      <tbody>
        {routes.slice(0, 8).map(({ service, route, sales, earnedMsat }) => (
          <tr key={`${service} ${route}`}>
            <td>
              <a class="plain" href={`#/payments?route=${encodeURIComponent(route)}`}>
                {route}
              </a>
              <meter
                class="bar"
                min={0}
                max={most}
                value={Math.max(0, Format.satNumber(earnedMsat))}
                aria-label={`Earned, of the ${Format.count(most)} sat of the best`}
              />
            </td>
            <td class="number hide-phone">{Format.count(sales)}</td>
            <td class="number">
              <Sat msat={earnedMsat} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const kept = 9;

/** What happens is seen as it happens; what was before it, too. */
function Live() {
  const [happenings, setHappenings] = useState<readonly (Happening & { readonly number: number })[]>([]);
  const latest = useAsk<Payments>('payments.list', { limit: kept });
  const nowAt = useNow();
  useHappenings((happening) => {
    setHappenings((before) => [{ ...happening, number: (before[0]?.number ?? 0) + 1 }, ...before].slice(0, kept));
  });
  const before = (latest.value?.payments ?? []).map((payment) => ({
    ...payment,
    kind: payment.state,
    at: payment.lastAt,
    note: '',
    number: payment.paymentHash,
  }));
  const seen = new Set(happenings.map(({ paymentHash }) => paymentHash));
  const all = [...happenings, ...before.filter(({ paymentHash }) => !seen.has(paymentHash))].slice(0, kept);
  return (
    <Panel title="As it happens" flush>
      {all.length === 0 ? (
        <Empty icon="lightning" title="Quiet so far">
          <p>402s, payments and sales appear here within a second.</p>
        </Empty>
      ) : (
        <ol class="feed">
          {all.map(({ number, kind, at, amountMsat, route, note, paymentHash }) => (
            <li key={number} class={typeof number === 'number' ? 'fresh' : ''}>
              <State kind={kind} />
              <span class="feed-what">
                {paymentHash === null ? (
                  route === null || route === '' ? (
                    note
                  ) : (
                    route
                  )
                ) : (
                  <a class="plain" href={`#/payments/${paymentHash}`}>
                    {route === null || route === '' ? Format.short(paymentHash) : route}
                  </a>
                )}
              </span>
              <span class="feed-amount">
                {amountMsat !== null && kind !== 'repeated' ? (
                  <Sat msat={amountMsat} />
                ) : (
                  <span class="quiet">{kind === 'refused' ? note.split(' ')[1] : ''}</span>
                )}
              </span>
              <Time at={at} nowAt={nowAt} isAgo />
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

/** Where the time of a paid request goes. */
function Latency({ measured }: { readonly measured: Measured | undefined }) {
  const { whole, upstream, node, store } = measured?.latency ?? {};
  const parts = [
    ['Upstream', upstream],
    ['Store', store],
    ['Node, for a 402', node],
  ] as const;
  const longest = Math.max(0.0001, ...[whole, ...parts.map(([, part]) => part)].map((part) => part?.meanSeconds ?? 0));
  return (
    <Panel title="Where the time goes" note="means since the gateway started">
      {whole === undefined || whole.count === 0 ? (
        <Empty icon="overview" title="Nothing was measured yet">
          <p>With the first paid request: how long it took in all, and how much of that the upstream, the store and the node.</p>
        </Empty>
      ) : (
        <dl class="times">
          {[['Paid request', whole] as const, ...parts].map(([name, part]) => (
            <div key={name} class={part === whole ? 'times-whole' : ''}>
              <dt>{name}</dt>
              <dd>
                <meter class="bar" min={0} max={longest} value={part?.meanSeconds ?? 0} aria-label={`${name}, of the longest`} />
              </dd>
              <dd class="number">{Format.duration(part?.meanSeconds ?? null)}</dd>
              <dd class="number quiet">{part && part.count > 0 ? `95 % within ${Format.duration(part.p95Seconds)}` : 'not measured'}</dd>
            </div>
          ))}
        </dl>
      )}
    </Panel>
  );
}
