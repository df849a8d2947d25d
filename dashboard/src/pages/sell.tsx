/** What is sold, and for how much; and the 402 that a price causes. */
import type { Route, Statistics } from '../answers.ts';
import * as Format from '../format.ts';
import { useAsk } from '../hooks.ts';
import { Message } from '../parts/http.tsx';
import { Icon } from '../parts/icons.tsx';
import { Empty, PageHead, Panel, Sat, Waiting } from '../parts/parts.tsx';
import { exampleOf } from './firstSale.tsx';

export function Sell({ name }: { readonly name: string }) {
  const routes = useAsk<{ readonly routes: readonly Route[] }>('routes.list');
  const statistics = useAsk<Statistics>('statistics.show', { step: 'hour' });
  const earned = new Map(statistics.value?.routes.map(({ route, earnedMsat }) => [route, earnedMsat]));
  const chosen = routes.value?.routes.find((route) => route.name === name);
  return (
    <>
      <PageHead title="Sell" lead="Routes, in the order in which they are looked at: the most exact one that fits a request is it." />
      <div class="grid">
        <Panel title="Routes" className={chosen === undefined ? 'full' : 'wide'} flush>
          <Waiting of={routes}>
            {({ routes: all }) =>
              all.length === 0 ? (
                <Empty icon="sell" title="Nothing is served yet">
                  <p>Name an upstream and a route in the configuration.</p>
                </Empty>
              ) : (
                <table class="rows rows-stack rows-sell">
                  <thead>
                    <tr>
                      <th scope="col">Route</th>
                      <th scope="col">Service</th>
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
                    {all.map((route) => (
                      <tr key={route.name} class={`row-link ${route.name === name ? 'row-chosen' : ''}`}>
                        <td class="cell-route">
                          <a class="cover plain" href={`#/sell/${encodeURIComponent(route.name)}`} aria-current={route.name === name ? 'true' : undefined}>
                            {route.name}
                          </a>
                          <small class="quiet">→ {route.upstream}</small>
                        </td>
                        <td class="cell-service">{route.service}</td>
                        <td class="cell-terms">{route.terms ?? <span class="quiet">–</span>}</td>
                        <td class="number cell-earned">{earned.has(route.name) ? <Sat msat={earned.get(route.name) ?? '0'} /> : <span class="quiet">–</span>}</td>
                        <td class="number cell-paid">{route.priceMsat === null ? <span class="quiet">free</span> : <Sat msat={route.priceMsat} />}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )
            }
          </Waiting>
        </Panel>
        {chosen !== undefined && <Detail route={chosen} />}
      </div>
    </>
  );
}

function Detail({ route }: { readonly route: Route }) {
  const { name, priceMsat, path } = route;
  return (
    <Panel
      title={name}
      tools={
        <a class="button button-small" href="#/sell">
          <Icon name="close" />
          <span class="unseen">Close</span>
        </a>
      }
    >
      {priceMsat === null ? (
        <p>It is free: whoever asks gets the upstream’s answer.</p>
      ) : (
        <>
          <p>Whoever asks without paying gets this:</p>
          <Preview priceMsat={priceMsat} />
          <a class="button" href={`#/try?path=${encodeURIComponent(exampleOf(path))}`}>
            <Icon name="try" />
            Buy it with play money
          </a>
        </>
      )}
    </Panel>
  );
}

/** The 402 as it will be, but for what is drawn anew each time. */
export function Preview({ priceMsat }: { readonly priceMsat: string }) {
  return (
    <Message
      first="HTTP/1.1 402 Payment Required"
      headers={[
        ['WWW-Authenticate', 'LSAT macaroon="…", invoice="ln…"'],
        ['WWW-Authenticate', 'L402 macaroon="…", invoice="ln…", version="0", token="…"'],
        ['Content-Type', 'application/problem+json'],
      ]}
      body={`{ "code": "PAYMENT_REQUIRED",\n  "amount": ${(BigInt(priceMsat) + 999n) / 1000n}, "unit": "satoshis",\n  "title": "Payment required", … }\n\nThe invoice asks ${Format.sat(priceMsat)} sat.`}
    />
  );
}
