/** Every payment, the newest first. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Payment, Payments, Route } from '../answers.ts';
import { ask, download } from '../api.ts';
import * as Format from '../format.ts';
import { useAsk, useHappenings, useNow, useThrottled, wordsOf } from '../hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Empty, PageHead, Panel, Sat, State, Time, Trouble } from '../parts/parts.tsx';

const pageSize = 50;

type Filter = { readonly paymentHash: string; readonly state: string; readonly service: string; readonly route: string };

export function PaymentsPage({ query }: { readonly query: URLSearchParams }) {
  const of = (name: string) => query.get(name) ?? '';
  const filter: Filter = { paymentHash: of('find'), state: of('state'), service: of('service'), route: of('route') };
  const routes = useAsk<{ readonly routes: readonly Route[] }>('routes.list');
  const listing = useListing(filter);
  const nowAt = useNow();
  const isFiltered = Object.values(filter).some((value) => value !== '');
  const set = (change: Partial<Filter>) => {
    const next = { ...filter, ...change };
    const text = new URLSearchParams(
      Object.entries({ find: next.paymentHash, state: next.state, service: next.service, route: next.route }).filter(([, value]) => value !== ''),
    );
    location.hash = `#/payments${String(text) === '' ? '' : `?${text}`}`;
  };
  const services = [...new Set(routes.value?.routes.map(({ service }) => service))];
  const [trouble, setTrouble] = useState<string>();
  const save = (format: 'csv' | 'jsonl') =>
    download('ledger.export', { format, service: filter.service }, `farebox-ledger.${format}`).then(
      () => setTrouble(undefined),
      (error: unknown) => setTrouble(wordsOf(error)),
    );
  return (
    <>
      <PageHead title="Payments">
        <button type="button" class="button" onClick={() => save('csv')}>
          <Icon name="download" />
          CSV
        </button>
        <button type="button" class="button" onClick={() => save('jsonl')}>
          <Icon name="download" />
          JSON lines
        </button>
      </PageHead>
      {trouble !== undefined && <Trouble words={trouble} />}
      <search class="filters">
        <label class="find">
          <span class="unseen">Payment hash</span>
          <Icon name="search" />
          <input
            type="search"
            placeholder="Payment hash, or its beginning"
            value={filter.paymentHash}
            spellcheck={false}
            onChange={(event) => set({ paymentHash: event.currentTarget.value.trim().toLowerCase() })}
          />
        </label>
        <label>
          <span class="unseen">State</span>
          <select value={filter.state} onChange={(event) => set({ state: event.currentTarget.value })}>
            <option value="">Any state</option>
            <option value="earned">Earned</option>
            <option value="received">Presented, nothing bought yet</option>
            <option value="arrived">Arrived, not presented</option>
            <option value="reversed">Given back</option>
          </select>
        </label>
        {services.length > 1 && (
          <label>
            <span class="unseen">Service</span>
            <select value={filter.service} onChange={(event) => set({ service: event.currentTarget.value })}>
              <option value="">Any service</option>
              {services.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        {filter.route !== '' && (
          <button type="button" class="button chip" onClick={() => set({ route: '' })}>
            {filter.route}
            <Icon name="close" />
            <span class="unseen">: show every route</span>
          </button>
        )}
      </search>
      <Panel title="Payments, newest first" flush className="bare-head">
        {listing.trouble !== undefined && <Trouble words={listing.trouble} again={listing.reload} />}
        {listing.payments === undefined ? (
          <div class="skeleton" role="status" aria-label="Loading">
            <span />
            <span />
            <span />
          </div>
        ) : listing.payments.length === 0 && listing.nextBefore === null ? (
          <Empty icon="payments" title={isFiltered ? 'No payment is like that' : 'No payment yet'}>
            {isFiltered ? (
              <a href="#/payments">Show all</a>
            ) : (
              <p>
                The first one appears here within a second of being made. <a href="#/try">Make it yourself</a>
              </p>
            )}
          </Empty>
        ) : (
          <List payments={listing.payments} nowAt={nowAt} />
        )}
        {listing.payments !== undefined && listing.nextBefore !== null && (
          <p class="more">
            <button type="button" class="button" onClick={listing.more} disabled={listing.isLoading}>
              {listing.payments.length === 0 ? 'Look further back' : 'Older payments'}
            </button>
          </p>
        )}
      </Panel>
    </>
  );
}

function List({ payments, nowAt }: { readonly payments: readonly Payment[]; readonly nowAt: number }) {
  return (
    <table class="rows rows-stack">
      <thead>
        <tr>
          <th scope="col">Last entry</th>
          <th scope="col">State</th>
          <th scope="col">Route</th>
          <th scope="col">Payment</th>
          <th scope="col" class="number">
            Answers
          </th>
          <th scope="col" class="number">
            Paid
          </th>
          <th scope="col" class="number">
            Earned
          </th>
        </tr>
      </thead>
      <tbody>
        {payments.map(({ paymentHash, state, route, sales, amountMsat, earnedMsat, lastAt, terms }) => (
          <tr key={paymentHash} class="row-link">
            <td class="cell-time">
              <Time at={lastAt} nowAt={nowAt} />
            </td>
            <td class="cell-state">
              <State kind={state} />
            </td>
            <td class="cell-route">
              {route} {terms !== '' && <small class="quiet">{terms}</small>}
            </td>
            <td class="cell-hash">
              <a href={`#/payments/${paymentHash}`} class="mono cover">
                <span class="unseen">Payment </span>
                {Format.short(paymentHash)}
              </a>
            </td>
            <td class="number cell-sales">{Format.count(sales)}</td>
            <td class="number cell-paid">
              <Sat msat={amountMsat} />
            </td>
            <td class="number cell-earned">
              <Sat msat={earnedMsat} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Pages of payments; what is new comes in at the top while the reader is on the first one. */
function useListing(filter: Filter) {
  const [state, setState] = useState<{ readonly payments?: readonly Payment[]; readonly nextBefore: number | null }>({ nextBefore: null });
  const [trouble, setTrouble] = useState<string>();
  const [isLoading, setLoading] = useState(false);
  const asked = JSON.stringify(filter);
  const current = useRef(asked);
  current.current = asked;
  const load = (before?: number) => {
    setLoading(true);
    ask<Payments>('payments.list', { ...filter, before, limit: pageSize }).then(
      (page) => {
        if (current.current !== asked) return;
        setTrouble(undefined);
        setLoading(false);
        setState((old) => {
          const kept = before === undefined ? [] : (old.payments ?? []);
          const known = new Set(kept.map(({ paymentHash }) => paymentHash));
          return { payments: [...kept, ...page.payments.filter(({ paymentHash }) => !known.has(paymentHash))], nextBefore: page.nextBefore };
        });
      },
      (error: unknown) => {
        setLoading(false);
        if (current.current === asked) setTrouble(wordsOf(error));
      },
    );
  };
  useEffect(() => {
    setState({ nextBefore: null });
    load();
  }, [asked]);
  const refresh = useThrottled(() => {
    if ((state.payments?.length ?? 0) <= pageSize) load();
  }, 1000);
  useHappenings(({ seq }) => {
    if (seq !== null) refresh();
  });
  return { ...state, trouble, isLoading, reload: () => load(), more: () => load(state.nextBefore ?? undefined) };
}
