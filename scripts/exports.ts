/**
 * The doors of the package, read from the tree: which files of src may be imported from outside, and under which name.
 *
 * `src/index.ts` is `farebox` and `src/<folder>/index.ts` is `farebox/<folder>`. A file of adapters that is named in lower case alone is
 * `farebox/<name>`. A file that exports the driver it is named after is a door of its own: `src/store/sqlite.ts`, because it exports
 * `createSqliteStore`, is `farebox/store/sqlite`. A file of client that stands before a folder of its own name, or
 * exports an interceptor or adapter of that name, such as `createUndiciInterceptor`, is `farebox/client/<name>`; a file of mcp before a folder of its
 * name is `farebox/mcp/<name>`.
 * Everything else is internal.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSource } from './source.ts';

/** One file that may be imported from outside. */
export type Door = {
  /** As in `exports`, such as `./client`. */
  readonly name: string;
  /** Below the root, such as `src/client/index.ts`. */
  readonly source: string;
};

/** The folders whose files are doors of their own: what their names begin with, and what else makes a file a door. */
const shelves: readonly {
  readonly folder: string;
  readonly prefix: string;
  readonly isDoor: (name: string, exported: readonly string[], hasFolder: boolean) => boolean;
}[] = [
  { folder: 'adapters', prefix: '.', isDoor: () => true },
  { folder: 'lightning', prefix: './lightning', isDoor: exportsDriver(/^(?:create(\w+)(?:Receiver|Payer)|with(\w+?)(?:Invoices)?)$/) },
  { folder: 'store', prefix: './store', isDoor: exportsDriver(/^create(\w+)Store$/) },
  {
    folder: 'client',
    prefix: './client',
    isDoor: (name, exported, hasFolder) => hasFolder || exportsDriver(/^create(\w+)(?:ClientStore|Interceptor|Adapter)$/)(name, exported),
  },
  { folder: 'mcp', prefix: './mcp', isDoor: (_name, _exported, hasFolder) => hasFolder },
];

function exportsDriver(pattern: RegExp) {
  return (name: string, exported: readonly string[]) =>
    exported.some((each) =>
      pattern
        .exec(each)
        ?.slice(1)
        .some((part) => part?.toLowerCase() === name),
    );
}

/** The doors of a tree, `farebox` first, then by name. */
export function findDoors(root: string): readonly Door[] {
  const src = join(root, 'src');
  if (!existsSync(src)) return [];
  const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const roles = folders
    .filter((folder) => existsSync(join(src, folder.name, 'index.ts')))
    .map((folder) => ({ name: `./${folder.name}`, source: `src/${folder.name}/index.ts` }));
  const products = shelves.flatMap(({ folder, prefix, isDoor }) =>
    namesIn(join(src, folder))
      .filter((name) => isDoor(name, parseSource(readFileSync(join(src, folder, `${name}.ts`), 'utf8')).exported, existsSync(join(src, folder, name))))
      .map((name) => ({ name: `${prefix}/${name}`, source: `src/${folder}/${name}.ts` })),
  );
  const main = existsSync(join(src, 'index.ts')) ? [{ name: '.', source: 'src/index.ts' }] : [];
  return [...main, ...[...roles, ...products].sort((a, b) => (a.name < b.name ? -1 : 1))];
}

/** The value of `exports` in package.json for these doors. */
export function formatExports(doors: readonly Door[]): Record<string, unknown> {
  const entries = doors.map(({ name, source }) => {
    const built = `./dist/${source.slice('src/'.length, -'.ts'.length)}`;
    return [name, { types: `${built}.d.ts`, default: `${built}.js` }];
  });
  return { ...Object.fromEntries(entries), './package.json': './package.json' };
}

/** The files of a folder that are named in lower case alone, without `index` and the `.ts`. */
function namesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).flatMap((file) => /^([a-z][a-z0-9-]*)\.ts$/.exec(file)?.[1] ?? []);
  return names.filter((name) => name !== 'index');
}
