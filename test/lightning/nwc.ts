/**
 * NWC over nodes of the sandbox: a relay, and a wallet service on it.
 *
 * @see NIP-47, NIP-01
 */
import { systemRandom } from '../../src/core/Clock.ts';
import { toHex } from '../../src/core/internal/bytes.ts';
import { publicKeyOf } from '../../src/lightning/nwc/Event.ts';
import { openRelay } from './nwc/RelayDouble.ts';
import { type Asked, createService, type Grants, no, type Said } from './nwc/WalletService.ts';
import type { Open, Trouble } from './troubles.ts';

const fresh = () => toHex(systemRandom(32));

/** The wallet's secret key, those of three connections of it, and one that it never made. */
export const secrets = { wallet: fresh(), sell: fresh(), pay: fresh(), both: fresh(), stranger: fresh() } as const;

/** What each connection may. */
export function grantsOf({ sell, pay }: { readonly sell: string; readonly pay: string }): Grants {
  return {
    [sell]: ['make_invoice', 'lookup_invoice', 'list_transactions', 'get_balance', 'get_info'],
    [pay]: ['pay_invoice', 'lookup_invoice', 'list_transactions', 'get_balance', 'get_info'],
  };
}

const { [secrets.sell]: selling = [], [secrets.pay]: paying = [] } = grantsOf(secrets);
export const grants: Grants = { ...grantsOf(secrets), [secrets.both]: [...selling, ...paying] };

/** A connection string. */
export function uriOf(relays: readonly string[], secret: string, walletSecret: string = secrets.wallet): string {
  const wallet = publicKeyOf(Buffer.from(walletSecret, 'hex'));
  return `nostr+walletconnect://${wallet}?${relays.map((relay) => `relay=${encodeURIComponent(relay)}&`).join('')}secret=${secret}&lud16=seller%40example.com`;
}

/** A relay and a wallet service on it, as one. */
export const openNwc: Open = async (node, trouble) => {
  const relay = await openRelay(node.clock);
  const instead = trouble && (async (asked: Asked) => overNwc[trouble](asked));
  const service = createService({ node, secret: secrets.wallet, relays: [relay.url], grants, ...(instead ? { instead } : {}) });
  await service.connect();
  return {
    url: relay.url,
    setDown: async (isDown) => {
      await relay.setDown(isDown);
      if (!isDown) await service.connect();
    },
    setSlow: service.setSlow,
    close: async () => {
      await service.close();
      await relay.close();
    },
  };
};

/** A wallet made the secrets of its connections, and may still know them. */
const overNwc: Readonly<Record<Trouble, (asked: Asked) => Said | string>> = {
  'another error': () => no('INTERNAL', 'boom'),
  'a page': () => '<html>',
  nothing: () => ({ result: {} }),
  'an echo': (asked) => no('OTHER', `${JSON.stringify(asked)} ${uriOf([], secrets.sell)} ${uriOf([], secrets.pay)}`),
  'an echo that is refused': (asked) => no('RESTRICTED', `${JSON.stringify(asked)} ${uriOf([], secrets.sell)} ${uriOf([], secrets.pay)}`),
};
