/** The house: where one is, where one can go, and whether what is seen is live. */
import { useEffect, useRef } from 'preact/hooks';
import type { Health } from './answers.ts';
import { useAddress, useAsk, useHappenings, useStream } from './hooks.ts';
import { LightningPage } from './pages/lightning.tsx';
import { Overview } from './pages/overview.tsx';
import { PaymentPage } from './pages/payment.tsx';
import { PaymentsPage } from './pages/payments.tsx';
import { Sell } from './pages/sell.tsx';
import { Settings } from './pages/settings.tsx';
import { Tokens } from './pages/tokens.tsx';
import { Try } from './pages/try.tsx';
import { Icon, type IconName, Mark } from './parts/icons.tsx';

const pages: readonly (readonly [page: string, words: string, icon: IconName])[] = [
  ['', 'Overview', 'overview'],
  ['sell', 'Sell', 'sell'],
  ['payments', 'Payments', 'payments'],
  ['tokens', 'Tokens', 'tokens'],
  ['lightning', 'Lightning', 'lightning'],
  ['try', 'Try it', 'try'],
  ['settings', 'Settings', 'settings'],
];

const living = { opening: 'Connecting', live: 'Live', away: 'Not connected' } as const;

export function House({ onLeave }: { readonly onLeave: () => void }) {
  const { page, rest, query } = useAddress();
  const liveness = useStream(true);
  const health = useAsk<Health>('health.show');
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useHappenings(({ kind }) => {
    if (kind === 'trouble') health.reload();
  });
  useEffect(() => {
    if (liveness !== 'opening') health.reload();
  }, [liveness]);
  // Whoever reads by ear or key is taken to the new page, as a browser would.
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    scrollTo(0, 0);
    main.current?.querySelector('h1')?.focus({ preventScroll: true });
  }, [page, rest]);
  const network = health.value?.network;
  return (
    <div class="house">
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to the page, and the address is kept for where one is */}
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <aside class="rail">
        <a class="brand" href="#/">
          <Mark />
          <span>Farebox</span>
        </a>
        <nav aria-label="Pages">
          {pages.map(([name, words, icon]) => (
            <a key={name} href={`#/${name}`} aria-current={name === page ? 'page' : undefined}>
              <Icon name={icon} />
              <span>{words}</span>
            </a>
          ))}
        </nav>
        <div class="rail-foot">
          {network !== undefined && (
            <p class={`network ${network === 'sandbox' ? 'network-play' : ''}`}>{network === 'sandbox' ? 'Sandbox · play money' : network}</p>
          )}
          <p class={`living living-${liveness}`} role="status">
            <span class="living-dot" />
            {living[liveness]}
          </p>
        </div>
      </aside>
      <main id="main" ref={main} tabIndex={-1}>
        {health.value?.status === 'store-away' && (
          <div class="notice notice-bad" role="alert">
            <Icon name="alert" />
            <p>The store does not answer. What is counted there is not sold until it does; nothing is forwarded on a guess.</p>
          </div>
        )}
        {pageOf()}
      </main>
    </div>
  );

  function pageOf() {
    if (page === 'sell') return <Sell name={rest} />;
    if (page === 'payments') return rest === '' ? <PaymentsPage query={query} /> : <PaymentPage paymentHash={rest} />;
    if (page === 'tokens') return <Tokens />;
    if (page === 'lightning') return <LightningPage />;
    if (page === 'try') return <Try path={query.get('path') ?? ''} network={network} />;
    if (page === 'settings') return <Settings onLeave={onLeave} />;
    return <Overview />;
  }

  function skip(event: Event) {
    event.preventDefault();
    main.current?.focus();
  }
}
