/**
 * Bars over time. What they show is said in a sentence as well, and stands in a table for whoever reads that.
 */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Statistics } from '../answers.ts';
import * as Format from '../format.ts';

export type Measure = 'earnedMsat' | 'payments' | 'sales';

const names: { readonly [measure in Measure]: string } = { earnedMsat: 'Earned', payments: 'Payments', sales: 'Sales' };

export function Chart({ statistics, measure, scheme }: { readonly statistics: Statistics; readonly measure: Measure; readonly scheme: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const told = useRef<HTMLOutputElement>(null);
  const { series, stepSeconds } = statistics;
  const values = series.map((step) => (measure === 'earnedMsat' ? Format.satNumber(step.earnedMsat) : step[measure]));
  const data: uPlot.AlignedData = [series.map(({ at }) => at), values];
  const latest = useRef(statistics);
  latest.current = statistics;

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const colours = getComputedStyle(document.documentElement);
    const colour = (name: string) => colours.getPropertyValue(name).trim();
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const font = `12px ${colour('--sans')}`;
    const options: uPlot.Options = {
      ...size(),
      padding: [12, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      scales: {
        // Half a step on either side, so that the first bar and the last one are whole.
        x: { range: (_, from, to) => [from - stepSeconds / 2, to + stepSeconds / 2] },
        y: { range: (_, low, high) => [Math.min(0, low), Math.max(high * 1.08, low < 0 ? 0 : 1)] },
      },
      axes: [
        {
          stroke: colour('--quiet'),
          font,
          grid: { show: false },
          ticks: { show: false },
          space: 72,
          gap: 8,
          size: 32,
          values: (_, ticks) => ticks.map((at) => Format.tick(at, stepSeconds)),
        },
        {
          stroke: colour('--quiet'),
          font,
          grid: { stroke: colour('--line'), width: 1 },
          ticks: { show: false },
          space: 44,
          gap: 8,
          size: (_, ticks) => 18 + 7.2 * Math.max(2, ...(ticks ?? []).map((tick) => tick.length)),
          values: (_, ticks) => ticks.map((value) => (Number.isInteger(value) ? Format.count(value) : '')),
        },
      ],
      series: [
        {},
        {
          fill: colour('--bar'),
          stroke: colour('--bar'),
          width: 0,
          paths: uPlot.paths.bars?.({ size: [0.72, 48], radius: 0.18 }) as uPlot.Series.PathBuilder,
          points: { show: false },
        },
      ],
      hooks: {
        setCursor: [
          ({ cursor }) => {
            const output = told.current;
            const step = cursor.idx === null || cursor.idx === undefined ? undefined : latest.current.series[cursor.idx];
            if (output === null) return;
            output.textContent =
              step === undefined ? '' : `${Format.time(step.at)} · ${Format.sat(step.earnedMsat)} sat · ${Format.plural(step.payments, 'payment')}`;
          },
        ],
      },
    };
    const made = new uPlot(options, data, element);
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize(size()));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [stepSeconds, measure, scheme]);

  useEffect(() => plot.current?.setData(data), [statistics, measure]);

  const most = values.reduce((best, value, i) => (value > (values[best] ?? 0) ? i : best), 0);
  const peak = series[most];
  const total = measure === 'earnedMsat' ? `${Format.sat(statistics.totals.earnedMsat)} sat` : Format.count(statistics.totals[measure]);
  const sentence = `${names[measure]} by time: ${total} in all${peak !== undefined && (values[most] ?? 0) > 0 ? `, most at ${Format.time(peak.at)}` : ''}.`;
  return (
    <figure class="chart">
      <div class="chart-place" ref={place} role="img" aria-label={sentence} />
      <output class="chart-told" ref={told} aria-hidden="true" />
      <details class="chart-table">
        <summary>The same as a table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so has to be reached by key */}
        <section class="table-scroll" tabIndex={0} aria-label="Earned by time">
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                <th scope="col" class="number">
                  Earned
                </th>
                <th scope="col" class="number">
                  Payments
                </th>
                <th scope="col" class="number">
                  Sales
                </th>
              </tr>
            </thead>
            <tbody>
              {series
                .filter(({ payments, sales, earnedMsat }) => payments > 0 || sales !== 0 || earnedMsat !== '0')
                .map((step) => (
                  <tr key={step.at}>
                    <td>{Format.exactTime(step.at)}</td>
                    <td class="number">{Format.sat(step.earnedMsat)} sat</td>
                    <td class="number">{Format.count(step.payments)}</td>
                    <td class="number">{Format.count(step.sales)}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  );
}
