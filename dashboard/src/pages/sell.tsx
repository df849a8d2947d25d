/** What is sold, and for how much; and changing it, with the 402 that it will cause. */
import type { Route, Service, Statistics } from '../answers.ts';
import { useAsk } from '../hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Empty, PageHead, Panel, Sat, Waiting } from '../parts/parts.tsx';
import { ChangeRoute, NewRoute } from './routeForm.tsx';

export function Sell({ name }: { readonly name: string }) {
  const routes = useAsk<{ readonly routes: readonly Route[] }>('routes.list');
  const services = useAsk<{ readonly services: readonly Service[] }>('services.list');
  const statistics = useAsk<Statistics>('statistics.show', { step: 'hour' });
  const earned = new Map(statistics.value?.routes.map(({ route, earnedMsat }) => [route, earnedMsat]));
  const isNew = name === '+';
  const chosen = routes.value?.routes.find((route) => route.name === name);
  const reload = () => {
    routes.reload();
    services.reload();
  };
  return (
    <>
      <PageHead title="Sell" lead="What is served, and what it costs. Changes are kept beside the configuration, and win over it field by field.">
        <a class="button button-main" href="#/sell/+">
          <Icon name="plus" />
          Add a route
        </a>
      </PageHead>
      <div class={`grid grid-side ${chosen === undefined && !isNew ? '' : 'has-detail'}`}>
        <Panel title="Routes" className={chosen === undefined && !isNew ? 'full' : 'wide'} flush>
          <Waiting of={routes}>{({ routes: all }) => <Routes routes={all} name={name} earned={earned} />}</Waiting>
        </Panel>
        {chosen !== undefined && <ChangeRoute key={chosen.name} route={chosen} onChanged={reload} />}
        {isNew && services.value !== undefined && <NewRoute services={services.value.services} onChanged={reload} />}
      </div>
    </>
  );
}

function Routes({ routes, name, earned }: { readonly routes: readonly Route[]; readonly name: string; readonly earned: ReadonlyMap<string, string> }) {
  if (routes.length === 0) {
    return (
      <Empty icon="sell" title="Nothing is served yet">
        <p>
          <a href="#/sell/+">Add the first route</a>
        </p>
      </Empty>
    );
  }
  return (
    <table class="rows rows-stack rows-sell">
      <thead>
        <tr>
          <th scope="col">Route</th>
          <th scope="col">One payment buys</th>
          <th scope="col" class="number">
            Earned, a day
          </th>
          <th scope="col" class="number">
            Price
          </th>
        </tr>
      </thead>
      <tbody>
        {routes.map((route) => (
          <tr key={`${route.service} ${route.name}`} class={`row-link ${route.name === name ? 'row-chosen' : ''}`}>
            <td class="cell-route">
              <a class="cover plain" href={`#/sell/${encodeURIComponent(route.name)}`} aria-current={route.name === name ? 'true' : undefined}>
                {route.name}
              </a>
              {route.disabled && <span class="state state-bad">off</span>}
              {route.added ? <span class="state">added here</span> : route.changed.length > 0 && <span class="state">changed here</span>}
              <small class="quiet">
                {route.service} → {route.upstream}
              </small>
            </td>
            <td class="cell-terms">{route.units ?? <span class="quiet">–</span>}</td>
            <td class="number cell-earned">{earned.has(route.name) ? <Sat msat={earned.get(route.name) ?? '0'} /> : <span class="quiet">–</span>}</td>
            <td class="number cell-paid">{route.priceMsat === null ? <span class="quiet">free</span> : <Sat msat={route.priceMsat} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
