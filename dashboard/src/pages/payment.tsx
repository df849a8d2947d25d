/** One payment's whole story. */
import type { Story } from '../answers.ts';
import * as Format from '../format.ts';
import { useAsk, useHappenings } from '../hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Copy, PageHead, Panel, Sat, State, Time, Waiting } from '../parts/parts.tsx';

const marks = {
  challenged: 'sell',
  delivered: 'arrow',
  left: 'alert',
  released: 'back',
  settled: 'lightning',
  received: 'tokens',
  earned: 'check',
  reversed: 'back',
  repeated: 'copy',
} as const;
const names = {
  challenged: '402 sent',
  delivered: 'Delivered',
  left: 'Client left',
  released: 'Released',
  settled: 'Arrived',
  received: 'Presented',
  earned: 'Earned',
  reversed: 'Given back',
  repeated: 'Repeated',
} as const;

type Happened = {
  readonly key: string;
  readonly at: number;
  readonly kind: keyof typeof marks;
  readonly sentence: string;
  readonly amountMsat?: string;
  readonly route?: string;
};

/** Of what happened in one second, what comes first. */
const order: readonly (keyof typeof marks)[] = ['challenged', 'settled', 'received', 'earned', 'released', 'reversed', 'left', 'repeated', 'delivered'];

/** What the ledger keeps, and what was seen beside it, as it came. */
function merge(entries: Story['entries'], seen: Story['seen']): readonly Happened[] {
  const all: Happened[] = [
    ...entries.map(({ seq, at, kind, amountMsat, route, sentence }) => ({ key: String(seq), at, kind, amountMsat, route, sentence })),
    ...seen.map(({ at, kind, sentence }, index) => ({ key: `seen ${index}`, at, kind: kind as Happened['kind'], sentence })),
  ];
  return all.sort((one, other) => one.at - other.at || order.indexOf(one.kind) - order.indexOf(other.kind));
}

export function PaymentPage({ paymentHash }: { readonly paymentHash: string }) {
  const story = useAsk<Story>('payments.show', { paymentHash });
  useHappenings((happening) => {
    if (happening.paymentHash === paymentHash) story.reload();
  });
  return (
    <>
      <p class="way-back">
        <a href="#/payments">
          <Icon name="back" />
          All payments
        </a>
      </p>
      <PageHead title={`Payment ${paymentHash.slice(0, 8)}`} />
      <Waiting of={story} lines={6}>
        {({ payment, entries, seen }) => (
          <div class="grid">
            <Panel title="What happened" className="wide">
              <ol class="story">
                {merge(entries, seen).map(({ key, at, kind, amountMsat, route, sentence }) => (
                  <li key={key} class={`story-${kind}`}>
                    <span class="story-mark">
                      <Icon name={marks[kind]} />
                    </span>
                    <div>
                      <p class="story-name">
                        {names[kind]}
                        {amountMsat !== undefined && kind !== 'repeated' && (
                          <Sat msat={amountMsat} sign={kind === 'earned' ? '+' : kind === 'reversed' ? '−' : ''} />
                        )}
                      </p>
                      <p>{sentence}</p>
                      <p class="quiet">
                        <Time at={at} />
                        {route !== undefined && route !== '' && ` · ${route}`}
                      </p>
                    </div>
                  </li>
                ))}
              </ol>
            </Panel>
            <Panel title="In short">
              <dl class="facts">
                <div>
                  <dt>State</dt>
                  <dd>
                    <State kind={payment.state} /> {payment.isRevoked && <State kind="denied" />}
                  </dd>
                </div>
                <div>
                  <dt>Paid</dt>
                  <dd>
                    <Sat msat={payment.amountMsat} />
                  </dd>
                </div>
                <div>
                  <dt>Earned</dt>
                  <dd>
                    <Sat msat={payment.earnedMsat} />
                  </dd>
                </div>
                <div>
                  <dt>Answers</dt>
                  <dd>
                    {Format.count(payment.sales)}
                    {payment.repeats > 0 && `, ${Format.plural(payment.repeats, 'repetition')}`}
                  </dd>
                </div>
                <div>
                  <dt>Sold as</dt>
                  <dd>{payment.terms === '' ? 'not presented yet' : payment.terms}</dd>
                </div>
                <div>
                  <dt>Service</dt>
                  <dd>{payment.service}</dd>
                </div>
                <div>
                  <dt>Route</dt>
                  <dd>{payment.route}</dd>
                </div>
                <div>
                  <dt>Payment hash</dt>
                  <dd class="mono whole-hash">
                    {payment.paymentHash} <Copy text={payment.paymentHash} />
                  </dd>
                </div>
              </dl>
            </Panel>
          </div>
        )}
      </Waiting>
    </>
  );
}
