/**
 * A visitor of a site, in a page of the browser, with a wallet.
 */
import type { BrowserContext } from 'playwright-core';
import type { InPage } from './page.ts';
import type { openNetwork } from './Site.ts';
import type { Manner } from './wallet.ts';

/** What the page can be asked to do, and waited for. */
export type Visit = { readonly [Name in keyof InPage]: (...given: Parameters<InPage[Name]>) => Promise<Awaited<ReturnType<InPage[Name]>>> } & {
  /** What the visitor's wallet has spent, in msat. */
  readonly spentMsat: () => Promise<bigint>;
  readonly close: () => Promise<void>;
};

/** How a visitor is. */
export type Visitor = {
  readonly manner: Manner;
  /** What is said to the wallet's questions, in order; to any further one what was said last. */
  readonly says?: readonly ('yes' | 'no')[];
};

/** Opens the page of the site at that address. */
export async function visit(context: BrowserContext, url: string, network: ReturnType<typeof openNetwork>, visitor: Visitor): Promise<Visit> {
  const page = await context.newPage();
  const answers = [...(visitor.says ?? ['yes'])];
  page.on('dialog', (dialog) => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    void (answer === 'yes' ? dialog.accept() : dialog.dismiss());
  });
  await page.exposeFunction('payFromSandbox', network.pay);
  await page.goto(url);
  await page.evaluate((manner) => {
    const loaded = globalThis as unknown as { farebox: { open: (manner: Manner) => InPage }; visit: InPage };
    loaded.visit = loaded.farebox.open(manner);
  }, visitor.manner);
  const ask = (name: string) => (given?: unknown) =>
    page.evaluate(
      ([asked, value]) => (globalThis as unknown as { visit: Record<string, (value: unknown) => unknown> }).visit[asked as string]?.(value),
      [name, given],
    );
  const [pay, buy, advance, silence, orders, unlock] = ['pay', 'buy', 'advance', 'silence', 'orders', 'unlock'].map(ask);
  return { pay, buy, advance, silence, orders, unlock, spentMsat: network.spentMsat, close: () => page.close() } as Visit;
}
