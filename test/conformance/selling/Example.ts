/**
 * A gateway on one of the configurations under `examples`, as it stands there: another store is put under it, and its upstream stands at
 * another port.
 */
import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../../../src/core/Clock.ts';
import { type GatewayConfig, parseConfig } from '../../../src/gateway/Config.ts';
import { createGateway } from '../../../src/gateway/Gateway.ts';
import { type RunningSandbox, startSandbox } from '../../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import type { Store } from '../../../src/store/Store.ts';
import { startUpstream, type Upstream } from '../shop/upstream.ts';

/** Opens a new store that goes by this clock. Whoever is given it closes it. */
export type OpenStore = (clock: Clock) => Promise<Store>;

/** One that is open. */
export type Example = {
  readonly url: string;
  readonly store: Store;
  readonly upstream: Upstream;
  /** The network that it is paid on, as other programs reach it too. */
  readonly sandbox: RunningSandbox;
  readonly close: () => Promise<void>;
};

/** The text of a configuration, such as `selling/bucket`, with its upstream at this address. Fails where it names none. */
export function textOf(file: string, upstream: string): string {
  const text = readFileSync(new URL(`../../../examples/${file}.yaml`, import.meta.url), 'utf8');
  if (!text.includes('http://localhost:3000')) throw new Error(`examples/${file}.yaml has no upstream on port 3000`);
  return text.replaceAll('http://localhost:3000', upstream);
}

/** The configuration of an example. `more`: lines of YAML behind it. */
export function exampleConfig(file: string, upstream: string, more = ''): GatewayConfig {
  const text = `${textOf(file, upstream)}${more}listen: 127.0.0.1:0\n`;
  return parseConfig(text, { file: `examples/${file}.yaml`, folder: import.meta.dirname, environment: {} });
}

/** Opens a gateway in this process. */
export async function openGateway(configOf: (upstream: string) => GatewayConfig, openStore: OpenStore, clock: Clock = systemClock): Promise<Example> {
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const sandbox = await startSandbox({ path: ':memory:', clock });
    closing.push(sandbox.close);
    const store = await openStore(clock);
    closing.push(store.close);
    const upstream = await startUpstream();
    closing.push(upstream.close);
    const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
    const gateway = await createGateway({ config: configOf(upstream.url), receiver: sandbox.network.receiver('seller'), keys, store, clock });
    closing.push(gateway.close);
    const { url } = await gateway.listen();
    return { url, store, upstream, sandbox, close };
  } catch (error) {
    await close();
    throw error;
  }
}
