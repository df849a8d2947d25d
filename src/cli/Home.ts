/**
 * Where the command line keeps what outlives it: `~/.farebox`, or the folder that `FAREBOX_HOME` names. Only its owner can read it.
 *
 *     master.key     the ring of master keys, sealed or not (src/gateway/KeyText.ts, KeySeal.ts)
 *     gateway.db     claims and ledger of `farebox serve`
 *     client.db      journal and credentials of `farebox get` on the sandbox; client-<network>.db elsewhere
 *     services-seen.json   what `farebox call` has seen of providers
 *     wallets.json   the wallets that are connected: where each is, and which files let one in
 *     sandbox.db     the books of the sandbox; sandbox.json says where it is reached while it runs
 */
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Network } from '../lightning/Lightning.ts';

/** The folder and what is in it. */
export type Home = {
  readonly folder: string;
  readonly keyFile: string;
  readonly gatewayStore: string;
  /** Of what is bought on a network. */
  readonly clientStore: (network: Network) => string;
  readonly wallets: string;
  readonly sandboxStore: string;
  readonly sandboxAddress: string;
};

/** The folder that the environment names; made where it is not there. */
export function openHome(environment: { readonly [name: string]: string | undefined }): Home {
  const folder = resolve(environment.FAREBOX_HOME ?? join(homedir(), '.farebox'));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = (name: string) => join(folder, name);
  return {
    folder,
    keyFile: file('master.key'),
    gatewayStore: file('gateway.db'),
    clientStore: (network) => file(network === 'sandbox' ? 'client.db' : `client-${network}.db`),
    wallets: file('wallets.json'),
    sandboxStore: file('sandbox.db'),
    sandboxAddress: file('sandbox.json'),
  };
}
