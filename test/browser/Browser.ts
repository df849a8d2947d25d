/**
 * Chromium, driven by the tests: found on this machine, started without its window in a folder of its own, and ended with the tests.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

/** A browser that runs. */
export type Browser = { readonly context: BrowserContext; readonly version: string; readonly close: () => Promise<void> };

/** What keeps it to itself: no window, no profile of anybody's, nothing that it asks the internet for on its own. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts it. `believes`: whatever certificate it is shown. @throws Error – there is none on this machine */
export async function startBrowser({ believes = false } = {}): Promise<Browser> {
  const executablePath = findBrowser();
  if (executablePath === undefined) throw new Error('There is no Chromium on this machine. On Debian: apt-get install chromium');
  const folder = mkdtempSync(join(tmpdir(), 'farebox-browser-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, args: flags, ignoreHTTPSErrors: believes });
    const close = async () => {
      await context.close();
      remove();
    };
    return { context, version: context.browser()?.version() ?? 'unknown', close };
  } catch (error) {
    remove();
    throw error;
  }
}

function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'chromium')).find((file) => existsSync(file));
}
