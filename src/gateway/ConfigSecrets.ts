/**
 * Secrets that a configuration names: by the file that holds one, or out of the environment. None stands in the configuration itself.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { FareboxError } from '../core/Errors.ts';
import * as Fields from './ConfigFields.ts';
import type { ConfigPath, ConfigText } from './ConfigText.ts';

/** A secret: the file that holds it, or itself, out of the environment. */
export type SecretChoice = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'text'; readonly text: string };

/** What is written where a secret is named: `/run/secrets/farebox`, or `${FAREBOX_SECRET}`. */
export function readSecretWord(value: unknown): string {
  return Fields.readLine(value);
}

/** What comes out of the environment is the secret itself, unless it looks like a path or begins with `file:`; everything else is a path. */
export function secretAt(written: string, path: ConfigPath, text: ConfigText, absolute: (path: string) => string): SecretChoice {
  if (written.startsWith('file:')) return { kind: 'file', path: absolute(written.slice('file:'.length)) };
  return text.isFromEnvironment(path) && !/^(\.{0,2}|~)\//.test(written) ? { kind: 'text', text: written } : { kind: 'file', path: absolute(written) };
}

/** The choice without what is secret in it. */
export function withoutText(choice: SecretChoice): SecretChoice | { readonly kind: 'text' } {
  return choice.kind === 'file' ? choice : { kind: 'text' };
}

/**
 * The secret itself: of a file everything but the line break at its end.
 * @throws CONFIG_INVALID – the file cannot be read, or is empty
 */
export async function secretOf(choice: SecretChoice, what: string): Promise<string> {
  if (choice.kind === 'text') return choice.text;
  try {
    return withoutEnd(await readFile(choice.path, 'utf8'), choice.path, what);
  } catch (error) {
    throw unreadable(choice.path, what, error);
  }
}

/**
 * The same at once, while a gateway is made.
 * @throws CONFIG_INVALID – the file cannot be read, or is empty
 */
export function readSecret(choice: SecretChoice, what: string): string {
  if (choice.kind === 'text') return choice.text;
  try {
    return withoutEnd(readFileSync(choice.path, 'utf8'), choice.path, what);
  } catch (error) {
    throw unreadable(choice.path, what, error);
  }
}

function withoutEnd(text: string, path: string, what: string): string {
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw new FareboxError('CONFIG_INVALID', `The file of ${what}, ${path}, is empty.`);
  return secret;
}

function unreadable(path: string, what: string, error: unknown): FareboxError {
  if (FareboxError.is(error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
  return new FareboxError('CONFIG_INVALID', `The file of ${what}, ${path}, cannot be read (${code}).`, { cause: error });
}
