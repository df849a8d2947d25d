/**
 * `farebox mcp install`: writes the wallet into the configuration of an agent host, after it has shown what changes, and undoes it.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import * as Amount from '../../core/Amount.ts';
import { systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { confirm } from '../Confirm.ts';
import type { CliContext } from '../Context.ts';
import { printable } from '../Terminal.ts';
import { type Host, hosts, type Place } from './install/hosts.ts';
import { withEntry } from './install/jsonText.ts';
import { withTable } from './install/tomlText.ts';

type InstallOptions = {
  readonly name: string;
  readonly max?: string;
  readonly maxTotal?: string;
  readonly askAbove?: string;
  readonly servers?: string;
  readonly wallet?: string;
  readonly undo?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
};

/** Adds `farebox mcp install`. `place`: the machine; for tests. */
export function registerMcpInstall(mcp: Command, context: CliContext, place?: Place): void {
  mcp
    .command('install')
    .argument('<host>', `the host: ${Object.keys(hosts).join(', ')}`)
    .description('Write the wallet ("farebox mcp serve") into the configuration of an agent host. What changes is shown first, and a copy is kept.')
    .option('-n, --name <name>', 'what the host calls it', 'farebox')
    .option('-m, --max <amount>', 'the most that one call may cost, fee included, such as "50 sat"; default: what stands (farebox budget)')
    .option('--max-total <amount>', 'the most that all calls of this wallet may cost together, counted from its first')
    .option('--ask-above <amount>', 'ask before anything is paid that costs more')
    .option('-s, --servers <file>', 'a file of servers that stand behind the wallet')
    .option('-w, --wallet <name>', 'the wallet that pays')
    .option('--undo', 'take it out again')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExamples:\n  farebox mcp install claude-desktop --max "50 sat" --max-total "1000 sat"\n  farebox mcp install claude-desktop --undo')
    .action((host: string, options: InstallOptions) => {
      const { environment } = context;
      return install(context, place ?? { platform: process.platform, home: homedir(), cwd: process.cwd(), environment }, host, options);
    });
}

async function install(context: CliContext, place: Place, hostName: string, options: InstallOptions): Promise<void> {
  const host = Object.hasOwn(hosts, hostName) ? hosts[hostName] : undefined;
  if (!host) throw wrong(`There is no host "${hostName.slice(0, 64)}" here. There is ${Object.keys(hosts).join(', ')}. Others take the same: farebox mcp serve.`);
  if (!/^[A-Za-z0-9][\w-]{0,31}$/.test(options.name)) throw wrong('A name is up to 32 letters, digits, "-" and "_".');
  const { terminal } = context;
  const path = host.file(place);
  // A link stays a link.
  const file = existsSync(path) ? realpathSync(path) : path;
  const entry = options.undo ? undefined : entryOf(host, place, options);
  const before = existsSync(file) ? readText(file) : '';
  const after = changed(host, before, options.name, entry);
  if (after === undefined) throw wrong(notUnderstood(host, file, options.name, entry));
  if (after === before) {
    terminal.line(options.undo ? `${host.title} has no "${options.name}": ${file} stays as it is.` : `${file} says all this already.`);
    return terminal.data({ host: hostName, file, changed: false });
  }
  for (const line of difference(before, after)) terminal.note(terminal.tone(line.startsWith('+') ? 'good' : line.startsWith('-') ? 'bad' : 'quiet', printable(line)));
  if (options.dryRun) return terminal.data({ host: hostName, file, changed: false });
  await confirm(context, `Change ${file} like this?`, options.yes);
  if ((existsSync(file) ? readText(file) : '') !== before) throw wrong(`${file} has changed meanwhile. Nothing was written: run it again.`);
  const copy = replace(file, after, (context.clock ?? systemClock).nowMs());
  terminal.line(`${options.undo ? 'Taken out of' : 'Written into'} ${file}${copy === undefined ? '' : `; as it was: ${copy}`}. Start ${host.title.split(',')[0]} anew.`);
  terminal.data({ host: hostName, file, copy: copy ?? null, changed: true });
}

/** What the host is to run. */
function entryOf(host: Host, { platform, environment }: Place, options: InstallOptions) {
  const amounts = [options.max, options.maxTotal, options.askAbove];
  for (const amount of amounts) if (amount !== undefined) Amount.parse(amount);
  const words = [
    ...['npx', '-y', '--package', 'farebox', '--package', '@modelcontextprotocol/sdk', 'farebox', 'mcp', 'serve'],
    ...flag('--max', options.max),
    ...flag('--max-total', options.maxTotal),
    ...flag('--ask-above', options.askAbove),
    ...flag('--servers', options.servers === undefined ? undefined : resolve(options.servers)),
    ...flag('--wallet', options.wallet),
  ];
  // There npx is a script, which a host cannot start by itself.
  const [command = '', ...args] = platform === 'win32' ? ['cmd', '/c', ...words] : words;
  const home = environment.FAREBOX_HOME;
  return { ...host.extra, command, args, ...(home !== undefined && { env: { FAREBOX_HOME: resolve(home) } }) };
}

function flag(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, value];
}

type Entry = ReturnType<typeof entryOf>;

function changed({ format, key }: Host, text: string, name: string, entry: Entry | undefined): string | undefined {
  return format === 'json' ? withEntry(text, key, name, entry) : withTable(text, key, name, entry);
}

function notUnderstood(host: Host, file: string, name: string, entry: Entry | undefined): string {
  const begins = `${file} could not be read well enough to change it safely, and was left as it is.`;
  if (entry === undefined) return `${begins} Take "${name}" out by hand.`;
  return `${begins} Put this into it by hand:\n${changed(host, '', name, entry) ?? ''}`;
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `${file} cannot be read as text. Nothing was written.`, { cause: error });
  }
}

/** Writes a file in one step, and keeps what it was beside it; undefined where it was not there. */
function replace(file: string, text: string, nowMs: number): string | undefined {
  mkdirSync(dirname(file), { recursive: true });
  const isThere = existsSync(file);
  const copy = isThere ? freeName(`${file}.${new Date(nowMs).toISOString().slice(0, 19).replace(/\D/g, '')}`) : undefined;
  if (copy !== undefined) copyFileSync(file, copy);
  const draft = `${file}.${process.pid}.draft`;
  writeFileSync(draft, text, { mode: isThere ? statSync(file).mode & 0o777 : 0o600 });
  renameSync(draft, file);
  return copy;
}

function freeName(name: string): string {
  for (let number = 1; ; number++) {
    const free = `${name}${number === 1 ? '' : `-${number}`}.bak`;
    if (!existsSync(free)) return free;
  }
}

/** The lines that differ, with two around them. */
function difference(before: string, after: string): readonly string[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  let same = 0;
  while (same < Math.min(old.length, now.length) && old[same] === now[same]) same++;
  let end = 0;
  while (end < Math.min(old.length, now.length) - same && old[old.length - 1 - end] === now[now.length - 1 - end]) end++;
  const around = 2;
  return [
    ...now.slice(Math.max(0, same - around), same).map((line) => `  ${line}`),
    ...old.slice(same, old.length - end).map((line) => `- ${line}`),
    ...now.slice(same, now.length - end).map((line) => `+ ${line}`),
    ...now.slice(now.length - end, now.length - end + around).map((line) => `  ${line}`),
  ];
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
}

function wrong(message: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', message);
}
