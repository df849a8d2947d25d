/**
 * The payment page as configured, with its logo read: at the start, as everything that its policy of content stands on.
 */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { FareboxError } from '../../core/Errors.ts';
import type { DrawPage, PageOptions } from '../../server/page/Page.ts';
import type { PageConfig } from '../config/ConfigPage.ts';
import type { Gateway } from '../Gateway.ts';
import { createPage } from './createPage.ts';

/** What people are shown for as long as a gateway is there. */
export type OpenPage = {
  /** Undefined: they are asked to pay as programs are. */
  readonly page: PageOptions | undefined;
  /** Ends the waiting of pages before whatever waits for requests to end. They ask again, and whoever is there then answers them. */
  readonly closing: (close: Gateway['close']) => Gateway['close'];
};

/** Reads what it needs. @throws CONFIG_INVALID – the logo is not there, too large, or no picture that browsers show */
export async function openPage(config: PageConfig | undefined): Promise<OpenPage> {
  const waiting = new AbortController();
  return {
    page: config && { draw: await pageOf(config), signal: waiting.signal },
    closing: (close) => (how) => {
      waiting.abort();
      return close(how);
    },
  };
}

async function pageOf({ name, logoPath, colour, rate }: PageConfig): Promise<DrawPage> {
  return createPage({ name, logo: logoPath === undefined ? undefined : await readLogo(logoPath), colour, rate });
}

/** Every page has it in it, and is to stay small. */
const maxLogoBytes = 6144;

const types: { readonly [extension: string]: string | undefined } = {
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
};

async function readLogo(path: string): Promise<string> {
  const type = types[extname(path).toLowerCase()];
  if (type === undefined) throw invalid(`${path} is no SVG, PNG, JPEG or WebP, as its name says.`);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw invalid(`${path}, the logo of the page, cannot be read (${(cause as NodeJS.ErrnoException).code}).`, cause);
  }
  if (bytes.length > maxLogoBytes) throw invalid(`${path}, the logo of the page, has ${bytes.length} bytes, and ${maxLogoBytes} are taken.`);
  return `data:${type};base64,${bytes.toString('base64')}`;
}

function invalid(message: string, cause?: unknown): FareboxError {
  return new FareboxError('CONFIG_INVALID', message, { cause });
}
