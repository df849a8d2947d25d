/**
 * What can be checked of the words: `docs/errors.md` against the codes, links, decision records, and text that must not be published.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

/** One sentence about one file. */
export type DocFinding = { readonly file: string; readonly message: string };

/** A file of the tree: its path below the root, and its text. */
export type TextFile = { readonly path: string; readonly text: string };

/** The text files that are tracked, or would be; without git, all but what is installed, built or hidden. */
export function listTexts(root: string): readonly TextFile[] {
  const listed = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8' });
  const paths = listed.status === 0 ? listed.stdout.split('\0').filter((path) => path !== '') : walk(root);
  return paths.flatMap((path) => {
    if (!existsSync(join(root, path))) return [];
    const text = readFileSync(join(root, path), 'utf8');
    return text.includes('\0') ? [] : [{ path, text }];
  });
}

function walk(root: string): readonly string[] {
  const skipped = /(^|\/)(node_modules|dist|coverage|\.[^/]*)(\/|$)/;
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !skipped.test(path));
}

/** Every code has its section with its status and what to do, in the form that the page begins with; no section is left over. */
export function checkErrors(page: TextFile, codes: Readonly<Record<string, number>>): readonly DocFinding[] {
  const found: DocFinding[] = [];
  const sections = new Map<string, string>();
  for (const section of page.text.split(/^### /m).slice(1)) {
    const [name = '', ...body] = section.split(/\n(?=#)/)[0]?.split('\n') ?? [];
    if (sections.has(name)) found.push({ file: page.path, message: `${name} has two sections.` });
    sections.set(name, body.join('\n').trim());
  }
  for (const [code, status] of Object.entries(codes)) {
    const body = sections.get(code);
    const label = status === 0 ? 'No status' : `Status ${status}`;
    if (body === undefined) found.push({ file: page.path, message: `${code} has no section.` });
    else if (!body.startsWith(`${label}.`)) found.push({ file: page.path, message: `The section of ${code} does not begin with "${label}."` });
    else if (!/\bWhat to do: \S/.test(body)) found.push({ file: page.path, message: `The section of ${code} does not say what to do.` });
  }
  for (const name of sections.keys()) {
    if (!Object.hasOwn(codes, name)) found.push({ file: page.path, message: `${name} has a section and is not a code.` });
  }
  return found;
}

/** Every relative link in Markdown leads to a file that is there, and to a heading in it where it names one. */
export function checkLinks(root: string, files: readonly TextFile[]): readonly DocFinding[] {
  const pages = files.filter((file) => file.path.endsWith('.md'));
  return pages.flatMap((page) => {
    const prose = page.text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
    const inline = [...prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)];
    const references = [...prose.matchAll(/^\s*\[[^\]]+\]:\s+(\S+)/gm)];
    return [...inline, ...references].flatMap((match) => checkLink(root, page, match[1] ?? ''));
  });
}

function checkLink(root: string, page: TextFile, link: string): readonly DocFinding[] {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return [];
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(root, page.path) : join(root, dirname(page.path), decodeURIComponent(path));
  if (!existsSync(target)) return [{ file: page.path, message: `The link ${link} leads nowhere.` }];
  if (anchor === undefined || !target.endsWith('.md')) return [];
  const headings = [...readFileSync(target, 'utf8').matchAll(/^#{1,6} (.+)$/gm)].map((match) => slugOf(match[1] ?? ''));
  return headings.includes(anchor) ? [] : [{ file: page.path, message: `The link ${link} names a heading that is not there.` }];
}

/** A heading as GitHub makes an anchor of it. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

/** Decision records are numbered from 0001 without a gap, begin with their number, and stand in the list. */
export function checkDecisions(files: readonly TextFile[]): readonly DocFinding[] {
  const folder = 'docs/decisions/';
  const list = files.find((file) => file.path === `${folder}README.md`);
  const records = files.filter((file) => file.path.startsWith(folder) && file !== list).sort((a, b) => a.path.localeCompare(b.path));
  return records.flatMap(({ path, text }, index) => {
    const name = path.slice(folder.length);
    const number = String(index + 1).padStart(4, '0');
    if (!new RegExp(`^${number}-[a-z0-9-]+\\.md$`).test(name)) return [{ file: path, message: `The next record is ${number}-<words>.md.` }];
    return [
      ...(text.startsWith(`# ${number} `) ? [] : [{ file: path, message: `It begins with "# ${number} " and its title.` }]),
      ...(list?.text.includes(`](${name})`) ? [] : [{ file: path, message: `${folder}README.md does not list it.` }]),
    ];
  });
}

// Put together from pieces, so that this file does not say what it forbids.
const homes = ['work', 'root', 'home/[a-z]', 'Users/[A-Za-z]'].join('|');
const forbidden: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: new RegExp(`(?<![\\w.~}*/-])/(?:${homes})[\\w.-]*/`), what: 'a path of one machine' },
  { pattern: /\bregistry\.[a-z0-9-]+\.(?:org|com|net|io|dev)\b/i, what: 'the host of a package registry' },
];

/** Nothing says where it was made: no path of one machine, no host that packages came from. */
export function checkForbidden(files: readonly TextFile[]): readonly DocFinding[] {
  return files.flatMap(({ path, text }) =>
    forbidden.flatMap(({ pattern, what }) => {
      const found = pattern.exec(text);
      if (!found) return [];
      const line = text.slice(0, found.index).split('\n').length;
      return [{ file: `${path}:${line}`, message: `"${found[0]}" is ${what}.` }];
    }),
  );
}
