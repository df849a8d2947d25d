/**
 * What a door really brings along: the code behind it as a bundler would take it, without comments, types and what nobody calls.
 */
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'vite';
import type { Door } from './exports.ts';

/** The code behind a door. */
export type Bundle = {
  readonly code: string;
  /** What it imports from outside the package: npm packages and Node's own modules. */
  readonly imports: readonly string[];
};

/** What has no business behind a door. */
export type DoorRule = {
  /** As in `exports`, such as `./client`. */
  readonly door: string;
  /** Everything that it may import from outside. */
  readonly imports?: RegExp;
  /** Words that may not stand in the code. */
  readonly words?: RegExp;
  /** What a file behind it exports by this name, and the most that a page that takes no more may load for it: all that it needs from npm with it, minified and compressed as Brotli does. */
  readonly weight?: { readonly source: string; readonly name: string; readonly maxBytes: number };
  /** Why, for whoever breaks the rule. */
  readonly because: string;
};

/** The rules of Farebox's own doors. */
export const doorRules: readonly DoorRule[] = [
  { door: '.', imports: /^@(noble|scure)\//, because: 'the protocol runs in browsers and workers' },
  { door: './lightning/nwc', imports: /^@(noble|scure)\//, because: 'it runs in browsers and workers' },
  { door: './client', words: /\broot_?keys?\b/i, because: 'a buyer can narrow a token, never make one' },
  {
    door: './client',
    imports: /^@(noble|scure)\//,
    weight: { source: 'src/client/createClient.ts', name: 'createClient', maxBytes: 40 * 1024 },
    because: 'pages buy too',
  },
  { door: './lightning/webln', imports: /^@(noble|scure)\//, because: 'its wallet is in the browser' },
];

/** What the rules find behind the doors, as sentences. */
export async function checkDoors(root: string, doors: readonly Door[], rules = doorRules): Promise<readonly string[]> {
  const found = rules.map(async ({ door: name, imports, words, weight, because }) => {
    const door = doors.find((each) => each.name === name);
    if (!door) return [`There is a rule for the door ${name}, and no such door.`];
    const bundle = await bundleDoor(root, door);
    const strangers = imports ? bundle.imports.filter((each) => !imports.test(each)) : [];
    const bytes = weight === undefined ? 0 : await weigh(root, weight.source, weight.name);
    const word = words?.exec(bundle.code)?.[0];
    return [
      ...strangers.map((each) => `${name} imports ${each}: ${because}.`),
      ...(weight && bytes > weight.maxBytes ? [`${weight.source} weighs ${bytes} bytes compressed; ${weight.maxBytes} is the most: ${because}.`] : []),
      ...(word === undefined ? [] : [`The code behind ${name} says "${word}": ${because}.`]),
    ];
  });
  return (await Promise.all(found)).flat();
}

/** What a page loads for one thing that a file exports: everything behind it, minified and compressed, in bytes. */
export async function weigh(root: string, source: string, name: string): Promise<number> {
  // No file: what such a page would say.
  const entry = join(root, 'page.virtual.js');
  const output = await build({
    root,
    configFile: false,
    publicDir: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) => (id === entry ? `export { ${name} } from ${JSON.stringify(join(root, source))};` : undefined),
      },
    ],
    build: { write: false, minify: true, target: 'es2024', lib: { entry, formats: ['iife'], name: 'farebox' } },
  });
  const chunks = (Array.isArray(output) ? output : [output]).flatMap((each) => ('output' in each ? each.output : []));
  return brotliCompressSync(chunks.map((each) => (each.type === 'chunk' ? each.code : '')).join('')).length;
}

/** Bundles one door; everything from outside the package stays an import. */
export async function bundleDoor(root: string, door: Door): Promise<Bundle> {
  const output = await build({
    root,
    configFile: false,
    publicDir: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: false,
      target: 'es2024',
      lib: { entry: join(root, door.source), formats: ['es'] },
      rolldownOptions: {
        // Comments go, names stay: the words are looked for in what runs.
        output: { minify: { mangle: false, compress: false } },
        external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[a-z]:[\\/]/i.test(id),
      },
    },
  });
  const chunks = (Array.isArray(output) ? output : [output])
    .flatMap((each) => ('output' in each ? each.output : []))
    .flatMap((each) => (each.type === 'chunk' ? [each] : []));
  const own = new Set(chunks.map((chunk) => chunk.fileName));
  const imports = new Set(chunks.flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports]).filter((each) => !own.has(each)));
  return { code: chunks.map((chunk) => chunk.code).join('\n'), imports: [...imports].sort() };
}
