/**
 * The ring of a gateway that the command line runs: read at the start, and followed while it runs.
 */
import { type Clock, nowAt, systemClock } from '../core/Clock.ts';
import { followKeyFile, type GatewayConfig, openKeyText } from '../gateway/index.ts';
import type { Network } from '../lightning/Lightning.ts';
import { createRootKeys, type KeyRing, type Master } from '../server/RootKeys.ts';
import type { CliContext } from './Context.ts';
import { ensureKeyFile } from './keys/KeyStore.ts';
import { standingsOf } from './keys/Standing.ts';
import { passphrasesOf } from './Passphrase.ts';
import type { Terminal } from './Terminal.ts';
import { formatLocal, isoAt } from './Time.ts';

/** A ring in use. */
export type OpenRing = { readonly keys: KeyRing; readonly close: () => Promise<void> };

/**
 * Opens the keys that a configuration names, and makes them where there are none yet. A person may be asked for a passphrase now, and is
 * not asked again.
 * @param onTrouble - told when a file that has changed cannot be taken up
 * @throws KEYS_INVALID, KEYS_LOCKED – they cannot be used
 */
export async function openKeyRing(context: CliContext, config: GatewayConfig, network: Network, onTrouble: (error: unknown) => void): Promise<OpenRing> {
  const { realm } = config;
  const path = config.keys.kind === 'file' ? config.keys.path : undefined;
  const passphrases = passphrasesOf(context, path ?? 'the keys', config.passphrase);
  if (config.keys.kind === 'text') {
    const { masters } = await openKeyText(config.keys.text, 'the environment', passphrases.asked);
    return { keys: createRootKeys({ masters, network, realm }), close: async () => {} };
  }
  const { masters, written, isSealed } = await ensureKeyFile(config.keys.path, passphrases);
  if (!isSealed && config.passphrase !== undefined) {
    const how = `farebox keys seal --config ${config.file}`;
    context.terminal.note(context.terminal.tone('warning', `${config.keys.path} is not sealed, though there is a passphrase for it: ${how}`));
  }
  const keys = createRootKeys({ masters, network, realm });
  const clock = context.clock ?? systemClock;
  const onChange = (changed: readonly Master[]) => tellChange(context.terminal, changed, clock);
  const { close } = followKeyFile({ path: config.keys.path, passphrase: passphrases.known, keys, written, clock, onChange, onTrouble });
  return { keys, close };
}

/** What the ring is now. */
function tellChange(terminal: Terminal, masters: readonly Master[], clock: Clock): void {
  const keys = standingsOf(masters, nowAt(clock));
  const shown = keys.map(({ fingerprint, role, mintsFromAt }) => ({
    fingerprint,
    role,
    mintsFrom: mintsFromAt === undefined ? undefined : isoAt(mintsFromAt),
  }));
  terminal.data({ kind: 'keys', at: new Date(clock.nowMs()).toISOString(), keys: shown });
  const words = keys.map(
    ({ fingerprint, role, mintsFromAt = 0 }) => `${fingerprint} ${role === 'waits' ? `will mint from ${formatLocal(mintsFromAt)}` : role}`,
  );
  terminal.note(terminal.tone('quiet', `The keys have changed: ${words.join(', ')}`));
}
