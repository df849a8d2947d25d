/**
 * `npm run bench -- <name> [--quick] [words…]`: measures one thing and prints what it found. Without a name: what there is.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Bench } from './harness/Bench.ts';
import { printRows } from './harness/Table.ts';

const names = readdirSync(import.meta.dirname).filter((name) => existsSync(join(import.meta.dirname, name, 'index.ts')));
const words = process.argv.slice(2).filter((word) => word !== '--quick');
const [name, ...args] = words;

if (name === undefined) {
  console.log('npm run bench -- <name> [--quick]\n');
  printRows(await Promise.all(names.map(async (each) => [each, (await load(each)).summary])));
} else if (names.includes(name)) {
  const { summary, run } = await load(name);
  const isQuick = process.argv.includes('--quick');
  console.log(`${summary}${isQuick ? ' (quick: the figures say little)' : ''}\n`);
  await run({ isQuick, args });
} else {
  console.error(`There is no "${name}". There are: ${names.join(', ')}`);
  process.exitCode = 1;
}

async function load(folder: string): Promise<Bench> {
  return import(pathToFileURL(join(import.meta.dirname, folder, 'index.ts')).href) as Promise<Bench>;
}
