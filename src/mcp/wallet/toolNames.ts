/**
 * What the tools of servers behind the wallet are called in front of it: `<server>__<tool>`, in letters that every host takes and no longer than any
 * of them takes. A name that had to be changed for that ends in a hash of what it was.
 */
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';

/** The longest name that hosts take. */
const maxLength = 64;

/** The name of a tool in front of the wallet. */
export function toolNameOf(server: string, tool: string): string {
  const name = `${server}__${tool}`;
  if (name.length <= maxLength && /^[\w-]+$/.test(name)) return name;
  const hash = toHex(sha256(fromUtf8(tool))).slice(0, 8);
  return `${name.replace(/[^\w-]/g, '_').slice(0, maxLength - 1 - hash.length)}_${hash}`;
}
