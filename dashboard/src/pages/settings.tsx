/** How these pages look, who is signed in, and how the gateway stands. */
import { useState } from 'preact/hooks';
import type { Health } from '../answers.ts';
import { signOut } from '../api.ts';
import * as Format from '../format.ts';
import { useAsk } from '../hooks.ts';
import { Choice, Command, PageHead, Panel, Waiting } from '../parts/parts.tsx';
import { chooseTheme, readTheme } from '../theme.ts';

export function Settings({ onLeave }: { readonly onLeave: () => void }) {
  const health = useAsk<Health>('health.show');
  const [theme, setTheme] = useState(readTheme);
  const leave = () => signOut().finally(onLeave);
  return (
    <>
      <PageHead title="Settings" />
      <div class="grid">
        <Panel title="This browser">
          <dl class="facts">
            <div>
              <dt>Colours</dt>
              <dd>
                <Choice
                  label="Colours"
                  value={theme}
                  options={[
                    ['system', 'As the machine'],
                    ['light', 'Light'],
                    ['dark', 'Dark'],
                  ]}
                  onChange={(next) => {
                    chooseTheme(next);
                    setTheme(next);
                  }}
                />
              </dd>
            </div>
            <div>
              <dt>Session</dt>
              <dd>
                Ends by itself after an hour without use, and after twelve hours in any case.{' '}
                <button type="button" class="button button-small" onClick={leave}>
                  Sign out
                </button>
              </dd>
            </div>
          </dl>
        </Panel>
        <Panel title="The gateway" className="wide">
          <Waiting of={health}>
            {({ network, realm, store, routes, status }) => (
              <dl class="facts">
                <div>
                  <dt>Network</dt>
                  <dd>{network === 'sandbox' ? 'sandbox: play money, worth nothing' : network}</dd>
                </div>
                <div>
                  <dt>Realm</dt>
                  <dd>{realm}</dd>
                </div>
                <div>
                  <dt>Store</dt>
                  <dd>
                    {store}, {status === 'ok' ? 'which serves' : 'which does not answer'}
                  </dd>
                </div>
                <div>
                  <dt>Routes</dt>
                  <dd>{Format.count(routes)}</dd>
                </div>
              </dl>
            )}
          </Waiting>
        </Panel>
        <Panel title="From a terminal" className="full">
          <p>Everything here is a call of the admin listener, and every call is a command too. A token for a program:</p>
          <Command text="farebox admin token --scope read --expires 1h" />
          <p>
            The calls are described in <a href="/openapi.json">openapi.json</a>.
          </p>
        </Panel>
      </div>
    </>
  );
}
