/**
 * Narrowed credentials in files that nobody but the operator's own user can read.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, systemRandom } from '../../core/Clock.ts';
import { toHex } from '../../core/internal/bytes.ts';
import type { HandOn } from './narrow.ts';

/** Puts each into a file of its own in a folder, which is made where it is missing: one line, the value of `Authorization`. Nothing is written over. */
export function handOnToFolder(folder: string, random: Random = systemRandom): HandOn {
  return async ({ authorization, label }) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${label}-${toHex(random(6))}.credential`);
    await writeFile(path, `${authorization}\n`, { mode: 0o600, flag: 'wx' });
    return path;
  };
}
