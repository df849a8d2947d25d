/**
 * Posts events to one webhook: to public addresses alone, unless the configuration lets it be a private one, and never where a redirect points.
 *
 * What is checked is the address that is connected to: the one lookup whose answer is checked is the one whose answer is used, so that a name that leads
 * elsewhere a moment later leads nowhere.
 */
import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { buildConnector } from 'undici';
import { FareboxError } from '../../core/Errors.ts';
import { isPublic, publicOnly } from '../../http/NodeAddresses.ts';
import type { Send } from '../../server/webhooks/Outbox.ts';
import type { WebhookConfig } from '../config/ConfigWebhooks.ts';
import { loadUndici } from '../loadUndici.ts';

/** Posts until it is closed. */
export type Sender = { readonly send: Send; readonly close: () => Promise<void> };

/** Most of an answer that is read, so that the connection can be used again. */
const mostAnswerBytes = 65_536;

/** @param lookup - how names are looked up; for tests */
export function createSend({ name, url, allowPrivate }: WebhookConfig, lookup: LookupFunction = systemLookup as LookupFunction): Sender {
  const undici = loadUndici();
  const refused = () =>
    new FareboxError(
      'ADDRESS_REFUSED',
      `The webhook "${name}" is, or leads to, an address that is not public. It was not told; where it is meant to be there, write "allowPrivate: true".`,
      { details: { host: name, why: 'private' } },
    );
  const connect = undici.buildConnector({ timeout: 5000, lookup: allowPrivate ? lookup : publicOnly(lookup, refused) } as buildConnector.BuildOptions);
  const agent = new undici.Agent({
    connections: 8,
    connect: (options, callback) => {
      // An address is not looked up.
      const address = options.hostname.replace(/^\[|\]$/g, '');
      if (!allowPrivate && isIP(address) !== 0 && !isPublic(address)) return callback(refused(), null);
      return connect(options, callback);
    },
  });
  return {
    send: async ({ headers, body }, signal) => {
      const answer = await undici.request(url, { method: 'POST', headers, body, signal, dispatcher: agent });
      await answer.body.dump({ limit: mostAnswerBytes }).catch(() => {});
      return { status: answer.statusCode, retryAfterSeconds: secondsOf(answer.headers['retry-after']) };
    },
    close: () => agent.destroy(),
  };
}

function secondsOf(value: string | string[] | undefined): number | undefined {
  return typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : undefined;
}
