/** A route's price, terms and words; and before anything is saved, what would differ and which 402 it would cause. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Changed, Route, RouteChanged, Service } from '../answers.ts';
import { change } from '../api.ts';
import * as Format from '../format.ts';
import { useDryRun, wordsOf } from '../hooks.ts';
import { Message } from '../parts/http.tsx';
import { Icon } from '../parts/icons.tsx';
import { Field, Panel, Trouble } from '../parts/parts.tsx';
import { exampleOf } from './firstSale.tsx';

const termsHint = 'per-request, pass: 1h, bucket: 1500, credit';

const close = (
  <a class="button button-small" href="#/sell">
    <Icon name="close" />
    <span class="unseen">Close</span>
  </a>
);

/** Changes one that is there. */
export function ChangeRoute({ route, onChanged }: { readonly route: Route; readonly onChanged: () => void }) {
  const { name, service, priceMsat, requestMsat, description, disabled, path } = route;
  const written = requestMsat === null ? '' : `${Format.sat(requestMsat).replaceAll(',', '')} sat`;
  const [price, setPrice] = useState(written);
  const [terms, setTerms] = useState('');
  const [words, setWords] = useState(description ?? '');
  const [isOff, setOff] = useState(disabled);
  const [said, setSaid] = useState<string>();
  const [trouble, setTrouble] = useState<string>();
  const [isAsking, setAsking] = useState(false);
  const set = {
    ...(price !== written && price !== '' && { price }),
    ...(terms !== '' && { terms }),
    ...(words !== (description ?? '') && words !== '' && { description: words }),
    ...(isOff !== disabled && { disabled: isOff }),
  };
  const isChanged = Object.keys(set).length > 0;
  const plan = useDryRun<RouteChanged>('routes.change', isChanged ? { route: name, service, ...set } : undefined);
  const save = (event: Event) => {
    event.preventDefault();
    change<RouteChanged>('routes.change', { route: name, service, ...set }).then(
      ({ takesEffect }) => {
        setTrouble(undefined);
        setSaid(takesEffect === 'now' ? 'Saved. It holds for every request from now on.' : 'Saved. It holds within seconds.');
        setTerms('');
        onChanged();
      },
      (error: unknown) => setTrouble(wordsOf(error)),
    );
  };
  const remove = () =>
    change('routes.remove', { route: name, service }).then(
      () => {
        onChanged();
        location.hash = '#/sell';
      },
      (error: unknown) => setTrouble(wordsOf(error)),
    );
  const prospect = plan.value?.route ?? route;
  return (
    <Panel title={name} tools={close}>
      <form class="form" onSubmit={save}>
        <Field label="Price" {...(route.terms === 'credit' && { hint: 'Of one request; a payment buys a credit.' })}>
          <input type="text" value={price} placeholder="free" autocomplete="off" onInput={(event) => setPrice(event.currentTarget.value)} />
        </Field>
        <Field label="One payment buys" hint={`Now: ${route.units ?? 'nothing, it is free'}. Others: ${termsHint}.`}>
          <input type="text" value={terms} placeholder="as it is" list="terms" autocomplete="off" onInput={(event) => setTerms(event.currentTarget.value)} />
          <TermsList />
        </Field>
        <Field label="The invoice says">
          <input type="text" value={words} autocomplete="off" onInput={(event) => setWords(event.currentTarget.value)} />
        </Field>
        <label class="switch">
          <input type="checkbox" checked={isOff} onChange={(event) => setOff(event.currentTarget.checked)} />
          <span>Switched off: answered 503, and nobody is asked to pay</span>
        </label>
        {plan.error !== undefined && <Trouble words={plan.error} />}
        {trouble !== undefined && <Trouble words={trouble} />}
        {plan.value !== undefined && <Differences of={plan.value} />}
        <Preview route={prospect} isProspect={plan.value !== undefined} />
        <div class="form-end">
          <button type="submit" class="button button-main" disabled={!isChanged || plan.error !== undefined}>
            Save
          </button>
          {priceMsat !== null && (
            <a class="button" href={`#/try?path=${encodeURIComponent(exampleOf(path))}`}>
              <Icon name="try" />
              Try it
            </a>
          )}
          {isAsking ? (
            <span class="sure" role="alert">
              Remove it?{' '}
              <button type="button" class="button button-small button-bad" onClick={remove}>
                Remove
              </button>
              <button type="button" class="button button-small" onClick={() => setAsking(false)}>
                Keep
              </button>
            </span>
          ) : (
            <button type="button" class="button button-bad button-last" onClick={() => setAsking(true)}>
              Remove …
            </button>
          )}
        </div>
        <p class="said" role="status">
          {said !== undefined && !isChanged && said}
        </p>
      </form>
    </Panel>
  );
}

/** Adds one to a service. */
export function NewRoute({ services, onChanged }: { readonly services: readonly Service[]; readonly onChanged: () => void }) {
  const [service, setService] = useState(services[0]?.name ?? '');
  const [path, setPath] = useState('');
  const [method, setMethod] = useState('');
  const [price, setPrice] = useState('10 sat');
  const [terms, setTerms] = useState('');
  const [trouble, setTrouble] = useState<string>();
  const input = { service, path, ...(method !== '' && { methods: [method] }), ...(price === '' ? { free: true } : { price }), ...(terms !== '' && { terms }) };
  const isWhole = path.startsWith('/') && service !== '';
  const plan = useDryRun<RouteChanged>('routes.create', isWhole ? input : undefined);
  const save = (event: Event) => {
    event.preventDefault();
    change<RouteChanged>('routes.create', input).then(
      ({ route }) => {
        onChanged();
        location.hash = `#/sell/${encodeURIComponent(route?.name ?? '')}`;
      },
      (error: unknown) => setTrouble(wordsOf(error)),
    );
  };
  return (
    <Panel title="Another route" tools={close}>
      <form class="form" onSubmit={save}>
        <Field label="Service" hint={`Upstream: ${services.find(({ name }) => name === service)?.upstream ?? 'none yet'}`}>
          <select value={service} onChange={(event) => setService(event.currentTarget.value)}>
            {services.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </Field>
        <div class="form-pair">
          <Field label="Method">
            <select value={method} onChange={(event) => setMethod(event.currentTarget.value)}>
              <option value="">Any</option>
              {['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </Field>
          <Field label="Path">
            <input
              type="text"
              class="mono"
              value={path}
              placeholder="/api/v1/*"
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => setPath(event.currentTarget.value)}
            />
          </Field>
        </div>
        <Field label="Price" hint="With its unit. Empty: it is free.">
          <input type="text" value={price} autocomplete="off" onInput={(event) => setPrice(event.currentTarget.value)} />
        </Field>
        <Field label="One payment buys" hint={`Default: one request. Others: ${termsHint}.`}>
          <input type="text" value={terms} placeholder="per-request" list="terms" autocomplete="off" onInput={(event) => setTerms(event.currentTarget.value)} />
          <TermsList />
        </Field>
        {plan.error !== undefined && <Trouble words={plan.error} />}
        {trouble !== undefined && <Trouble words={trouble} />}
        {plan.value?.route != null && <Preview route={plan.value.route} isProspect />}
        <div class="form-end">
          <button type="submit" class="button button-main" disabled={!isWhole || plan.error !== undefined}>
            Add it
          </button>
        </div>
      </form>
    </Panel>
  );
}

function TermsList() {
  return (
    <datalist id="terms">
      {['per-request', 'pass: 1h', 'pass: 30d', 'bucket: 100', 'credit'].map((each) => (
        <option key={each} value={each} />
      ))}
    </datalist>
  );
}

/** What would differ, a field each. */
export function Differences({ of: { differences } }: { readonly of: Changed }) {
  return (
    <ul class="differences" aria-label="What would differ">
      {differences.map(({ field, before, after }) => (
        <li key={field}>
          <span class="quiet">{field}</span> <del>{before ?? 'default'}</del> <span aria-hidden="true">→</span> <ins>{after ?? 'default'}</ins>
        </li>
      ))}
    </ul>
  );
}

/** The answer as it will be, but for what is drawn anew each time. */
function Preview({ route, isProspect }: { readonly route: Route; readonly isProspect: boolean }) {
  const { priceMsat, disabled, units } = route;
  const tense = isProspect ? 'will get' : 'gets';
  if (disabled) return <Answer words={`Whoever asks ${tense} this:`} first="HTTP/1.1 503 Service Unavailable" headers={[]} />;
  if (priceMsat === null) return <p class="quiet">Whoever asks {tense} the upstream’s answer, for nothing.</p>;
  return (
    <Answer
      words={`Whoever asks without paying ${tense} this:`}
      first="HTTP/1.1 402 Payment Required"
      headers={[
        ['WWW-Authenticate', 'LSAT macaroon="…", invoice="ln…"'],
        ['WWW-Authenticate', 'L402 macaroon="…", invoice="ln…", version="0", token="…"'],
        ['L402-Price', `${Format.sat(priceMsat).replaceAll(',', '')} sat`],
      ]}
    >
      <p class="quiet">
        {Format.sat(priceMsat)} sat buy {units}.
      </p>
    </Answer>
  );
}

function Answer(given: {
  readonly words: string;
  readonly first: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="preview">
      <p>{given.words}</p>
      <Message first={given.first} headers={given.headers} />
      {given.children}
    </div>
  );
}
