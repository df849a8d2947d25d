/**
 * The webhooks of a gateway, as its configuration names them: told by whoever of several processes follows.
 */
import type { Clock, Random } from '../../core/Clock.ts';
import type { HmacKey } from '../../core/internal/sha256.ts';
import type { Events } from '../../server/Events.ts';
import { parseSecrets } from '../../server/webhooks/Message.ts';
import { followWebhooks } from '../../server/webhooks/Webhooks.ts';
import type { Store } from '../../store/Store.ts';
import { secretOf } from '../ConfigSecrets.ts';
import type { WebhookConfig } from '../config/ConfigWebhooks.ts';
import { createSend } from './createSend.ts';

/** What telling needs of the gateway. */
export type WebhooksContext = {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  readonly onTrouble: (error: unknown) => void;
};

/** A webhook whose secrets were read. */
export type ReadyWebhook = { readonly config: WebhookConfig; readonly secrets: readonly HmacKey[] };

/** Reads the secrets. @throws CONFIG_INVALID – one cannot be read, or is too short */
export function readyWebhooks(configs: readonly WebhookConfig[]): Promise<readonly ReadyWebhook[]> {
  return Promise.all(
    configs.map(async (config) => ({ config, secrets: parseSecrets(await secretOf(config.secret, `the webhook "${config.name}"`), config.name) })),
  );
}

/** Begins to tell. */
export function startWebhooks(ready: readonly ReadyWebhook[], context: WebhooksContext): { readonly close: () => Promise<void> } {
  const senders = ready.map(({ config }) => createSend(config));
  const hooks = ready.map(({ config, secrets }, index) => {
    const { name, events, giveUpAfterSeconds } = config;
    const wanted = new Set<string>(events);
    return { name, secrets, giveUpAfterSeconds, wants: (type: string) => wanted.has(type), send: (senders[index] as (typeof senders)[number]).send };
  });
  const webhooks = followWebhooks({ hooks, ...context });
  const off = context.events.on((event) => {
    if (event.kind === 'alert') webhooks.alert(event);
  });
  return {
    close: async () => {
      off();
      await webhooks.close();
      await Promise.all(senders.map(({ close }) => close()));
    },
  };
}
