/**
 * undici, read where it is used: a gateway without webhooks, whose upstreams are asked by its own client, has no use for its memory.
 */
import { createRequire } from 'node:module';

/** The same at every call. */
export function loadUndici(): typeof import('undici') {
  return createRequire(import.meta.url)('undici') as typeof import('undici');
}
