/** Where payments arrive, and how the wallets answer. */
import type { Lightning } from '../answers.ts';
import * as Format from '../format.ts';
import { useAsk, useHappenings, useThrottled } from '../hooks.ts';
import { Empty, PageHead, Panel, Waiting } from '../parts/parts.tsx';

const words: { readonly [call: string]: string | undefined } = {
  createInvoice: 'Make an invoice',
  lookupInvoice: 'Look an invoice up',
  watch: 'Watch for payments',
  settlements: 'Ask what has arrived',
  canSpend: 'Ask what it may do',
};

export function LightningPage() {
  const lightning = useAsk<Lightning>('lightning.show');
  useHappenings(useThrottled(lightning.reload, 2000));
  return (
    <>
      <PageHead title="Lightning" lead="Where payments arrive. What lets the gateway into a wallet is told nowhere." />
      <Waiting of={lightning}>
        {({ network, wallets, calls }) => (
          <div class="grid">
            <Panel title="Receivers" className="full" flush note={network === 'sandbox' ? 'sandbox: play money, worth nothing' : network}>
              <table class="rows">
                <thead>
                  <tr>
                    <th scope="col">In the configuration</th>
                    <th scope="col">Product</th>
                    <th scope="col">Paid into</th>
                  </tr>
                </thead>
                <tbody>
                  {wallets.map(({ place, kind, paidInto }) => (
                    <tr key={place}>
                      <td class="mono">{place}</td>
                      <td>{kind}</td>
                      <td>{paidInto}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {network === 'sandbox' && (
                <p class="panel-note">
                  To be paid for real, name a wallet or a Lightning address: <code>lightning: you@wallet.com</code>, then start the gateway again.
                </p>
              )}
            </Panel>
            <Panel title="How the node answers" className="full" flush note="since the gateway started">
              {calls.length === 0 ? (
                <Empty icon="lightning" title="The node was not asked yet">
                  <p>With the first 402 it is asked for an invoice.</p>
                </Empty>
              ) : (
                <table class="rows">
                  <thead>
                    <tr>
                      <th scope="col">Call</th>
                      <th scope="col" class="number">
                        Calls
                      </th>
                      <th scope="col" class="number">
                        Failed
                      </th>
                      <th scope="col" class="number">
                        Mean
                      </th>
                      <th scope="col" class="number hide-phone">
                        95 % within
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {calls.map(({ call, count, failed, meanSeconds, p95Seconds }) => (
                      <tr key={call}>
                        <td>{words[call] ?? call}</td>
                        <td class="number">{Format.count(count)}</td>
                        <td class={`number ${failed > 0 ? 'bad' : ''}`}>{Format.count(failed)}</td>
                        <td class="number">{Format.duration(meanSeconds)}</td>
                        <td class="number hide-phone">{Format.duration(p95Seconds)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )}
            </Panel>
          </div>
        )}
      </Waiting>
    </>
  );
}
