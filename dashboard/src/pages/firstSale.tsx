/** Three steps to the first sale, each with what to do next. */
import type { ComponentChildren } from 'preact';
import type { Measured, Route } from '../answers.ts';
import * as Format from '../format.ts';
import { Icon } from '../parts/icons.tsx';

type Step = { readonly name: string; readonly isDone: boolean; readonly words: ComponentChildren; readonly action: ComponentChildren };

export function FirstSale({
  routes,
  measured,
  network,
}: {
  readonly routes: readonly Route[] | undefined;
  readonly measured: Measured | undefined;
  readonly network: string | undefined;
}) {
  const sold = routes?.find(({ priceMsat }) => priceMsat !== null);
  const path = sold === undefined ? '/' : exampleOf(sold.path);
  const isPlay = network === 'sandbox';
  const steps: readonly Step[] = [
    {
      name: 'Put a price on a route',
      isDone: sold !== undefined,
      words: sold === undefined ? 'Name an upstream, a path and what a request costs.' : `${sold.name} sells for ${Format.sat(sold.priceMsat ?? '0')} sat.`,
      action: (
        <a class="button button-small" href={sold === undefined ? '#/sell/+' : '#/sell'}>
          {sold === undefined ? 'Add a route' : 'See what is sold'}
        </a>
      ),
    },
    {
      name: 'See the 402',
      isDone: (measured?.challenges ?? 0) > 0,
      words: 'Ask without paying: the answer is a price, an invoice and a token.',
      action: (
        <a class="button button-small" href={`#/sell/${encodeURIComponent(sold?.name ?? '')}`}>
          Show the 402
        </a>
      ),
    },
    {
      name: 'Make the first sale',
      isDone: false,
      words: isPlay
        ? 'Buy from yourself with play money. Nothing is owed and nothing is earned.'
        : 'Buy from yourself with a wallet of yours, from a terminal.',
      action: (
        <a class={`button button-small ${sold === undefined ? '' : 'button-main'}`} href={`#/try?path=${encodeURIComponent(path)}`}>
          {isPlay ? `Buy ${path}` : 'How to buy'}
        </a>
      ),
    },
  ];
  const next = steps.findIndex(({ isDone }) => !isDone);
  return (
    <section class="first" aria-labelledby="first-sale">
      <h2 id="first-sale">Your first sale is three steps away</h2>
      <ol>
        {steps.map(({ name, isDone, words, action }, index) => (
          <li key={name} class={isDone ? 'done' : index === next ? 'next' : ''}>
            <span class="first-number" aria-hidden="true">
              {isDone ? <Icon name="check" /> : index + 1}
            </span>
            <div>
              <h3>
                {name}
                {isDone && <span class="unseen"> (done)</span>}
              </h3>
              <p>{words}</p>
              {action}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** A path that a pattern fits. */
export function exampleOf(pattern: string): string {
  return (
    pattern
      .replace(/\{[^}]*\}|:\w+/g, 'example')
      .replace(/\/?\*+$/, '/')
      .replaceAll('*', 'example') || '/'
  );
}
