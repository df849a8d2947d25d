/**
 * `farebox keys retire`: takes a key out of the ring once nothing that it made can be good any more; or at once, and revokes what it made.
 */
import { existsSync } from 'node:fs';
import { nowAt, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { readDurationSeconds } from '../../gateway/ConfigFields.ts';
import { KeyText, readKeyFile } from '../../gateway/index.ts';
import { confirm } from '../Confirm.ts';
import type { CliContext } from '../Context.ts';
import { never } from '../revoke/Ends.ts';
import { isKept, type KeptStore, openToLook } from '../Stores.ts';
import { formatAt, formatRelative, isoAt } from '../Time.ts';
import { changeKeyFile } from './KeyStore.ts';
import { assertThere, type KeyFileOptions, type LocatedKeys, locateKeys } from './Located.ts';
import { type KeyStanding, lifeOf, longestLifeSeconds, standingsOf } from './Standing.ts';

/** Of the command. */
export type RetireOptions = KeyFileOptions & { readonly soldFor?: string; readonly force?: boolean; readonly yes?: boolean; readonly json?: boolean };

/** See the head of this file. */
export async function retire(context: CliContext, fingerprint: string, options: RetireOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const located = await locateKeys(context, options);
  const { path, passphrases, flags } = located;
  assertThere(located);
  const now = nowAt(context.clock ?? systemClock);
  const { masters } = await readKeyFile(path, passphrases.asked);
  const key = standingsOf(masters, now).find((one) => one.fingerprint === fingerprint.toLowerCase());
  if (key === undefined) throw new FareboxError('CONFIG_INVALID', `${path} has no key ${fingerprint.slice(0, 64)}. Show them with: farebox keys list${flags}`);
  assertReplaced(key, now, flags);
  const denied = options.force ? storeOf(context, located) : undefined;
  if (options.force) await confirm(context, `Everything that was sold under ${key.fingerprint} is worth nothing then. Take it out?`, options.yes);
  else assertOver(key, located, options, now);
  if (denied !== undefined) await deny(context, denied, key.fingerprint);
  const after = await changeKeyFile(path, passphrases.asked, { text: (before) => KeyText.withoutKey(before?.text ?? '', key.fingerprint, path) });
  terminal.data({ file: path, retired: key.fingerprint, revoked: denied !== undefined, keys: after.masters.length });
  terminal.line(`${terminal.tone('good', 'Retired')} ${terminal.tone('strong', key.fingerprint)}: it is no longer in ${path}.`);
  if (denied !== undefined) terminal.line('What it made is revoked, also where a copy of the file still has it.');
}

/** A key that mints, or is going to, is exchanged first: nothing would be minted, or what is minted would be worth nothing. */
function assertReplaced({ fingerprint, role, mintsFromAt = 0 }: KeyStanding, now: number, flags: string): void {
  if (role === 'mints') throw new FareboxError('CONFIG_INVALID', `${fingerprint} is the key that mints. Make another one first: farebox keys rotate${flags}`);
  if (role !== 'waits') return;
  throw new FareboxError(
    'CONFIG_INVALID',
    `${fingerprint} will mint from ${formatAt(mintsFromAt)} (${formatRelative(mintsFromAt, now)}). Make another one first: farebox keys rotate${flags}`,
  );
}

/** @throws CONFIG_INVALID – something that it made may still be good; the message says until when */
function assertOver({ fingerprint, mintedUntilAt }: KeyStanding, { config, flags }: LocatedKeys, { soldFor }: RetireOptions, now: number): void {
  const force = 'To take it out at once, and everything that it made with it, add --force.';
  const lifeSeconds = soldFor === undefined ? config && longestLifeSeconds(config) : lifeOf(soldSeconds(soldFor));
  if (lifeSeconds === undefined) {
    throw new FareboxError(
      'CONFIG_INVALID',
      `How long something can be good that ${fingerprint} made is not known here: name the configuration, or the longest that was sold, such as --sold-for 30d. ${force}`,
    );
  }
  if (mintedUntilAt === undefined) {
    throw new FareboxError('CONFIG_INVALID', `Since when another key mints instead of ${fingerprint} is not written down in this file. ${force}`);
  }
  const overAt = mintedUntilAt + lifeSeconds;
  if (overAt <= now) return;
  const until = `${formatAt(overAt)} (${formatRelative(overAt, now)})`;
  throw new FareboxError(
    'CONFIG_INVALID',
    `${fingerprint} minted until ${formatAt(mintedUntilAt)}, and what it made may be good until ${until}. Retire it then: farebox keys retire ${fingerprint}${flags}${soldFor === undefined ? '' : ` --sold-for ${soldFor}`} ${force}`,
    { details: { goodUntil: isoAt(overAt) } },
  );
}

function soldSeconds(text: string): number {
  try {
    return readDurationSeconds(text);
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `--sold-for: ${(error as Error).message}`, { cause: error });
  }
}

/** The store that the gateways of this key file share; undefined where they have none, and the file alone decides. */
function storeOf(context: CliContext, { config, isHome }: LocatedKeys): KeptStore | undefined {
  if (config !== undefined) return isKept(config.store) ? config.store : undefined;
  if (!isHome) throw new FareboxError('CONFIG_INVALID', 'Which gateways have this key? Name their configuration with --config, so that they all hear of it.');
  return { kind: 'sqlite', path: context.home().gatewayStore };
}

async function deny(context: CliContext, choice: KeptStore, fingerprint: string): Promise<void> {
  // A gateway that has never started has sold nothing.
  if (choice.kind === 'sqlite' && !existsSync(choice.path)) return;
  const store = await openToLook(choice, context.clock ?? systemClock, 'farebox keys retire');
  try {
    await store.deny({ kind: 'key', value: fingerprint, expiresAt: never });
  } finally {
    await store.close();
  }
}
