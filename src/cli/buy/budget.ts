/**
 * `farebox budget`: limits that stand in the journal, and bind everything that pays out of it: this command line, and every program on the same
 * store.
 */
import type { Command } from 'commander';
import * as Hosts from '../../client/budget/Hosts.ts';
import { type Limit, readStanding } from '../../client/budget/Limit.ts';
import { type ClientStore, type LimitState, leftMsatOf, type NamedBudget, type Period } from '../../client/index.ts';
import * as Amount from '../../core/Amount.ts';
import { nowAt, systemClock } from '../../core/Clock.ts';
import { confirm } from '../Confirm.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import { printable, type Terminal } from '../Terminal.ts';
import { formatAt, isoAt } from '../Time.ts';
import { registerBranches } from './branches.ts';
import { type JournalOptions, printTable, walletWords, withJournal } from './Payments.ts';
import { wrong } from './RequestOptions.ts';

type LimitFlags = { readonly per?: string; readonly host?: string; readonly tag?: string };
type SetOptions = JournalOptions &
  LimitFlags & { readonly max?: string; readonly allow?: readonly string[]; readonly deny?: readonly string[]; readonly consentAbove?: string };
type RemoveOptions = JournalOptions & LimitFlags & { readonly yes?: boolean };

/** Adds `farebox budget`. */
export function registerBudget(program: Command, context: CliContext): void {
  const budget = program
    .command('budget')
    .description('Limits that stand: they bind this command line, and every program that pays out of the same journal.')
    .addHelpText('after', help);
  const wallet = ['-w, --wallet <name>', walletWords, 'wallet'] as const;
  const name = ['[name]', 'what to call it, where there are several; each of them counts everything, and all have to allow a payment'] as const;
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  budget
    .command('show', { isDefault: true })
    .description('Show every standing limit: what is spent, held and left of it, and until when.')
    .option(...wallet)
    .option('--json', 'print JSON, a line for each limit')
    .action((options: JournalOptions) => show(context, options));
  budget
    .command('set')
    .argument(...name)
    .description('Set a limit, in place of the one of the same period, host and tag; or say whom to pay, and when to ask.')
    .option('--per <period>', periods.join(', '))
    .option('--max <amount>', 'the most in that period, fees included, such as "1000 sat"')
    .option('--host <host>', 'counts what these hosts are paid alone: api.example.com, *.example.com, either with a port')
    .option('--tag <tag>', 'counts what is bought with this --tag alone')
    .option('--allow <host>', 'pays these hosts and no others; may repeat', several)
    .option('--deny <host>', 'never pays these hosts; may repeat', several)
    .option('--consent-above <amount>', 'asks at the terminal before more is paid at once; with nobody there, it is not paid')
    .option(...wallet)
    .option('--json', 'print JSON, a line for each limit')
    .action((which: string | undefined, options: SetOptions) => set(context, which, options));
  budget
    .command('remove')
    .argument(...name)
    .description('Take a limit away, or, where none is named, the whole budget with its hosts and its question.')
    .option('--per <period>', 'the limit of this period')
    .option('--host <host>', 'and of this host')
    .option('--tag <tag>', 'and of this tag')
    .option('-y, --yes', 'do not ask')
    .option(...wallet)
    .option('--json', 'print JSON, a line for each limit')
    .action((which: string | undefined, options: RemoveOptions) => remove(context, which, options));
  budget
    .command('stop')
    .argument('[why...]', 'for whoever finds that nothing is paid')
    .description('Pay nothing at all any more, in every process, until "farebox budget allow".')
    .option(...wallet)
    .option('--json', 'print JSON')
    .action((why: readonly string[], options: JournalOptions) => stop(context, why.join(' '), options));
  budget
    .command('allow')
    .description('Let payments be made again, after they were stopped by hand or by a payment that cost more than it was allowed to.')
    .option(...wallet)
    .option('--json', 'print JSON')
    .action((options: JournalOptions) => allow(context, options));
  registerBranches(budget, context);
}

const periods: readonly Period[] = ['request', 'minute', 'hour', 'day', 'week', 'month', 'total'];

const help = `
Periods are of the calendar, in UTC; a payment counts in the one in which it was begun, its
fee included, and is held as long as its end is not known. All limits that a payment
counts to have to allow it. A limit per request without host and tag also stands in for
the --max of "farebox get".

Examples:
  farebox budget set --per day --max "1000 sat"
  farebox budget set --per request --max "50 sat" --host api.example.com
  farebox budget set --per week --max "2000 sat" --tag job-17
  farebox budget set agent --per month --max "20000 sat" --allow "*.example.com"
  farebox budget stop "the agent is in a loop"`;

async function show(context: CliContext, options: JournalOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, ({ store, network }) => print(context, terminal, store, network));
}

async function print(context: CliContext, terminal: Terminal, store: ClientStore, network: string): Promise<void> {
  const states = await store.report({ nowAt: nowAt(context.clock ?? systemClock) });
  const { spentMsat, heldMsat, stoppedBy, stopNote } = await store.spending();
  const budgets = await store.budgets.list();
  for (const state of states) terminal.data({ kind: 'limit', ...dataOf(state) });
  for (const budget of budgets)
    terminal.data({ kind: 'budget', name: budget.name, allow: budget.allow, deny: budget.deny, consentAboveMsat: budget.consentAboveMsat });
  terminal.data({ kind: 'spending', network, spentMsat, heldMsat, stopped: stoppedBy !== undefined || stopNote !== undefined, stoppedBy, why: stopNote });
  const { tone } = terminal;
  if (stoppedBy !== undefined) terminal.line(tone('bad', `Nothing is paid: payment ${stoppedBy.slice(0, 16)} cost more than it was allowed to.`));
  if (stopNote !== undefined) terminal.line(tone('bad', `Nothing is paid: it was stopped by hand: ${printable(stopNote)}`));
  if (stoppedBy !== undefined || stopNote !== undefined) terminal.line(tone('quiet', 'When somebody has looked: farebox budget allow'));
  printTable(
    terminal,
    states.map((state) => rowOf(terminal, state)),
    [3],
  );
  for (const budget of budgets) for (const line of ruleLines(budget)) terminal.line(line);
  if (budgets.length === 0) terminal.line(tone('quiet', 'No limits stand. Set one: farebox budget set --per day --max "1000 sat"'));
  const where = network === 'sandbox' ? tone('warning', 'sandbox: play money, worth nothing') : tone('quiet', network);
  terminal.line(`${tone('money', Amount.format(spentMsat))} spent ever, fees included; ${Amount.format(heldMsat)} held   ${where}`);
}

function rowOf({ tone }: Terminal, state: LimitState): readonly string[] {
  const { budget, limit, spentMsat, heldMsat, endAt } = state;
  const counted = limit.per === 'request' ? '' : `${Amount.format(spentMsat)} spent${heldMsat === 0n ? '' : `, ${Amount.format(heldMsat)} held`}`;
  const left = limit.per === 'request' ? '' : tone(leftMsatOf(state) === 0n ? 'bad' : 'good', `${Amount.format(leftMsatOf(state))} left`);
  return [
    tone('strong', nameOf(budget)),
    limit.per === 'total' ? 'altogether' : `per ${limit.per}`,
    [limit.host, limit.tag && `tag ${limit.tag}`].filter(Boolean).join(', '),
    tone('money', Amount.format(limit.maxMsat)),
    left,
    tone('quiet', [counted, endAt === undefined ? '' : `until ${formatAt(endAt)}`].filter(Boolean).join(', ')),
  ];
}

function ruleLines({ name, allow, deny, consentAboveMsat }: NamedBudget): readonly string[] {
  return [
    ...(allow === undefined ? [] : [`${nameOf(name)} pays ${allow.join(', ')} alone`]),
    ...(deny.length === 0 ? [] : [`${nameOf(name)} never pays ${deny.join(', ')}`]),
    ...(consentAboveMsat === undefined ? [] : [`${nameOf(name)} asks before more than ${Amount.format(consentAboveMsat)} is paid at once`]),
  ];
}

function dataOf(state: LimitState): object {
  const { budget, limit, spentMsat, heldMsat, endAt } = state;
  const { per, host, tag, maxMsat } = limit;
  return { budget, per, host, tag, maxMsat, spentMsat, heldMsat, leftMsat: leftMsatOf(state), endsAt: endAt === undefined ? undefined : isoAt(endAt) };
}

async function set(context: CliContext, which: string | undefined, options: SetOptions): Promise<void> {
  const { per, max, host, tag, allow: pays, deny, consentAbove } = options;
  if ((per === undefined) !== (max === undefined)) throw wrong('A limit has a period and an amount: --per day --max "1000 sat".');
  if (per === undefined && (host !== undefined || tag !== undefined)) throw wrong('--host and --tag are of a limit: add --per and --max.');
  if (per === undefined && pays === undefined && deny === undefined && consentAbove === undefined) {
    throw wrong('What is to be set? Such as: farebox budget set --per day --max "1000 sat"');
  }
  const terminal = context.terminal.withJson(options.json);
  const wanted = asTyped(() =>
    readStanding({
      name: which ?? '',
      limits: per === undefined || max === undefined ? [] : [{ per: readPeriod(per), max, host, tag }],
      allow: pays,
      deny,
      ...(consentAbove !== undefined && { consent: { above: consentAbove } }),
    }),
  );
  await withJournal(context, options, async ({ store, network }) => {
    await store.budgets.change(wanted.name, (before) => ({
      ...wanted,
      limits: [...(before?.limits ?? []).filter((limit) => !wanted.limits.some((other) => isSame(limit, other))), ...wanted.limits],
      allow: wanted.allow ?? before?.allow,
      deny: deny === undefined ? (before?.deny ?? []) : wanted.deny,
      consentAboveMsat: wanted.consentAboveMsat ?? before?.consentAboveMsat,
      branch: before?.branch,
    }));
    await print(context, terminal, store, network);
  });
}

async function remove(context: CliContext, which: string | undefined, options: RemoveOptions): Promise<void> {
  const { per, host, tag } = options;
  if (per === undefined && (host !== undefined || tag !== undefined)) throw wrong('--host and --tag are of a limit: add --per.');
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store, network }) => {
    const before = await standing(store, which ?? '');
    if (before === undefined)
      throw wrong(`There is no standing budget ${which === undefined ? 'for everything' : `"${which.slice(0, 64)}"`}. Show them with: farebox budget`);
    if (per === undefined) {
      await confirm(context, `Take the budget ${nameOf(before.name)} away, with all its limits?`, options.yes);
      await store.budgets.remove(before.name);
    } else {
      const limit = { per: readPeriod(per), host: host === undefined ? undefined : asTyped(() => Hosts.parse(host)), tag };
      const changed = await store.budgets.change(before.name, (now) => {
        const limits = now?.limits.filter((one) => !isSame(one, limit));
        return now && limits && limits.length < now.limits.length ? { ...now, limits } : undefined;
      });
      if (changed === undefined) throw wrong(`The budget ${nameOf(before.name)} has no such limit. Show them with: farebox budget`);
    }
    await print(context, terminal, store, network);
  });
}

async function stop(context: CliContext, why: string, options: JournalOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store, network }) => {
    await store.stopSpending(why === '' ? 'Somebody said so.' : `${why.slice(0, 300).replace(/[.\s]+$/, '')}.`);
    await print(context, terminal, store, network);
  });
}

async function allow(context: CliContext, options: JournalOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withJournal(context, options, async ({ store, network }) => {
    await store.allowSpending();
    await print(context, terminal, store, network);
  });
}

async function standing(store: ClientStore, name: string): Promise<NamedBudget | undefined> {
  return (await store.budgets.list()).find((budget) => budget.name === name);
}

/** What the library does not take was written by whoever typed the command. */
function asTyped<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeError) throw new Ended(2, 'usage', `${error.message}.`, { cause: error });
    throw error;
  }
}

function isSame(limit: Pick<Limit, 'per' | 'host' | 'tag'>, other: typeof limit): boolean {
  return limit.per === other.per && limit.host === other.host && limit.tag === other.tag;
}

function readPeriod(text: string): Period {
  const period = periods.find((one) => one === text);
  if (period === undefined) throw wrong(`--per is ${periods.join(', ')}, not "${text.slice(0, 64)}".`);
  return period;
}

function nameOf(budget: string): string {
  return budget === '' ? 'everything' : budget;
}
