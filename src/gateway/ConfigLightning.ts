/**
 * Which wallet is paid: `lightning` of the configuration, one product of those below.
 *
 *     lightning:
 *       lnd:
 *         url: https://127.0.0.1:8080
 *         certificate: tls.cert
 *         macaroon: farebox-invoices.macaroon
 *
 * What lets one into a wallet is named by its file, or comes out of the environment; it never stands in the configuration itself.
 */
import { z } from 'zod';
import type { Network } from '../lightning/Lightning.ts';
import * as Fields from './ConfigFields.ts';
import type { ConfigPath, ConfigText, Mistakes } from './ConfigText.ts';

/** A secret: the file that holds it, or itself, out of the environment. */
export type SecretChoice = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'text'; readonly text: string };

/** lnd, as configured. */
export type LndChoice = {
  readonly kind: 'lnd';
  readonly network: Network;
  readonly url: string;
  /** The file of the certificate that is pinned; undefined: what the machine's authorities vouch for. */
  readonly certificatePath: string | undefined;
  readonly macaroon: SecretChoice;
};

/** Which wallet is paid. */
export type LightningChoice = { readonly kind: 'sandbox'; readonly network: 'sandbox' } | LndChoice;

/** A value with a reader of its own, as `ConfigSchema.ts` makes them. */
type Field = <T>(read: (value: unknown) => T) => z.ZodType<T>;

/** The schema of `lightning`. */
export function lightningSchema(field: Field) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? { [value]: value === 'sandbox' ? true : {} } : value),
    z.strictObject({
      /** Play money on this machine, to try things out; nobody earns anything. */
      sandbox: z.literal(true).optional(),
      /** Whose bitcoin. Default: `bitcoin`. An invoice of another network is never handed out. */
      network: field(Fields.readOneOf(['bitcoin', 'testnet', 'signet', 'regtest'])).optional(),
      /** A node of your own: you hold the money. */
      lnd: z
        .strictObject({
          /** Its REST address: `https://127.0.0.1:8080`. No default. */
          url: field(readWalletUrl),
          /** The file of its certificate, `tls.cert`: pinned. Default: what the machine's own authorities vouch for, for a node behind a proxy with a public name. */
          certificate: field(readPath).optional(),
          /** The file of a macaroon that may do no more than make and look up invoices; or the macaroon in hex out of the environment: `${LND_MACAROON}`. No default. */
          macaroon: field(readSecret),
        })
        .optional(),
    }),
  );
}

/** `lightning` as it was read. */
type LightningFile = z.output<ReturnType<typeof lightningSchema>>;

/** The choice that a file makes; the sandbox where it makes none. Mistakes go to `mistakes`. */
export function readLightning(found: LightningFile | undefined, text: ConfigText, absolute: (path: string) => string, mistakes: Mistakes): LightningChoice {
  const sandbox: LightningChoice = { kind: 'sandbox', network: 'sandbox' };
  if (found === undefined) return sandbox;
  const named = Object.keys(found).filter((key) => key !== 'network');
  if (named.length !== 1)
    mistakes.add(
      ['lightning'],
      named.length === 0 ? 'names no wallet: write "sandbox", or a wallet such as "lnd"' : `names several wallets: ${named.join(', ')}`,
    );
  const { network = 'bitcoin', lnd } = found;
  if (lnd === undefined) return sandbox;
  return {
    kind: 'lnd',
    network,
    url: lnd.url,
    certificatePath: lnd.certificate === undefined ? undefined : absolute(lnd.certificate),
    macaroon: placed(lnd.macaroon, ['lightning', 'lnd', 'macaroon'], text, absolute, mistakes),
  };
}

/** A file's secret with its whole path; one that stands in the file itself is a mistake. */
function placed(secret: SecretChoice, path: ConfigPath, text: ConfigText, absolute: (path: string) => string, mistakes: Mistakes): SecretChoice {
  if (secret.kind === 'file') return { kind: 'file', path: absolute(secret.path) };
  if (!text.isFromEnvironment(path))
    mistakes.add(path, 'what lets one into a wallet does not belong in a configuration file: name the file that holds it, or an environment variable');
  return secret;
}

/** The choice without what is secret in it. */
export function withoutSecrets(choice: LightningChoice): unknown {
  if (choice.kind === 'sandbox') return choice;
  const { macaroon, ...rest } = choice;
  return { ...rest, macaroon: macaroon.kind === 'file' ? macaroon : { kind: 'text' } };
}

/** Of a choice, in words. */
export function explainLightning(choice: LightningChoice): string {
  if (choice.kind === 'sandbox') return 'sandbox (play money on this machine)';
  return `${choice.kind} at ${choice.url}, ${choice.network}`;
}

function readPath(value: unknown): string {
  const path = Fields.readLine(value);
  return path.startsWith('file:') ? path.slice('file:'.length) : path;
}

/** Hex digits are the secret itself; anything else is the path of its file. */
function readSecret(value: unknown): SecretChoice {
  const written = typeof value === 'string' ? value.trim() : value;
  if (typeof written === 'string' && /^(?:[0-9a-f]{2}){16,}$/i.test(written)) return { kind: 'text', text: written };
  return { kind: 'file', path: readPath(written) };
}

function readWalletUrl(value: unknown): string {
  const written = Fields.readLine(value);
  const url = /^https?:\/\//i.test(written) ? URL.parse(written) : null;
  // Not repeated: it may hold a password.
  if (url === null) throw new Error('this is the address of a wallet\'s API: write "https://127.0.0.1:8080"');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new Error('an address of a wallet has no user, no password, no query and no "#"');
  return url.href.replace(/\/$/, '');
}
