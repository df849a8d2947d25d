/**
 * The rules of the house, as `CONTRIBUTING.md` tells them: which folder may import which, what each may use of the platform and of npm,
 * how large a file and a function may be, how things are called.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { type FunctionSpan, type Import, parseSource, type Source, type Use } from './source.ts';

/**
 * How much of a platform a folder may know. `pure`: values in, values out; no clock, no randomness, no network. `web`: what browsers, workers and
 * Node share; nothing of Node's own. `node`: anything.
 */
type Ring = 'pure' | 'web' | 'node';

/** What the files of a folder, or some of them, may use. */
type Allowance = {
  readonly ring: Ring;
  /** Modules of Node's that they may import in spite of the ring. */
  readonly modules?: readonly string[];
  /** npm packages that they may import. */
  readonly packages: readonly string[];
  /** npm packages of which they may import the types only. */
  readonly types?: readonly string[];
};

type Folder = Allowance & {
  /** An import names a lower layer or its own folder. */
  readonly layer: number;
  /** Files, by the beginning of their path in the folder, that may use something else. */
  readonly except?: Readonly<Record<string, Allowance>>;
};

const node: Allowance = { ring: 'node', packages: [] };

/** The folders of src. A package enters here with its reason in `docs/decisions/0003-dependencies.md`. */
export const folders: Readonly<Record<string, Folder>> = {
  core: { layer: 0, ring: 'pure', packages: ['@noble/curves', '@scure/base'] },
  http: { layer: 1, ring: 'web', packages: [], except: { Node: node } },
  lightning: {
    layer: 1,
    ring: 'web',
    packages: [],
    except: {
      sandbox: { ring: 'node', packages: ['@noble/curves', 'zod'] },
      lnd: node,
      cln: node,
      Transport: node,
      lnurl: { ring: 'web', packages: ['@scure/base'] },
      nwc: { ring: 'web', packages: ['@noble/ciphers', '@noble/curves'] },
    },
  },
  store: {
    layer: 1,
    ring: 'web',
    packages: [],
    except: { sqlite: node, postgres: { ring: 'node', packages: ['pg'] }, redis: { ring: 'node', packages: ['ioredis'] } },
  },
  discovery: { layer: 1, ring: 'web', packages: [] },
  // Bodies are hashed as they stream; workers have this module too.
  server: { layer: 2, ring: 'web', modules: ['node:crypto'], packages: [] },
  client: {
    layer: 2,
    ring: 'web',
    packages: [],
    except: {
      sqlite: node,
      undici: { ring: 'node', packages: ['undici'] },
      'transport/Relay': { ring: 'node', packages: [], types: ['undici'] },
      'transport/dispatching': { ring: 'node', packages: [], types: ['undici'] },
      axios: { ring: 'web', packages: ['axios'] },
      grpc: { ring: 'node', packages: ['@grpc/grpc-js'] },
      postgres: node,
      redis: { ring: 'node', packages: ['ioredis'] },
      'tools/handOn': node,
      'tools/publicFetch': { ring: 'node', packages: ['undici'] },
      'store/Seal': node,
      import: node,
      'choice/Services': { ring: 'web', packages: ['zod'] },
    },
  },
  adapters: {
    layer: 3,
    ring: 'web',
    packages: [],
    types: ['hono'],
    except: {
      express: { ring: 'node', packages: [], types: ['express'] },
      'ai-sdk': { ring: 'web', packages: ['ai'] },
      langchain: { ring: 'web', packages: ['@langchain/core'] },
      node,
      Node: node,
    },
  },
  gateway: {
    layer: 3,
    ring: 'node',
    packages: ['qr', 'undici', 'yaml', 'zod'],
    except: { 'running/Traces': { ring: 'node', packages: ['@opentelemetry/api'] } },
  },
  mcp: {
    layer: 3,
    ring: 'node',
    packages: ['@modelcontextprotocol/sdk'],
    except: { 'gate/ServerOverHttp': { ring: 'node', packages: ['@modelcontextprotocol/sdk', 'undici'] } },
  },
  hub: { layer: 4, ring: 'node', packages: [] },
  admin: { layer: 4, ring: 'node', packages: ['hono', '@hono/node-server', 'yaml', 'zod'] },
  testing: { layer: 4, ring: 'node', packages: [] },
  cli: { layer: 5, ring: 'node', packages: ['commander', 'qrcode', 'yaml', 'zod'], except: { 'serve/Logs': { ring: 'node', packages: ['pino'] } } },
};

/** The files that may import `node:sqlite`: it is new, and one place each is enough. */
const sqliteFiles = /^(store\/sqlite|lightning\/sandbox|client\/sqlite)/;

/** The one pure file that may name the machine's own time and randomness, to hand them out. */
const clockFile = 'core/Clock.ts';

const impure = [
  'Date.now',
  'new Date()',
  'Math.random',
  'crypto',
  'fetch',
  'globalThis',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
];
const nodeOnly = ['process', 'Buffer', 'require', '__dirname', '__filename'];
const clockMayUse = ['Date.now', 'setTimeout', 'crypto'];
const fileLimit = 600;
const fileComfort = 400;
const functionLimit = 60;

/** One thing that breaks a rule, or, as a warning, is about to. */
export type Finding = {
  /** Below the root. */
  readonly file: string;
  readonly line: number;
  readonly rule: 'layer' | 'ring' | 'package' | 'cycle' | 'size' | 'function' | 'name' | 'place';
  readonly message: string;
  readonly isWarning: boolean;
};

type File = Source & {
  /** Below the root, with `/`. */
  readonly path: string;
  /** Below src; undefined for a file that is not in src, or is a test. */
  readonly place: string | undefined;
};

/** Every finding in a tree, in the order of its files. */
export function checkArchitecture(root: string): readonly Finding[] {
  const files = ['src', 'test', 'scripts', 'examples', 'bench'].flatMap((folder) => listFiles(root, join(root, folder)));
  return [...files.flatMap((file) => checkFile(root, file)), ...findCycles(root, files)].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

function checkFile(root: string, file: File): readonly Finding[] {
  const everywhere = [...checkNames(file), ...checkSize(file)];
  if (file.place === undefined) return everywhere;

  const [name = '', ...rest] = file.place.split('/');
  if (rest.length === 0) return [...everywhere, ...checkRoot(root, file)];
  const folder = folders[name];
  if (!folder) return [...everywhere, finding(file, 1, 'place', `src/${name} is not a folder that scripts/architecture.ts knows; give it a layer there.`)];
  const allowed = allowanceOf(folder, rest.join('/'));
  return [
    ...everywhere,
    ...file.imports.flatMap((each) => (each.specifier.startsWith('.') ? checkRelative(root, file, each, name, folder) : checkOutside(file, each, allowed))),
    ...file.uses.flatMap((each) => checkUse(file, each, name, allowed)),
    ...file.functions.flatMap((each) => checkFunction(file, each)),
  ];
}

/** `src/index.ts` is the door to core, and the only file that stands in no folder. */
function checkRoot(root: string, file: File): readonly Finding[] {
  if (file.place !== 'index.ts') return [finding(file, 1, 'place', 'Only index.ts stands in src itself; everything else has a folder.')];
  return file.imports
    .filter((each) => folderOf(root, file, each) !== 'core')
    .map((each) => finding(file, each.line, 'layer', `src/index.ts is the door to core; it may not import ${each.specifier}.`));
}

function checkRelative(root: string, file: File, each: Import, name: string, folder: Folder): readonly Finding[] {
  const target = folderOf(root, file, each);
  if (target === name) return [];
  if (target === undefined) return [finding(file, each.line, 'layer', `${each.specifier} leaves src.`)];
  const other = folders[target];
  if (other && other.layer < folder.layer) return [];
  const why = other?.layer === folder.layer ? 'is a neighbour' : 'is above it';
  return [finding(file, each.line, 'layer', `${each.specifier}: src/${target} ${why}; src/${name} may import what is below it.`)];
}

function checkOutside(file: File, each: Import, allowed: Allowance): readonly Finding[] {
  const { specifier, line } = each;
  if (specifier === 'node:sqlite' && !sqliteFiles.test(file.place ?? '')) {
    return [finding(file, line, 'ring', 'node:sqlite is imported by store/sqlite*, lightning/sandbox* and client/sqlite* only.')];
  }
  if (specifier.startsWith('node:')) {
    const isAllowed = allowed.ring === 'node' || allowed.modules?.includes(specifier);
    return isAllowed ? [] : [finding(file, line, 'ring', `${specifier}: this file is ${allowed.ring}, without anything of Node's own.`)];
  }
  const wanted = packageOf(specifier);
  if (allowed.packages.includes(wanted) || (each.isType && allowed.types?.includes(wanted))) return [];
  const only = allowed.types?.includes(wanted) ? `only the types of ${wanted} (import type)` : allowed.packages.join(', ') || 'no npm package';
  return [finding(file, line, 'package', `${specifier}: this file may import ${only}.`)];
}

function checkUse(file: File, use: Use, name: string, allowed: Allowance): readonly Finding[] {
  const { line } = use;
  if (use.name === 'process.env' && name !== 'cli' && file.place !== 'gateway/Config.ts') {
    return [finding(file, line, 'ring', 'The environment is read in src/cli and src/gateway/Config.ts only; take the value as an argument.')];
  }
  if (use.name === 'console' && name !== 'cli') return [finding(file, line, 'ring', 'Only src/cli prints; emit an event or take a function.')];
  if (allowed.ring !== 'node' && nodeOnly.includes(use.name)) {
    return [finding(file, line, 'ring', `${use.name}: this file is ${allowed.ring}, without anything of Node's own.`)];
  }
  if (allowed.ring === 'pure' && impure.includes(use.name) && !(file.place === clockFile && clockMayUse.includes(use.name))) {
    return [finding(file, line, 'ring', `${use.name}: core is pure; take a clock, randomness or the network as an argument.`)];
  }
  return [];
}

/** The folder's own allowance, or that of the longest beginning that the file's path has. */
function allowanceOf(folder: Folder, path: string): Allowance {
  const beginnings = Object.keys(folder.except ?? {}).filter((each) => path.startsWith(each));
  const longest = beginnings.sort((a, b) => b.length - a.length)[0];
  return (longest === undefined ? undefined : folder.except?.[longest]) ?? folder;
}

function checkFunction(file: File, each: FunctionSpan): readonly Finding[] {
  if (each.lines <= functionLimit) return [];
  return [finding(file, each.line, 'function', `${each.name} has ${each.lines} lines; ${functionLimit} is the most. Name its steps.`)];
}

function checkSize(file: File): readonly Finding[] {
  if (file.lines > fileLimit) return [finding(file, 1, 'size', `${file.lines} lines; ${fileLimit} is the most.`)];
  if (file.lines <= fileComfort || file.place === undefined) return [];
  return [{ ...finding(file, 1, 'size', `${file.lines} lines: what second thing moved in?`), isWarning: true }];
}

function checkNames(file: File): readonly Finding[] {
  const words = (text: string) => text.split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])/);
  const parts = file.path.replace(/\.[a-z]+$/, '').split('/');
  const places = parts.filter((part) => words(part).some((word) => /^(utils?|helpers?|common|manager)$/i.test(word)));
  const names = file.exported.filter((name) => /^(utils?|helpers?|manager)$/i.test(words(name).at(-1) ?? ''));
  return [...places, ...names].map((name) => finding(file, 1, 'name', `"${name}" says nothing about what it holds.`));
}

/** Circles of imports that are there when the types are gone, each told once, at its first file. */
function findCycles(root: string, files: readonly File[]): readonly Finding[] {
  const inSrc = new Map(files.filter((file) => file.place !== undefined).map((file) => [file.path, file]));
  const next = (file: File) => file.imports.flatMap((each) => (each.isType ? [] : (inSrc.get(targetOf(root, file, each) ?? '') ?? [])));
  const state = new Map<string, 'open' | 'done'>();
  const found: Finding[] = [];
  const visit = (file: File, trail: readonly File[]): void => {
    if (state.get(file.path) === 'done') return;
    if (state.get(file.path) === 'open') {
      const circle = [...trail.slice(trail.findIndex((each) => each.path === file.path)), file];
      found.push(finding(file, 1, 'cycle', circle.map((each) => each.path).join(' → ')));
      return;
    }
    state.set(file.path, 'open');
    for (const each of next(file)) visit(each, [...trail, file]);
    state.set(file.path, 'done');
  };
  for (const file of inSrc.values()) visit(file, []);
  return found;
}

function finding(file: File, line: number, rule: Finding['rule'], message: string): Finding {
  return { file: file.path, line, rule, message, isWarning: false };
}

/** The file that a relative import names, below the root. */
function targetOf(root: string, file: File, each: Import): string | undefined {
  if (!each.specifier.startsWith('.')) return undefined;
  return relative(root, join(root, dirname(file.path), each.specifier))
    .split(sep)
    .join('/');
}

/** The folder of src that a relative import leads to. */
function folderOf(root: string, file: File, each: Import): string | undefined {
  const [first, folder, ...rest] = (targetOf(root, file, each) ?? '').split('/');
  return first === 'src' && rest.length > 0 ? folder : undefined;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function listFiles(root: string, folder: string): readonly File[] {
  if (!existsSync(folder)) return [];
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name) && !/(^|\/)node_modules(\/|$)/.test(entry.parentPath))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
  return paths.map((path) => {
    const isTest = /\.test\.ts$/.test(path);
    const place = path.startsWith('src/') && !isTest ? path.slice('src/'.length) : undefined;
    return { ...parseSource(readFileSync(join(root, path), 'utf8')), path, place };
  });
}
