/**
 * Key files for tests, without a command.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { KeyText } from '../../src/gateway/index.ts';
import { fingerprintOf } from '../../src/server/RootKeys.ts';

/** Puts a new key in front, and answers it. */
export function addKey(file: string): Uint8Array {
  const key = crypto.getRandomValues(new Uint8Array(32));
  writeFileSync(file, KeyText.withKey(existsSync(file) ? readFileSync(file, 'utf8') : '', { key }), { mode: 0o600 });
  return key;
}

/** The fingerprints in a file that is not sealed, in its order. */
export function fingerprintsIn(file: string): readonly string[] {
  return KeyText.parse(readFileSync(file, 'utf8'), file).map(({ key }) => fingerprintOf(key));
}
