/** `npm run generate`: writes the doors of the package, as the tree has them, into `exports` of package.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findDoors, formatExports } from './exports.ts';

const root = dirname(import.meta.dirname);
const file = join(root, 'package.json');
const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
const doors = findDoors(root);

// A manifest without the key gets it where readers look for it: before the programs and the files.
const entries = Object.entries(manifest).filter(([key]) => key !== 'exports');
const at = 'exports' in manifest ? Object.keys(manifest).indexOf('exports') : entries.findIndex(([key]) => key === 'bin');
entries.splice(at === -1 ? entries.length : at, 0, ['exports', formatExports(doors)]);
writeFileSync(file, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`);
console.log(`${doors.length} doors: ${doors.map((door) => door.name).join(' ')}`);
