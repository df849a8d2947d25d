/**
 * Where requests go: an address, or an address with what its TLS needs.
 *
 *     upstream: http://localhost:3000
 *     upstream: { url: https://api.internal, ca: internal-ca.pem, certificate: gateway.pem, key: gateway.key }
 *
 * @see RFC 8446; RFC 9110, section 4.3.4
 */
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { z } from 'zod';
import { FareboxError } from '../core/Errors.ts';
import * as Fields from './ConfigFields.ts';
import { readSecretWord, type SecretChoice, secretAt } from './ConfigSecrets.ts';
import type { ConfigPath, ConfigText, Mistakes } from './ConfigText.ts';
import type { GroupConfig } from './config/ConfigGroups.ts';
import type { UpstreamTarget } from './Upstream.ts';

/** An upstream, complete. */
export type UpstreamConfig = Fields.UpstreamAddress & { readonly tls?: UpstreamTlsConfig };

/** What of TLS is not as usual. Paths are absolute. */
export type UpstreamTlsConfig = {
  /** Undefined: the authorities that Node trusts. */
  readonly caPath: string | undefined;
  /** Ours, with those that signed it; undefined: none. */
  readonly certificatePath: string | undefined;
  readonly key: SecretChoice | undefined;
};

/** See the head of this file. `field` is that of the schema. */
export function upstreamSchema(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  return z.union([
    z.strictObject({
      /** Where requests go: `https://api.internal`, or with a path that is put before theirs. No default. */
      url: field(Fields.readUpstream),
      /** The file of the authorities that may sign its certificate, in PEM; nobody else is believed then. Default: those that everybody trusts. */
      ca: field(Fields.readLine).optional(),
      /** The file of the certificate that we show it, in PEM. Default: none. Only with `key`. */
      certificate: field(Fields.readLine).optional(),
      /** The key of that certificate: its file, or itself out of the environment: `${UPSTREAM_KEY}`. */
      key: field(readSecretWord).optional(),
    }),
    field(Fields.readUpstream),
  ]);
}

/** As the schema reads it. */
export type UpstreamFile = z.output<ReturnType<typeof upstreamSchema>>;

/** What reading one needs. */
export type UpstreamSurroundings = { readonly text: ConfigText; readonly absolute: (path: string) => string; readonly mistakes: Mistakes };

/** Completes it. */
export function readUpstream(found: UpstreamFile, path: ConfigPath, { text, absolute, mistakes }: UpstreamSurroundings): UpstreamConfig {
  if (!('url' in found)) return found;
  const { url, ca, certificate, key } = found;
  if (ca === undefined && certificate === undefined && key === undefined) return url;
  if (!url.origin.startsWith('https:')) mistakes.add([...path, 'url'], 'certificates are for https: an upstream over http shows none and asks for none');
  if (certificate !== undefined && key === undefined)
    mistakes.add([...path, 'certificate'], 'a certificate is shown with its key: write "key: <file>" as well');
  if (key !== undefined && certificate === undefined) mistakes.add([...path, 'key'], 'a key is for a certificate: write "certificate: <file>" as well');
  return {
    ...url,
    tls: {
      caPath: ca === undefined ? undefined : absolute(ca),
      certificatePath: certificate === undefined ? undefined : absolute(certificate),
      key: key === undefined ? undefined : secretAt(key, [...path, 'key'], text, absolute),
    },
  };
}

/** One target an upstream, however many routes lead there: its connections are counted together. */
export type Targets = {
  readonly of: (upstream: UpstreamConfig) => UpstreamTarget;
  /** One for several; what is the same group is the same target. */
  readonly ofGroup: (group: GroupConfig) => UpstreamTarget;
};

/** Makes targets, and reads what their TLS needs. A target @throws CONFIG_INVALID – a file cannot be read, or is not what it should be */
export function createTargets(): Targets {
  const known = new Map<string, UpstreamTarget>();
  const groups = new Map<GroupConfig, UpstreamTarget>();
  const of = ({ origin, tls }: UpstreamConfig): UpstreamTarget => {
    const name = JSON.stringify([origin, tls]);
    const target = known.get(name) ?? (origin.startsWith('https:') ? { origin, secureContext: contextOf(origin, tls) } : { origin });
    known.set(name, target);
    return target;
  };
  const ofGroup = (config: GroupConfig): UpstreamTarget => {
    const { upstreams, ...rules } = config;
    const [first] = upstreams;
    const group = { ...rules, members: upstreams.map(of), basePath: first?.basePath ?? '' };
    const target = groups.get(config) ?? { origin: first?.origin ?? '', group };
    groups.set(config, target);
    return target;
  };
  return { of, ofGroup };
}

function contextOf(origin: string, tls: UpstreamTlsConfig | undefined): SecureContext {
  const parts: readonly (readonly [keyof SecureContextOptions, string, SecretChoice | undefined])[] = [
    ['ca', 'authorities', fileOf(tls?.caPath)],
    ['cert', 'certificate', fileOf(tls?.certificatePath)],
    ['key', 'key', tls?.key],
  ];
  const options: SecureContextOptions = { minVersion: 'TLSv1.2' };
  for (const [name, what, choice] of parts) {
    if (choice === undefined) continue;
    const where = choice.kind === 'file' ? `, ${choice.path},` : '';
    const value = choice.kind === 'text' ? choice.text : read(choice.path, `The ${what} for ${origin}${where}`);
    Object.assign(options, { [name]: value });
    // Each by itself, so that the mistake is named; a key is held against its certificate.
    if (name === 'ca' && !value.includes('-----BEGIN CERTIFICATE-----')) throw invalid(`The ${what} for ${origin}${where} cannot be read: it holds none.`);
    try {
      createSecureContext(options);
    } catch (error) {
      throw invalid(`The ${what} for ${origin}${where} cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`, error);
    }
  }
  return createSecureContext(options);
}

function fileOf(path: string | undefined): SecretChoice | undefined {
  return path === undefined ? undefined : { kind: 'file', path };
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`${what} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`, error);
  }
}

function invalid(message: string, cause?: unknown): FareboxError {
  return new FareboxError('CONFIG_INVALID', message, { cause });
}
