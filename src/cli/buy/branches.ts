/**
 * `farebox budget branch`, `tree` and `pull`: shares of a budget for helpers of an agent's, what each has spent, and an end to one of them.
 */
import type { Command } from 'commander';
import { type BranchNode, leftOf, pullBranch, putBranch, readBranches } from '../../client/branches.ts';
import type { ClientStore, LimitOptions } from '../../client/index.ts';
import * as Amount from '../../core/Amount.ts';
import { nowAt, systemClock, wait } from '../../core/Clock.ts';
import type { CliContext } from '../Context.ts';
import { printable, type Terminal, table } from '../Terminal.ts';
import { formatAt, formatRelative, isoAt } from '../Time.ts';
import { type JournalOptions, walletWords, withJournal } from './Payments.ts';
import { wrong } from './RequestOptions.ts';

type BranchFlags = JournalOptions & {
  readonly within?: string;
  readonly max?: string;
  readonly maxPerRequest?: string;
  readonly expires?: string;
  readonly allow?: readonly string[];
};
type TreeOptions = JournalOptions & { readonly watch?: boolean };

/** How often the tree is drawn anew. */
const watchMs = 500;

/** Adds them to `farebox budget`. */
export function registerBranches(budget: Command, context: CliContext): void {
  const wallet = ['-w, --wallet <name>', walletWords, 'wallet'] as const;
  const json = ['--json', 'print JSON, a line for each branch'] as const;
  budget
    .command('branch')
    .argument('<name>', 'what the helper is called; it pays under this name')
    .description('Give a helper a share, or change it: what is paid under it counts to all that it lies within.')
    .option('--within <name>', 'the branch that it is a share of')
    .option('--max <amount>', 'the most altogether, fees included, such as "100 sat"')
    .option('--max-per-request <amount>', 'the most for one request, fee included')
    .option('--expires <length>', 'nothing is paid after so long: 10m, 2h or 7d')
    .option('--allow <host>', 'pays these hosts and no others; may repeat', (text: string, all: readonly string[] = []) => [...all, text])
    .option(...wallet)
    .option(...json)
    .action((name: string, options: BranchFlags) => put(context, name, options));
  budget
    .command('tree')
    .description('Show every branch below the one that it lies within, with what each has spent.')
    .option('--watch', 'stay, and show it anew as it changes, until Ctrl-C')
    .option(...wallet)
    .option(...json)
    .action((options: TreeOptions) => tree(context, options));
  budget
    .command('pull')
    .argument('<name>', 'the branch')
    .argument('[why...]', 'for whoever finds that nothing is paid')
    .description('Stop a helper and all of its own: nothing is paid under the branch any more, in any process, and what is under way is aborted.')
    .option(...wallet)
    .option(...json)
    .action((name: string, why: readonly string[], options: JournalOptions) => pull(context, name, why.join(' '), options));
}

async function put(context: CliContext, name: string, options: BranchFlags): Promise<void> {
  const { within, max, maxPerRequest, expires, allow } = options;
  const terminal = context.terminal.withJson(options.json);
  const clock = context.clock ?? systemClock;
  const limits: LimitOptions[] = [
    ...(max === undefined ? [] : [{ per: 'total' as const, max }]),
    ...(maxPerRequest === undefined ? [] : [{ per: 'request' as const, max: maxPerRequest }]),
  ];
  const endsAt = expires === undefined ? undefined : nowAt(clock) + secondsOf(expires);
  await withJournal(context, options, async ({ store }) => {
    try {
      await putBranch(store, { name, within, limits, allow, endsAt });
    } catch (error) {
      // Whoever typed the command has named what is not there.
      if (error instanceof RangeError || error instanceof TypeError) throw wrong(`${capital(error.message)}.`);
      throw error;
    }
    await print(terminal, store, nowAt(clock));
  });
}

async function pull(context: CliContext, name: string, why: string, options: JournalOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store }) => {
    if (!(await pullBranch(store, name, why))) throw wrong(`There is no branch "${name.slice(0, 64)}". Show them with: farebox budget tree`);
    await print(terminal, store, nowAt(context.clock ?? systemClock));
  });
}

async function tree(context: CliContext, options: TreeOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const clock = context.clock ?? systemClock;
  await withJournal(context, options, async ({ store }) => {
    if (!options.watch) return print(terminal, store, nowAt(clock));
    let before = '';
    while (!context.signal.aborted) {
      const at = nowAt(clock);
      const branches = await readBranches(store, at);
      const lines = linesOf(terminal, branches, at);
      if (terminal.isInteractive && options.json !== true) terminal.live(lines);
      else if (lines.join('\n') !== before) show(terminal, branches, at);
      before = lines.join('\n');
      await wait(clock, watchMs, context.signal, true);
    }
    terminal.live([]);
  });
}

async function print(terminal: Terminal, store: ClientStore, at: number): Promise<void> {
  show(terminal, await readBranches(store, at), at);
}

function show(terminal: Terminal, branches: readonly BranchNode[], at: number): void {
  for (const [node, path] of flat(branches)) terminal.data({ kind: 'branch', within: path.at(-1), ...dataOf(node) });
  for (const line of linesOf(terminal, branches, at)) terminal.line(line);
}

function linesOf(terminal: Terminal, branches: readonly BranchNode[], at: number): readonly string[] {
  if (branches.length === 0) return [terminal.tone('quiet', 'There are no branches. Give a helper a share: farebox budget branch reader --max "100 sat"')];
  return table(
    flat(branches).map(([node, path]) => rowOf(terminal, node, path.length, at)),
    [1],
  );
}

function rowOf({ tone }: Terminal, node: BranchNode, depth: number, at: number): readonly string[] {
  const { name, state, spentMsat, heldMsat, payments, endsAt, note } = node;
  const left = leftOf(node);
  const held = heldMsat === 0n ? '' : `, ${Amount.format(heldMsat)} held`;
  const end = endsAt === undefined ? '' : state === 'open' ? `ends ${formatRelative(endsAt, at)}` : `ended ${formatAt(endsAt)}`;
  return [
    tone('strong', `${'  '.repeat(depth)}${name}`),
    tone('money', `${Amount.format(spentMsat)} spent${held}`),
    tone('quiet', `${payments} payment${payments === 1 ? '' : 's'}`),
    left === undefined ? '' : tone(left === 0n ? 'bad' : 'good', `${Amount.format(left)} left`),
    state === 'pulled' ? tone('bad', `pulled: ${printable(note ?? '')}`) : tone(state === 'open' ? 'quiet' : 'warning', end),
  ];
}

function dataOf(node: BranchNode): object {
  const { name, state, note, spentMsat, heldMsat, payments, endsAt } = node;
  return { name, state, note, spentMsat, heldMsat, leftMsat: leftOf(node), payments, endsAt: endsAt === undefined ? undefined : isoAt(endsAt) };
}

/** Each with the names that it lies within, outermost first. */
function flat(nodes: readonly BranchNode[], path: readonly string[] = []): readonly (readonly [node: BranchNode, path: readonly string[]])[] {
  return nodes.flatMap((node) => [[node, path] as const, ...flat(node.branches, [...path, node.name])]);
}

function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw wrong(`--expires is a length such as 10m, 2h or 7d, not "${text.slice(0, 64)}".`);
  return Number(count) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
