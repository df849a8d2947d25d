/**
 * A wallet on the page, as browser extensions put one there: `webln` of the page, which asks its user and pays out of the sandbox, or does one of
 * the things that wallets do wrong. What it pays is paid by the test's own process.
 */
import type { WeblnProvider } from '../../src/lightning/webln.ts';

/**
 * How a wallet behaves.
 *
 * - `asks`: its user is asked by a dialog of the browser's, and says yes or no.
 * - `hangs`: it takes the payment, pays, and never answers.
 * - `lies`: it pays nothing, and gives a preimage that proves nothing.
 * - `locked`: it waits for a password before it lets the page in, and nobody types it until {@link PageWallet.unlock}.
 */
export type Manner = 'asks' | 'hangs' | 'lies' | 'locked';

/** The wallet as the test has it in its hand. */
export type PageWallet = {
  /** Resolves once the wallet has been asked something that it does not answer. */
  readonly silence: () => Promise<void>;
  /** How often it was asked to pay. */
  readonly orders: () => number;
  readonly unlock: () => void;
};

/** What the browser gives, and what the test's process adds to it. */
type Page = {
  webln?: WeblnProvider;
  readonly confirm: (question: string) => boolean;
  /** Pays out of the sandbox: the preimage. */
  readonly payFromSandbox: (invoice: string) => Promise<string>;
};

/** Puts a wallet of that manner on the page. */
export function install(manner: Manner): PageWallet {
  const page = globalThis as unknown as Page;
  const locked = Promise.withResolvers<void>();
  if (manner !== 'locked') locked.resolve();
  const silent = Promise.withResolvers<void>();
  const fallSilent = silent.resolve;
  let orders = 0;
  page.webln = {
    enable: async () => {
      if (manner === 'locked') fallSilent();
      await locked.promise;
    },
    sendPayment: async (invoice) => {
      orders += 1;
      if (manner === 'lies') return { preimage: '00'.repeat(32) };
      if (manner === 'asks' && !page.confirm('Pay this invoice?')) throw new Error('User rejected');
      const preimage = await page.payFromSandbox(invoice);
      if (manner !== 'hangs') return { preimage };
      fallSilent();
      return new Promise(() => {});
    },
  };
  return { silence: () => silent.promise, orders: () => orders, unlock: locked.resolve };
}
