/**
 * What clients are shown over TLS: a certificate from files, or one that signs itself, for a first try.
 *
 *     tls: { certificate: fullchain.pem, key: privkey.pem }
 *     tls: self-signed
 */
import { z } from 'zod';
import * as Fields from '../ConfigFields.ts';
import { readSecretWord, type SecretChoice, secretAt, withoutText } from '../ConfigSecrets.ts';
import type { ConfigPath, ConfigText } from '../ConfigText.ts';

/** A choice, complete. Paths are absolute. */
export type TlsConfig =
  | { readonly kind: 'self-signed' }
  | {
      readonly kind: 'files';
      /** With those that signed it. */
      readonly certificatePath: string;
      readonly key: SecretChoice;
    };

/** See the head of this file. `field` is that of the schema. */
export function tlsSchema(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  return z.union([
    z.strictObject({
      /** The file of the certificate, followed by those that signed it, in PEM. It is read again when it changes. No default. */
      certificate: field(Fields.readLine),
      /** The key of that certificate: its file, or itself out of the environment: `${TLS_KEY}`. No default. */
      key: field(readSecretWord),
    }),
    field(Fields.readOneOf(['self-signed'])),
  ]);
}

/** As the schema reads it. */
export type TlsFile = z.output<ReturnType<typeof tlsSchema>>;

/** Completes it. */
export function readTls(found: TlsFile | undefined, path: ConfigPath, text: ConfigText, absolute: (path: string) => string): TlsConfig | undefined {
  if (found === undefined) return undefined;
  if (typeof found === 'string') return { kind: 'self-signed' };
  return { kind: 'files', certificatePath: absolute(found.certificate), key: secretAt(found.key, [...path, 'key'], text, absolute) };
}

/** The choice without what is secret in it. */
export function withoutKey(tls: TlsConfig): object {
  return tls.kind === 'files' ? { ...tls, key: withoutText(tls.key) } : tls;
}

/** The choice in words. */
export function explainTls(tls: TlsConfig): string {
  return tls.kind === 'files' ? `the certificate in ${tls.certificatePath}` : 'a certificate that signs itself, which nobody has a reason to believe';
}
