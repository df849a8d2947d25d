/**
 * Who is told what happens, as the configuration names them.
 *
 *     webhooks:
 *       - name: books
 *         url: https://books.example.com/farebox
 *         secret: /run/secrets/books
 *         events: [payment.earned, payment.reversed]
 */
import { z } from 'zod';
import { type EventType, eventTypes } from '../../server/webhooks/Message.ts';
import * as Fields from '../ConfigFields.ts';
import type { Field } from '../ConfigLightning.ts';
import { readSecretWord, type SecretChoice, secretAt, withoutText } from '../ConfigSecrets.ts';
import type { ConfigText, Mistakes } from '../ConfigText.ts';

/** One of them, complete. */
export type WebhookConfig = {
  /** Names its bookmark, and stands in logs. */
  readonly name: string;
  /** A secret as far as its path goes: some receivers know their callers by nothing else. */
  readonly url: string;
  readonly secret: SecretChoice;
  readonly events: readonly EventType[];
  readonly allowPrivate: boolean;
  readonly giveUpAfterSeconds: number;
};

/** The schema of `webhooks`. */
export function webhooksSchema(field: Field) {
  return z.array(
    z.strictObject({
      /** Names it in logs, and what it has been told in the store: under another name it is somebody else, who is told what comes from now on. No default. */
      name: field(Fields.readName),
      /** Where events are posted, over https; or out of the environment, `${HOOK_URL}`. No default. */
      url: field(readUrl),
      /** What events are signed with: the file that holds it, or itself out of the environment; `whsec_` and base64, or 24 characters and more. Two between spaces sign both, while one is exchanged for the other. No default. */
      secret: field(readSecretWord),
      /** Which events. Default: all of them. */
      events: z
        .array(field(Fields.readOneOf(eventTypes)))
        .min(1)
        .optional(),
      /** `true`: it may be at an address that is not public, and without TLS. Default: `false`, whatever its name leads to. */
      allowPrivate: z.boolean().optional(),
      /** How old an event may be that is tried again, ten times at least; then it is passed over. Default: `3d`. */
      giveUpAfter: field(Fields.readDurationSeconds).optional(),
    }),
  );
}

/** As the schema reads them. */
export type WebhooksFile = z.output<ReturnType<typeof webhooksSchema>>;

/** Completes them. Mistakes go to `mistakes`. */
export function readWebhooks(
  found: WebhooksFile | undefined,
  text: ConfigText,
  absolute: (path: string) => string,
  mistakes: Mistakes,
): readonly WebhookConfig[] {
  const names = new Set<string>();
  return (found ?? []).map(({ name, url, secret, events, allowPrivate = false, giveUpAfter }, index) => {
    if (names.has(name)) mistakes.add(['webhooks', index, 'name'], `there are two webhooks named "${name}"`);
    names.add(name);
    if (url.startsWith('http:') && !allowPrivate) {
      mistakes.add(['webhooks', index, 'url'], 'what is earned goes over https, or with "allowPrivate: true" to a receiver in a network of your own');
    }
    return {
      name,
      url,
      secret: secretAt(secret, ['webhooks', index, 'secret'], text, absolute),
      events: events ?? eventTypes,
      allowPrivate,
      giveUpAfterSeconds: giveUpAfter ?? 3 * 86_400,
    };
  });
}

/** Without what lets somebody speak in our name, or to the receiver. */
export function withoutWebhookSecrets({ url, secret, ...webhook }: WebhookConfig): unknown {
  return { ...webhook, origin: new URL(url).origin, secret: withoutText(secret) };
}

/** In words. */
export function explainWebhook({ name, url, events, allowPrivate }: WebhookConfig): string {
  const which = events.length === eventTypes.length ? 'everything' : events.join(', ');
  return `${name} is told ${which} at ${new URL(url).origin}${allowPrivate ? ', which may be at a private address' : ''}`;
}

function readUrl(value: unknown): string {
  const written = Fields.readLine(value);
  const url = URL.parse(written);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error('this is the whole address that events are posted to: write "https://hooks.example.com/farebox"');
  if (url.username !== '' || url.password !== '') throw new Error('an address holds no user and no password: the receiver knows us by our signature');
  url.hash = '';
  return url.href;
}
