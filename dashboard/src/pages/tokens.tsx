/** What a token allows, in words; what was handed on of it; and refusing it. */
import { useState } from 'preact/hooks';
import type { Changed, Inspected, Node, Revoked } from '../answers.ts';
import { change } from '../api.ts';
import * as Format from '../format.ts';
import { useAsk, useHappenings, wordsOf } from '../hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Empty, Field, PageHead, Panel, State, Time, Trouble, Waiting } from '../parts/parts.tsx';
import { Tree } from './tree.tsx';

export function Tokens() {
  const [text, setText] = useState('');
  const [token, setToken] = useState('');
  const [inspected, setInspected] = useState<Inspected>();
  const [nodes, setNodes] = useState<readonly Node[]>();
  const [trouble, setTrouble] = useState<string>();
  const revoked = useAsk<{ readonly revoked: readonly Revoked[]; readonly more: boolean }>('tokens.revoked', { limit: 20 });
  useHappenings(({ kind }) => {
    if (kind === 'denied') revoked.reload();
  });
  const look = async (asked: string) => {
    try {
      const said = await change<Inspected>('tokens.inspect', { token: asked });
      setInspected(said);
      setText('');
      setToken(asked);
      setTrouble(undefined);
      // Not everything that was sold can be handed on: then there is no tree.
      const tree = said.known ? await change<{ readonly nodes: readonly Node[] }>('tokens.tree', { token: asked }).catch(() => undefined) : undefined;
      setNodes(tree?.nodes);
    } catch (error) {
      setInspected(undefined);
      setTrouble(wordsOf(error));
    }
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void look(text.trim());
  };
  return (
    <>
      <PageHead title="Tokens" lead="Paste one to see what it is good for. It is neither kept nor written down, and nothing of it is used up." />
      <div class="grid grid-side">
        <Panel title="Inspect" className="wide">
          <form class="form" onSubmit={submit}>
            <Field label="A token, or L402 <token>:<preimage>">
              <textarea class="mono" value={text} spellcheck={false} autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />
            </Field>
            <div class="form-end">
              <button type="submit" class="button button-main" disabled={text.trim() === ''}>
                Inspect
              </button>
            </div>
          </form>
          {trouble !== undefined && <Trouble words={trouble} />}
          {inspected !== undefined && <Verdict of={inspected} />}
          {inspected?.known && <Revoke inspected={inspected} onRevoked={() => void look(token)} />}
        </Panel>
        <Panel title="Refused for good" flush>
          <Waiting of={revoked}>
            {({ revoked: all }) =>
              all.length === 0 ? (
                <Empty icon="tokens" title="Nothing is refused">
                  <p>What is revoked is refused by every gateway of the store within a second.</p>
                </Empty>
              ) : (
                <ul class="plain-list">
                  {all.map(({ kind, value, untilAt }) => (
                    <li key={`${kind} ${value}`}>
                      <span class="quiet">{kind}</span> <span class="mono">{Format.short(value)}</span>
                      {untilAt !== null && (
                        <span class="quiet">
                          {' '}
                          until <Time at={untilAt} />
                        </span>
                      )}
                    </li>
                  ))}
                </ul>
              )
            }
          </Waiting>
        </Panel>
        {nodes !== undefined && nodes.length > 0 && (
          <Panel title="What was handed on" className="full" note={nodes.length === 1 ? 'nothing yet' : Format.plural(nodes.length - 1, 'part')}>
            <Tree nodes={nodes} />
          </Panel>
        )}
      </div>
    </>
  );
}

function Verdict({ of }: { readonly of: Inspected }) {
  const { known, good, detail, allows, service, terms, mintedAt, validUntilAt, left, paid, revoked, paymentHash, tokenId } = of;
  if (!known) {
    return (
      <p class="verdict verdict-bad">
        <Icon name="alert" />
        <span>It was not made with the keys of this gateway, or was changed. Nothing more can be said of it.</span>
      </p>
    );
  }
  return (
    <>
      <p class={`verdict ${good ? 'verdict-good' : 'verdict-bad'}`}>
        <Icon name={good ? 'check' : 'alert'} />
        <span>{good ? 'A request with it would be let through.' : (detail ?? 'A request with it would be refused.')}</span>
      </p>
      <ul class="allows" aria-label="What it allows">
        {allows.map((each) => (
          <li key={each}>{each}</li>
        ))}
      </ul>
      <dl class="facts">
        {service !== null && <Fact name="Sold as">{`${service}${terms === null ? '' : `, ${terms}`}`}</Fact>}
        <Fact name="Paid">{paid ? 'the proof came with it' : 'no proof came with it'}</Fact>
        {left !== null && <Fact name="Left">{left}</Fact>}
        {mintedAt !== null && (
          <Fact name="Made">
            <Time at={mintedAt} />
          </Fact>
        )}
        {validUntilAt !== null && (
          <Fact name="Good until">
            <Time at={validUntilAt} />
          </Fact>
        )}
        {revoked && (
          <Fact name="Revoked">
            <State kind="denied" />
          </Fact>
        )}
        {paymentHash !== null && (
          <Fact name="Payment">
            <a class="mono" href={`#/payments/${paymentHash}`}>
              {Format.short(paymentHash)}
            </a>
          </Fact>
        )}
        {tokenId !== null && (
          <Fact name="Token id">
            <span class="mono whole-hash">{tokenId}</span>
          </Fact>
        )}
      </dl>
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Revoke({ inspected, onRevoked }: { readonly inspected: Inspected; readonly onRevoked: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const { tokenId, paymentHash, revoked } = inspected;
  if (revoked) return null;
  const revoke = (what: { readonly tokenId?: string | null; readonly payment?: string | null }) =>
    change<Changed>('tokens.revoke', what).then(
      () => {
        setAsking(false);
        onRevoked();
      },
      (error: unknown) => setTrouble(wordsOf(error)),
    );
  return (
    <div class="form-end">
      {trouble !== undefined && <Trouble words={trouble} />}
      {isAsking ? (
        <>
          <span role="alert">In every gateway, for good:</span>
          <button type="button" class="button button-bad" onClick={() => revoke({ tokenId })}>
            Revoke this token
          </button>
          <button type="button" class="button button-bad" onClick={() => revoke({ payment: paymentHash })}>
            All that the payment bought
          </button>
          <button type="button" class="button" onClick={() => setAsking(false)}>
            Keep it
          </button>
        </>
      ) : (
        <button type="button" class="button button-bad" onClick={() => setAsking(true)}>
          Revoke …
        </button>
      )}
    </div>
  );
}
