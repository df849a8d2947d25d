/**
 * A wallet behind relays, and drivers that ask it: for tests of what a relay or a wallet does wrong.
 */

import type { Clock } from '../../../src/core/Clock.ts';
import type { Payer, Receiver } from '../../../src/lightning/Lightning.ts';
import { createNwcPayer, createNwcReceiver } from '../../../src/lightning/nwc.ts';
import { createNodes, type Nodes } from '../Node.ts';
import { grants, secrets, uriOf } from '../nwc.ts';
import { openRelay, type RelayDouble } from './RelayDouble.ts';
import { createService, type Service, type ServiceOptions } from './WalletService.ts';

/** What is on the scene. */
export type Scene = Nodes & {
  readonly relays: readonly [RelayDouble, ...RelayDouble[]];
  /** The seller's wallet; the buyer's is reached over the same relays. */
  readonly service: Service;
  readonly receiver: (clock?: Clock) => Receiver;
  readonly payer: () => Payer;
  /** Resolves once the first relay, or another, was handed so many questions. */
  readonly asked: (count: number, relay?: RelayDouble) => Promise<void>;
};

/** How it is set. */
export type SceneOptions = Partial<Omit<ServiceOptions, 'node' | 'secret' | 'relays'>> & {
  /** How many relays there are; default 1. */
  readonly relayCount?: number;
  /** Those that the wallet is on, by number; default all. */
  readonly walletOn?: readonly number[];
  /** Whose node is behind the wallet; default the seller's. */
  readonly of?: 'seller' | 'buyer';
};

/** Sets one. `closing` gets what ends it, the last first. */
export async function openScene(closing: (() => Promise<void>)[], { relayCount = 1, walletOn, of = 'seller', ...options }: SceneOptions = {}): Promise<Scene> {
  const nodes = createNodes();
  const relays = (await Promise.all(Array.from({ length: relayCount }, () => openRelay(nodes.clock)))) as [RelayDouble, ...RelayDouble[]];
  const urls = relays.map(({ url }) => url);
  const on = (walletOn ?? urls.map((_, number) => number)).map((number) => urls[number] as string);
  const service = createService({ node: nodes[of], secret: secrets.wallet, relays: on, grants, ...options });
  await service.connect();
  closing.push(nodes.close, ...relays.map(({ close }) => close), service.close);
  const kept = <T extends Receiver | Payer>(driver: T): T => {
    closing.push(driver.close);
    return driver;
  };
  return {
    ...nodes,
    relays,
    service,
    receiver: (clock = nodes.clock) => kept(createNwcReceiver({ uri: uriOf(urls, secrets.sell), clock, network: 'regtest' })),
    payer: () => kept(createNwcPayer({ uri: uriOf(urls, secrets.pay), clock: nodes.clock, network: 'regtest' })),
    asked: (count, relay = relays[0]) => until(() => relay.handed.filter(({ kind }) => kind === 23194).length >= count),
  };
}

/** Turns the wheel of events until that holds. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn++) {
    if (holds()) return;
    await new Promise(setImmediate);
  }
  throw new Error('it never came to hold');
}
