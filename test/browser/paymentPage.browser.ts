/**
 * The payment page in Chromium, as `examples/articles` sells by it: with JavaScript and without, with a wallet in the browser, where no stream gets
 * through, and where no cookie is kept.
 */
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openSite, type Site } from '../../examples/articles/site.ts';
import { type Browser, startBrowser } from './Browser.ts';

const open: { readonly close: () => Promise<unknown> }[] = [];
let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

afterAll(() => browser?.close());

const articles = {
  first: { title: 'On tolls', teaser: 'Short.', paragraphs: ['A toll is paid once.'] },
  second: { title: 'On <tickets>', teaser: 'Short.', paragraphs: ['A ticket is no receipt.'] },
};

/** A site, and a payer on its sandbox who writes down what it has learnt. */
async function setup(config: object = {}, terms = 'pass: 1d') {
  const site = await openSite(articles, { port: 0, terms, config });
  open.push(site);
  const preimages: string[] = [];
  const payer = site.sandbox.payer('phone');
  const pay = async (invoice: string) => {
    const outcome = await payer.pay({ invoice, maxFeeMsat: 5000n as never, timeoutSeconds: 60 });
    if (outcome.kind !== 'settled') throw new Error(outcome.kind);
    preimages.push(outcome.preimage);
    return outcome.preimage as string;
  };
  return { site, pay, preimages };
}

/** A reader with a browser of their own. `heard` is every answer that it got, head and body. */
async function read(site: Site, options: BrowserContextOptions = {}, name = 'first', prepare: (page: Page) => Promise<unknown> = async () => {}) {
  const context = (await browser.context.browser()?.newContext(options)) as BrowserContext;
  open.push(context);
  const page = await context.newPage();
  const heard: Promise<string>[] = [];
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/40[24]/.test(message.text())) troubles.push(message.text());
  });
  page.on('response', (response) => {
    const body = response.headers()['content-type'] === 'text/event-stream' ? Promise.resolve('') : response.text().catch(() => '');
    heard.push(Promise.all([response.allHeaders(), body]).then(([headers, text]) => JSON.stringify(headers) + text));
  });
  await prepare(page);
  const url = `${site.url}/articles/${name}?from=mail#end`;
  const answer = await page.goto(url);
  return { page, context, url, status: answer?.status(), troubles, heard: async () => (await Promise.all(heard)).join('\n') };
}

const invoiceOn = (page: Page) => page.locator('#invoice').inputValue();

test('an article is bought from another device, and stands at the same address from then on', async () => {
  const { site, pay, preimages } = await setup();
  const reader = await read(site);
  const { page } = reader;
  await page.getByText('Waiting for the payment').waitFor();
  expect(reader.status).toBe(402);
  expect(await page.getByRole('link', { name: 'Open in a wallet' }).last().getAttribute('href')).toBe(`lightning:${await invoiceOn(page)}`);
  await pay(await invoiceOn(page));
  await page.getByText('A toll is paid once.').waitFor();
  expect(page.url()).toBe(reader.url);
  const again = await page.reload();
  expect([again?.status(), again?.headers()['cache-control'], reader.troubles]).toEqual([200, 'private, no-cache', []]);
  const [cookie] = await reader.context.cookies(reader.url);
  expect(cookie).toMatchObject({ name: expect.stringMatching(/^farebox_articles_[0-9a-f]{16}$/), path: '/articles/first', httpOnly: true, sameSite: 'Lax' });
  expect(await reader.heard()).not.toContain(preimages[0]);
});

test("a payment opens the page that showed its invoice, and nobody else's", async () => {
  const { site, pay } = await setup();
  const [mine, other] = [await read(site), await read(site)];
  const [myInvoice, otherInvoice] = [await invoiceOn(mine.page), await invoiceOn(other.page)];
  expect(otherInvoice).not.toBe(myInvoice);
  await pay(otherInvoice);
  await other.page.getByText('A toll is paid once.').waitFor();
  const still = await mine.page.reload();
  expect([still?.status(), await invoiceOn(mine.page)]).toEqual([402, myInvoice]);
  const next = await read(site);
  expect(next.status).toBe(402);
});

test('without JavaScript, the same: pay, press, read', async () => {
  const { site, pay } = await setup();
  const { page, url } = await read(site, { javaScriptEnabled: false });
  const invoice = await invoiceOn(page);
  await page.getByRole('link', { name: 'I have paid' }).click();
  expect(await invoiceOn(page)).toBe(invoice);
  await pay(invoice);
  // The wallet is asked once a second.
  while ((await page.locator('#invoice').count()) > 0) await page.getByRole('link', { name: 'I have paid' }).click();
  await page.getByText('A toll is paid once.').waitFor();
  expect(page.url().split('#')[0]).toBe(url.split('#')[0]);
});

test('a wallet in the browser pays at a press, and one that fails says so', async () => {
  const { site, pay } = await setup();
  let fails = true;
  const stub = async (page: Page) => {
    await page.exposeFunction('payFromStub', async (invoice: string) => {
      if (fails) throw new Error('no');
      return pay(invoice);
    });
    await page.addInitScript(() => {
      const { payFromStub } = globalThis as unknown as { payFromStub: (invoice: string) => Promise<string> };
      Object.assign(globalThis, { webln: { enable: async () => {}, sendPayment: async (invoice: string) => ({ preimage: await payFromStub(invoice) }) } });
    });
  };
  const { page } = await read(site, {}, 'second', stub);
  const button = page.getByRole('button', { name: 'Pay with the wallet in this browser' });
  await button.click();
  await page.getByText('The wallet did not confirm.').waitFor();
  fails = false;
  await button.click();
  await page.getByText('A ticket is no receipt.').waitFor();
});

test('without a wallet in the browser none is offered; the invoice is copied at a press', async () => {
  const { site } = await setup();
  const { page } = await read(site, { permissions: ['clipboard-read', 'clipboard-write'] });
  expect(await page.getByRole('button', { name: 'Pay with' }).count()).toBe(0);
  await page.getByRole('button', { name: 'Copy' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  const copied = () => (globalThis as unknown as { navigator: { clipboard: { readText: () => Promise<string> } } }).navigator.clipboard.readText();
  expect(await page.evaluate(copied)).toBe(await invoiceOn(page));
});

test('over TLS and HTTP/2, the same, and its ticket is never sent in the clear', async () => {
  const { site, pay } = await setup({ tls: 'self-signed' });
  const { page, context } = await read(site, { ignoreHTTPSErrors: true });
  await page.getByText('Can be paid for').waitFor();
  expect(await page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")).toBe('h2');
  expect(await context.cookies()).toMatchObject([{ name: expect.stringMatching(/^farebox_articles_/), secure: true }]);
  await pay(await invoiceOn(page));
  await page.getByText('A toll is paid once.').waitFor();
});

test('where no stream gets through, the page asks again and again', async () => {
  const { site, pay } = await setup();
  const asked: (string | undefined)[] = [];
  const { page } = await read(site, {}, 'first', async (next) => {
    await next.clock.install();
    await next.route('**/articles/*', async (route) => {
      const how = route.request().headers()['l402-page']?.split(' ', 1)[0];
      asked.push(how);
      // One that is held back until its end, as some proxies do.
      if (how !== 'wait') await route.continue();
    });
  });
  await pay(await invoiceOn(page));
  await page.clock.runFor(5000);
  await page.clock.runFor(2000);
  await page.getByText('A toll is paid once.').waitFor();
  expect(asked).toEqual([undefined, 'wait', 'state', undefined]);
});

test('a browser that keeps no cookie is told so, and asked for no payment', async () => {
  const { site } = await setup();
  const { page } = await read(site, {}, 'first', (next) =>
    next.route('**/articles/*', async (route) => {
      await next.context().clearCookies();
      await route.continue();
    }),
  );
  await page.getByText('This browser keeps no cookie of this site').waitFor();
  expect([await page.locator('.qr').isVisible(), await page.locator('#invoice').isVisible()]).toEqual([false, false]);
});

test('an invoice that has expired is not paid any more, and a press brings a new one', async () => {
  const { site } = await setup();
  const { page } = await read(site, {}, 'first', (next) =>
    next.route('**/articles/*', (route) =>
      route.request().headers()['l402-page'] === undefined
        ? route.continue()
        : route.fulfill({ status: 200, headers: { 'content-type': 'text/event-stream' }, body: 'data: over\n\n' }),
    ),
  );
  await page.getByText('This invoice has expired unpaid.').waitFor();
  expect(await page.locator('.qr').isVisible()).toBe(false);
  await page.getByRole('link', { name: 'Get a new invoice' }).click();
  await page.getByText('This invoice has expired unpaid.').waitFor();
});

test('of two tabs, each goes on when its own invoice is paid', async () => {
  const { site, pay } = await setup({}, 'per-request');
  const older = await read(site);
  const kept = await older.context.cookies();
  await older.context.clearCookies();
  const newer = await older.context.newPage();
  await newer.goto(older.url);
  await older.context.addCookies(kept);
  expect(await invoiceOn(newer)).not.toBe(await invoiceOn(older.page));
  await pay(await invoiceOn(older.page));
  await older.page.getByText('A toll is paid once.').waitFor();
  await pay(await invoiceOn(newer));
  await newer.getByText('A toll is paid once.').waitFor();
});

test('whose ticket is there no more is told so, and asked for no payment', async () => {
  const { site } = await setup();
  const { page } = await read(site, {}, 'first', (next) =>
    next.route('**/articles/*', (route) =>
      route.request().headers()['l402-page'] === undefined
        ? route.continue()
        : route.fulfill({ status: 200, headers: { 'content-type': 'text/event-stream' }, body: 'data: gone\n\n' }),
    ),
  );
  await page.getByText('This browser does not keep the ticket for this invoice any more').waitFor();
  expect([await page.locator('.qr').isVisible(), await page.getByRole('link', { name: 'Load again' }).isVisible()]).toEqual([false, true]);
});

test.each([true, false])(
  'a link of another site opens nothing that is paid for once, unless somebody waits for it (JavaScript: %s)',
  async (javaScriptEnabled) => {
    const { site, pay } = await setup({}, 'per-request');
    const link = `<a href="${site.url}/articles/second?from=mail#end">second</a>`;
    const { page } = await read(site, { javaScriptEnabled }, 'first', (next) =>
      next.route('http://elsewhere.localhost/', (route) => route.fulfill({ status: 200, contentType: 'text/html', body: link })),
    );
    const follow = async () => {
      await page.goto('http://elsewhere.localhost/');
      await page.getByRole('link', { name: 'second' }).click();
    };
    await follow();
    await pay(await invoiceOn(page));
    if (!javaScriptEnabled) {
      // The wallet is asked once a second.
      while ((await page.getByText('You have paid for this already.').count()) === 0) await follow();
      await page.getByRole('link', { name: 'Open it now' }).click();
    }
    await page.getByText('A ticket is no receipt.').waitFor();
    expect(page.url().split('#')[0]).toBe(`${site.url}/articles/second?from=mail`);
  },
);
