/**
 * Where requests go: an address, or an address with what its protocol and its TLS need.
 *
 *     upstream: http://localhost:3000
 *     upstream: { url: http://localhost:50051, protocol: h2 }
 *     upstream: { url: https://api.internal, ca: internal-ca.pem, certificate: gateway.pem, key: gateway.key }
 *
 * @see RFC 8446; RFC 9110, section 4.3.4
 */
import { createHash } from 'node:crypto';
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
export type UpstreamConfig = Fields.UpstreamAddress & { readonly tls?: UpstreamTlsConfig } & Pick<UpstreamTarget, 'protocol'>;

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
      /** What it speaks: `h1`, HTTP/1.1; `h2`, HTTP/2, over http without asking it first; `auto`, over https: HTTP/2 where it can, and HTTP/1.1 otherwise. Default: `h1`. `h2` for gRPC, and where many requests are under way at once. */
      protocol: field(Fields.readOneOf(['h1', 'h2', 'auto'])).optional(),
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

/** The files that an upstream names. */
export function filesOf({ tls }: UpstreamConfig): readonly string[] {
  return [tls?.caPath, tls?.certificatePath, tls?.key?.kind === 'file' ? tls.key.path : undefined].filter((path) => path !== undefined);
}

/** What reading one needs. */
export type UpstreamSurroundings = { readonly text: ConfigText; readonly absolute: (path: string) => string; readonly mistakes: Mistakes };

/** Completes it. */
export function readUpstream(found: UpstreamFile, path: ConfigPath, { text, absolute, mistakes }: UpstreamSurroundings): UpstreamConfig {
  if (!('url' in found)) return found;
  const { url, ca, certificate, key } = found;
  const isSecure = url.origin.startsWith('https:');
  const protocol = found.protocol === 'h1' ? undefined : found.protocol;
  if (protocol === 'auto' && !isSecure) mistakes.add([...path, 'protocol'], 'over http nobody is asked what they speak: write "h1" or "h2"');
  const address = { ...url, ...(protocol !== undefined && { protocol }) };
  if (ca === undefined && certificate === undefined && key === undefined) return address;
  if (!isSecure) mistakes.add([...path, 'url'], 'certificates are for https: an upstream over http shows none and asks for none');
  if (certificate !== undefined && key === undefined)
    mistakes.add([...path, 'certificate'], 'a certificate is shown with its key: write "key: <file>" as well');
  if (key !== undefined && certificate === undefined) mistakes.add([...path, 'key'], 'a key is for a certificate: write "certificate: <file>" as well');
  return {
    ...address,
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
  /** Each by what it is made of. */
  readonly known: ReadonlyMap<string, UpstreamTarget>;
};

/**
 * Makes targets, and reads what their TLS needs. A target @throws CONFIG_INVALID – a file cannot be read, or is not what it should be
 * @param earlier - those of a configuration before: one that would be the same, down to what its files hold, is used on, with its connections
 */
export function createTargets(earlier?: Targets['known']): Targets {
  const known = new Map<string, UpstreamTarget>();
  const named = new Map<string, UpstreamTarget>();
  const nameOf = (origin: string, protocol: UpstreamConfig['protocol'], parts: readonly TlsPart[] | undefined) =>
    JSON.stringify([origin, protocol, parts?.map(({ value }) => createHash('sha256').update(value).digest('base64'))]);
  const keep = (name: string, make: () => UpstreamTarget): UpstreamTarget => {
    const target = known.get(name) ?? earlier?.get(name) ?? make();
    known.set(name, target);
    return target;
  };
  const find = ({ origin, protocol, tls }: UpstreamConfig): UpstreamTarget => {
    const parts = origin.startsWith('https:') ? readParts(origin, tls) : undefined;
    return keep(nameOf(origin, protocol, parts), () => ({
      origin,
      ...(parts && { secureContext: contextOf(origin, parts) }),
      ...(protocol !== undefined && { protocol }),
    }));
  };
  const of = (upstream: UpstreamConfig): UpstreamTarget => {
    const name = JSON.stringify([upstream.origin, upstream.protocol, upstream.tls]);
    const target = named.get(name) ?? find(upstream);
    named.set(name, target);
    return target;
  };
  const grouped = new Map<GroupConfig, UpstreamTarget>();
  const findGroup = ({ upstreams, ...rules }: GroupConfig): UpstreamTarget => {
    const members = upstreams.map(of);
    const names = [...known].filter(([, target]) => members.includes(target)).map(([name]) => name);
    return keep(JSON.stringify([rules, upstreams, names]), () => ({ origin: upstreams[0]?.origin ?? '', group: { ...rules, members } }));
  };
  const ofGroup = (group: GroupConfig): UpstreamTarget => {
    const target = grouped.get(group) ?? findGroup(group);
    grouped.set(group, target);
    return target;
  };
  return { of, ofGroup, known };
}

/** A part of what TLS needs, and where it came from, for messages. */
type TlsPart = { readonly name: keyof SecureContextOptions; readonly what: string; readonly where: string; readonly value: string };

function readParts(origin: string, tls: UpstreamTlsConfig | undefined): readonly TlsPart[] {
  const parts: readonly (readonly [keyof SecureContextOptions, string, SecretChoice | undefined])[] = [
    ['ca', 'authorities', fileOf(tls?.caPath)],
    ['cert', 'certificate', fileOf(tls?.certificatePath)],
    ['key', 'key', tls?.key],
  ];
  return parts.flatMap(([name, what, choice]) => {
    if (choice === undefined) return [];
    const where = choice.kind === 'file' ? `, ${choice.path},` : '';
    return [{ name, what, where, value: choice.kind === 'text' ? choice.text : read(choice.path, `The ${what} for ${origin}${where}`) }];
  });
}

function contextOf(origin: string, parts: readonly TlsPart[]): SecureContext {
  const options: SecureContextOptions = { minVersion: 'TLSv1.2' };
  for (const { name, what, where, value } of parts) {
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
