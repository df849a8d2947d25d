/**
 * How a command reaches the admin of a gateway: where it listens, and with which token. On the machine that has the keys nobody needs one: a token is made
 * for the moment, good for what is asked alone.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type AdminClient, assertUnread, createAdminClient, isUnread } from '../../admin/AdminClient.ts';
import * as AdminToken from '../../admin/auth/AdminToken.ts';
import type { Scope } from '../../admin/auth/Scope.ts';
import { nowAt, systemClock, systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { type GatewayConfig, loadConfig, openKeyText, readKeyFile } from '../../gateway/index.ts';
import { createRootKeys, type RootKeys } from '../../server/RootKeys.ts';
import { configFile } from '../ConfigFile.ts';
import type { CliContext } from '../Context.ts';
import { passphrasesOf } from '../Passphrase.ts';

/** As the command line names it. */
export type ReachOptions = { readonly config?: string; readonly url?: string; readonly with?: string };

/** What a token that is made for a command is good for. */
export type Needs = { readonly scope: Scope; readonly operations?: readonly string[]; readonly seconds?: number };

/** How long a token is good that is made for one command. */
const momentSeconds = 300;

/**
 * A client of the admin that is meant.
 * @throws CONFIG_INVALID – nothing says where it is, or a token could be read on the way there; KEYS_INVALID, KEYS_LOCKED – no token can be made
 */
export async function reach(context: CliContext, options: ReachOptions, needs: Needs): Promise<{ readonly client: AdminClient; readonly url: string }> {
  const shown = options.with === undefined ? context.environment.FAREBOX_ADMIN_TOKEN : readToken(options.with);
  const config = options.url !== undefined && shown !== undefined ? undefined : await configWithAdmin(context, options);
  const url = options.url ?? nearest(config as GatewayConfig);
  assertUnread(url);
  const token = shown ?? (await momentary(context, config as GatewayConfig, needs));
  return { client: createAdminClient({ url, token }), url };
}

/** The configuration that a command means. @throws CONFIG_INVALID – it has no `admin` */
export async function configWithAdmin(context: CliContext, { config: named }: ReachOptions): Promise<GatewayConfig> {
  const file = configFile(named);
  const config = await loadConfig(file, { environment: context.environment });
  if (config.admin !== undefined) return config;
  throw new FareboxError('CONFIG_INVALID', `${file} has no "admin": write "admin: {}" there and start the gateway again; or name one with --url and --with.`);
}

/** The ring of a configuration. @throws KEYS_INVALID, KEYS_LOCKED – there is none, or it does not open */
export async function ringOf(context: CliContext, { keys, passphrase, network, realm }: GatewayConfig): Promise<RootKeys> {
  const where = keys.kind === 'file' ? keys.path : 'the environment';
  const { asked } = passphrasesOf(context, where, passphrase);
  if (keys.kind === 'file' && !existsSync(keys.path))
    throw new FareboxError('KEYS_INVALID', `There is no ${keys.path} yet: it is made when the gateway starts.`);
  const { masters } = keys.kind === 'file' ? await readKeyFile(keys.path, asked) : await openKeyText(keys.text, where, asked);
  return createRootKeys({ masters, network, realm });
}

/** Where the admin of a configuration is reached from this machine. */
export function urlOf({ admin }: GatewayConfig): string {
  const { host, port } = (admin as NonNullable<typeof admin>).listen;
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${near.includes(':') ? `[${near}]` : near}:${port}`;
}

/** The same; by its name where it does not listen on this machine alone, for a token goes over TLS then. */
function nearest(config: GatewayConfig): string {
  const near = urlOf(config);
  return isUnread(near) ? near : (config.admin?.url ?? near);
}

async function momentary(context: CliContext, config: GatewayConfig, { seconds = momentSeconds, ...needs }: Needs): Promise<string> {
  const keys = await ringOf(context, config);
  const now = nowAt(context.clock ?? systemClock);
  return AdminToken.mint(keys, keys.mintingAt(now), systemRandom(16), { label: 'cli', expiresAt: now + seconds, ...needs });
}

/** @throws CONFIG_INVALID – there is no such file */
function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `--with names the file that holds a token, and ${file.slice(0, 200)} cannot be read.`, { cause: error });
  }
}
