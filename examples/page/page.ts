/**
 * What runs in the reader's browser: it asks what each article costs, and buys one with the wallet of the browser when its button is pressed.
 *
 * In a project of your own, `../../src/…` reads `farebox/client`, `farebox` and `farebox/lightning/webln`, and `network: 'sandbox'` goes.
 */
import { createClient, type PricedQuote, paymentOf } from '../../src/client/index.ts';
import { Amount, FareboxError } from '../../src/index.ts';
import { createWeblnPayer, type WeblnProvider } from '../../src/lightning/webln.ts';
import { button, make, type Part, part } from './dom.ts';

/** An article as the list has it. */
type Listed = { readonly name: string; readonly title: string; readonly teaser: string };

const page = globalThis as unknown as { webln?: WeblnProvider; readonly addEventListener: (event: string, listener: () => void) => void };

// The wallet is looked for when it is to pay. WebLN takes no limit for the fee: 2 sat are reckoned with.
const client = createClient({ payer: createWeblnPayer({ network: 'sandbox' }), maxPerRequest: '10 sat', assumedMaxFee: '2 sat' });

/** An article on the page. */
class Card {
  readonly #url: string;
  readonly #actions = make('div', 'actions');
  readonly #note = make('p', 'note');
  readonly #text = make('div', 'text');
  readonly part: Part;

  constructor({ name, title, teaser }: Listed) {
    this.#url = `/articles/${encodeURIComponent(name)}`;
    this.#note.setAttribute('role', 'status');
    this.#text.setAttribute('tabindex', '-1');
    this.part = make('article', '', make('h2', '', title), make('p', 'teaser', teaser), this.#text, this.#actions, this.#note);
  }

  /** Asks what it costs, and offers it for that. Nothing is paid. */
  async offer(): Promise<void> {
    try {
      const quote = await client.quote(this.#url);
      if (quote.kind === 'free') return await this.#show(quote.response);
      if (quote.kind === 'covered') return await this.#show(await quote.send());
      if (quote.kind === 'refused') return this.#say(`This offer is not safe to pay: ${quote.message}`);
      if (quote.allowed !== true) return this.#say(quote.allowed.message);
      this.#actions.replaceChildren(button(`Read for ${words(quote.amountMsat)}`, () => void this.#buy(quote)));
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      this.#actions.replaceChildren(button('Ask for the price again', () => void this.offer()));
    }
  }

  async #buy(quote: PricedQuote): Promise<void> {
    if (page.webln === undefined) return showHowToGetAWallet();
    await this.#read(() => quote.pay());
  }

  async #read(send: () => Promise<Response>): Promise<void> {
    const waiting = button('Waiting for your wallet …', () => {});
    waiting.disabled = true;
    this.#actions.replaceChildren(waiting);
    this.#say('');
    try {
      await this.#show(await send());
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      // It may have been paid. The client knows what became of it, and pays nothing twice: ask for the article, and for no other price.
      if (FareboxError.is(error, 'PAYMENT_UNKNOWN', 'PAYMENT_INTERRUPTED')) {
        this.#actions.replaceChildren(button('Ask for it again', () => void this.#read(() => client.fetch(this.#url))));
      } else await this.offer();
    }
  }

  async #show(response: Response): Promise<void> {
    if (!response.ok) throw new Error(`The site answered ${response.status}.`);
    const { paragraphs } = (await response.json()) as { readonly paragraphs: readonly string[] };
    this.#text.replaceChildren(...paragraphs.map((text) => make('p', '', text)));
    this.#actions.replaceChildren();
    const payment = paymentOf(response);
    this.#say(payment === undefined || payment.reused ? '' : `Paid ${words(payment.amountMsat)}, and at most ${words(payment.feeMsat)} for the fee.`);
    this.#text.focus();
  }

  #say(text: string): void {
    this.#note.textContent = text;
  }
}

/** An amount in words. */
function words(msat: bigint): string {
  return Amount.format(Amount.fromMsat(msat));
}

/** Says so where the browser has no wallet, and offers one with play money, as this is a sandbox. */
function showHowToGetAWallet(): void {
  const notice = part('no-wallet');
  notice.hidden = page.webln !== undefined;
  if (!notice.hidden) {
    notice.scrollIntoView({ block: 'nearest' });
    notice.focus();
  }
}

/** A wallet of the sandbox, in the place of one that a browser's extension brings. */
const playWallet: WeblnProvider = {
  enable: async () => {},
  sendPayment: async (invoice) => {
    const response = await fetch('/play-wallet', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ invoice }) });
    if (!response.ok) throw new Error(`The play wallet answered ${response.status}.`);
    return response.json();
  },
};

part('play-money').addEventListener('click', () => {
  page.webln = playWallet;
  part('no-wallet').hidden = true;
  part('playing').hidden = false;
});

// Extensions put their wallet on the page before it is loaded, or some time later and say so.
part('no-wallet').hidden = page.webln !== undefined;
page.addEventListener('webln:ready', () => {
  part('no-wallet').hidden = true;
});

try {
  const listed = (await (await fetch('/articles')).json()) as readonly Listed[];
  const cards = listed.map((one) => new Card(one));
  part('articles').replaceChildren(...cards.map((card) => card.part));
  await Promise.all(cards.map((card) => card.offer()));
} catch {
  part('articles').replaceChildren(make('p', 'notice', 'The site does not say what there is to read. Load this page again in a while.'));
}
