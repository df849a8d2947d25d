/** A purchase from one's own gateway, seen as a buyer sees it. */
import { useRef, useState } from 'preact/hooks';
import type { Route } from '../answers.ts';
import { follow } from '../api.ts';
import * as Format from '../format.ts';
import { useAsk, wordsOf } from '../hooks.ts';
import { Message } from '../parts/http.tsx';
import { Icon } from '../parts/icons.tsx';
import { Command, Empty, Field, PageHead, Panel, Trouble } from '../parts/parts.tsx';
import { exampleOf } from './firstSale.tsx';

type Step = {
  readonly step: 'asked' | 'challenged' | 'paid' | 'answered' | 'ended';
  readonly sentence: string;
  readonly status: number | null;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: string;
  readonly amountMsat: string | null;
  readonly paymentHash: string | null;
};

const names = { asked: 'Request', challenged: '402 Payment Required', paid: 'Payment', answered: 'Answer', ended: 'The end' } as const;
const icons = { asked: 'arrow', challenged: 'sell', paid: 'lightning', answered: 'check', ended: 'alert' } as const;

/** Headers that say something about the sale come first, and others are left out. */
const telling = /^(www-authenticate|payment-|content-type|x-request-id|retry-after|l402-)/i;

export function Try({ path: given, network }: { readonly path: string; readonly network: string | undefined }) {
  const routes = useAsk<{ readonly routes: readonly Route[] }>('routes.list');
  const [typed, setPath] = useState(given);
  const [method, setMethod] = useState('GET');
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [trouble, setTrouble] = useState<string>();
  const [isBuying, setBuying] = useState(false);
  const stop = useRef<AbortController | undefined>(undefined);
  const first = routes.value?.routes.find(({ priceMsat }) => priceMsat !== null);
  const path = typed === '' && first !== undefined ? exampleOf(first.path) : typed;
  const buy = async (event: Event) => {
    event.preventDefault();
    stop.current?.abort();
    const own = new AbortController();
    stop.current = own;
    setSteps([]);
    setTrouble(undefined);
    setBuying(true);
    try {
      for await (const step of follow<Step>('tries.buy', { path, method }, own.signal)) setSteps((before) => [...before, step]);
    } catch (error) {
      if (!own.signal.aborted) setTrouble(wordsOf(error));
    } finally {
      if (stop.current === own) setBuying(false);
    }
  };
  const isPlay = network === 'sandbox';
  return (
    <>
      <PageHead
        title="Try it"
        lead={
          isPlay
            ? 'Buy from your own gateway with play money, and see every step as a buyer does.'
            : 'This gateway sells for real money: buy from it with a wallet of yours.'
        }
      />
      {network !== undefined && !isPlay ? (
        <Panel title="From a terminal">
          <Command text={`farebox get ${location.protocol}//<your host>${path} --max "${first?.priceMsat == null ? '10' : Format.sat(first.priceMsat)} sat"`} />
        </Panel>
      ) : (
        <>
          <form class="try" onSubmit={buy}>
            <Field label="Method">
              <select value={method} onChange={(event) => setMethod(event.currentTarget.value)}>
                {['GET', 'POST', 'PUT', 'DELETE'].map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            </Field>
            <Field label="Path">
              <input
                type="text"
                class="mono"
                value={path}
                spellcheck={false}
                autocomplete="off"
                list="paths"
                onInput={(event) => setPath(event.currentTarget.value)}
              />
            </Field>
            <datalist id="paths">
              {routes.value?.routes.map(({ name, path: pattern }) => (
                <option key={name} value={exampleOf(pattern)} />
              ))}
            </datalist>
            <button type="submit" class="button button-main" disabled={isBuying || !path.startsWith('/')}>
              {isBuying ? 'Buying …' : 'Buy it'}
            </button>
          </form>
          {trouble !== undefined && <Trouble words={trouble} />}
          {steps.length === 0 && !isBuying && trouble === undefined ? (
            <Panel title="What you will see">
              <Empty icon="try" title="A request, a 402, a payment and an answer">
                <p>The wallet is one of the sandbox’s. The payment shows up under Payments like any other.</p>
              </Empty>
            </Panel>
          ) : (
            <ol class="story story-wire" aria-live="polite">
              {steps.map(({ step, sentence, status, headers, body, amountMsat, paymentHash }) => (
                <li
                  key={step}
                  class={`story-${step === 'ended' || (step === 'answered' && (status ?? 0) >= 400) ? 'reversed' : step === 'answered' ? 'earned' : step}`}
                >
                  <span class="story-mark">
                    <Icon name={step === 'answered' && (status ?? 0) >= 400 ? 'alert' : icons[step]} />
                  </span>
                  <div>
                    <p class="story-name">
                      {step === 'answered' && status !== null ? `${status} ${status < 300 ? 'OK' : ''}` : names[step]}
                      {amountMsat !== null && step !== 'answered' && <span>{Format.sat(amountMsat)} sat</span>}
                    </p>
                    <p>{sentence}</p>
                    {headers.length > 0 && (
                      <Message
                        first={`HTTP/1.1 ${status}`}
                        headers={headers.filter(({ name }) => telling.test(name)).map(({ name, value }) => [name, value])}
                        body={body}
                      />
                    )}
                    {step === 'answered' && paymentHash !== null && (
                      <p>
                        <a href={`#/payments/${paymentHash}`}>The payment’s whole story</a>
                      </p>
                    )}
                  </div>
                </li>
              ))}
            </ol>
          )}
        </>
      )}
    </>
  );
}
