/** How these pages look, who is signed in, and how the gateway stands. */
import { useState } from 'preact/hooks';
import type { Access, AuditProof, AuditRecord, Configuration, Health } from '../answers.ts';
import { signOut } from '../api.ts';
import * as Format from '../format.ts';
import { useAsk } from '../hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Choice, Command, Empty, PageHead, Panel, Time, Waiting } from '../parts/parts.tsx';
import { chooseTheme, readTheme } from '../theme.ts';

const rights = { read: 'see everything', operate: 'see everything, and change prices, terms and tokens', admin: 'see and change everything' } as const;

export function Settings({ onLeave }: { readonly onLeave: () => void }) {
  const health = useAsk<Health>('health.show');
  const access = useAsk<Access>('access.show');
  const configuration = useAsk<Configuration>('config.show');
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
                    ['system', 'System'],
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
                {access.value === undefined ? '' : `May ${rights[access.value.scope]}. `}
                Ends after an hour without use, and after twelve hours in any case.
                <br />
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
                  <dt>Configuration</dt>
                  <dd class="whole-hash">
                    <span title={configuration.value?.file}>{nameOf(configuration.value?.file ?? '…')}</span>
                    {configuration.value?.changesFile != null && (
                      <>
                        <br />
                        <span class="quiet">
                          {configuration.value.changes === 0
                            ? 'nothing is changed'
                            : configuration.value.changes === 1
                              ? 'one change wins over it'
                              : `${Format.count(configuration.value.changes)} changes win over it`}
                          : {nameOf(configuration.value.changesFile)}
                        </span>
                      </>
                    )}
                  </dd>
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
        <Audit />
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

/** Of a path, the last part. */
function nameOf(path: string): string {
  return path.replace(/^.*[/\\]/, '');
}

/** Who has changed what, and whether the log of it is as it was written. */
function Audit() {
  const records = useAsk<{ readonly records: readonly AuditRecord[] }>('audit.list', { limit: 12 });
  const proof = useAsk<AuditProof>('audit.verify');
  const verdict = proof.value;
  return (
    <Panel
      title="What was changed"
      className="full"
      flush
      {...(verdict !== undefined && {
        tools: (
          <span class={`proof ${verdict.ok ? '' : 'bad'}`}>
            <Icon name={verdict.ok ? 'check' : 'alert'} />
            {verdict.ok ? `${Format.plural(verdict.records, 'record')}, unaltered` : `The log was altered: ${verdict.why}`}
          </span>
        ),
      })}
    >
      <Waiting of={records}>
        {({ records: all }) =>
          all.length === 0 ? (
            <Empty icon="settings" title="Nothing was changed yet">
              <p>Every change leaves a record here, chained to the one before it.</p>
            </Empty>
          ) : (
            <table class="rows rows-stack rows-audit">
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">What</th>
                  <th scope="col">Difference</th>
                  <th scope="col">Who</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ seq, at, by, operation, target, outcome, differences }) => (
                  <tr key={seq}>
                    <td class="cell-time">
                      <Time at={at} />
                    </td>
                    <td class="cell-route">
                      <span class="mono">{operation}</span> {outcome !== 'done' && <span class="state state-bad">{outcome}</span>}
                      <small class="quiet">{target}</small>
                    </td>
                    <td class="cell-terms">
                      {differences.map(({ field, before, after }) => (
                        <div key={field}>
                          <span class="quiet">{field}</span> {before ?? '–'} → {after ?? '–'}
                        </div>
                      ))}
                    </td>
                    <td class="cell-state quiet">{by}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Waiting>
    </Panel>
  );
}
