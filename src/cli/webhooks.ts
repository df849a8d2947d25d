/**
 * `farebox webhooks`: how far those who are told what happens have been told, and telling them again.
 */
import type { Command } from 'commander';
import { systemClock, systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { loadConfig } from '../gateway/index.ts';
import { replay, standingOf } from '../server/webhooks/Webhooks.ts';
import type { Store } from '../store/Store.ts';
import { wrong } from './buy/RequestOptions.ts';
import { configFile } from './ConfigFile.ts';
import { confirm } from './Confirm.ts';
import type { CliContext } from './Context.ts';
import { isKept, openToLook } from './Stores.ts';
import { table } from './Terminal.ts';

type ListOptions = { readonly config?: string; readonly json?: boolean };
type ReplayOptions = ListOptions & { readonly since?: number; readonly all?: boolean; readonly yes?: boolean };

/** Rows that are read at once while the first one of a time is looked for. */
const pageSize = 1000;

/** Adds `farebox webhooks`. */
export function registerWebhooks(program: Command, context: CliContext): void {
  const webhooks = program.command('webhooks').description('Who is told of payments, how far, and telling it again.').addHelpText('after', help);
  webhooks
    .command('list', { isDefault: true })
    .description('Show the webhooks of a configuration, and how many entries of the ledger each is still to be told.')
    .option('-c, --config <file>', 'the configuration that names them; default farebox.yaml')
    .option('--json', 'print JSON, a line each')
    .action((options: ListOptions) => list(context, options));
  webhooks
    .command('replay')
    .argument('<name>', 'its name in the configuration')
    .description('Tell a webhook again what the ledger says from a time on, under the same ids as before.')
    .option('--since <time>', 'everything from then on, such as 2026-11-01 or 2026-11-01T12:00Z (UTC)', readTime)
    .option('--all', 'everything there is')
    .option('-c, --config <file>', 'the configuration that names it; default farebox.yaml')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON')
    .action((name: string, options: ReplayOptions) => replayTo(context, name, options));
}

const help = `
Each event is told until its receiver takes it, in order for each payment. A replay
is taken up within seconds by the gateway that runs, or by the next that starts.

Examples:
  farebox webhooks
  farebox webhooks replay books --since 2026-11-01`;

async function list(context: CliContext, options: ListOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { webhooks, store } = await openWebhooks(context, options);
  try {
    const { seq } = await store.denials(Number.MAX_SAFE_INTEGER);
    const rows: string[][] = [];
    for (const { name, url, events } of webhooks) {
      const standing = await standingOf(store, name);
      const left = standing === undefined ? undefined : seq - standing.seq;
      const { origin } = new URL(url);
      terminal.data({ kind: 'webhook', name, origin, events, told: standing?.seq, left, isAsked: standing?.isAsked ?? false });
      rows.push([terminal.tone('strong', name), origin, leftWords(left), standing?.isAsked ? 'to be told again' : '']);
    }
    for (const row of table(rows)) terminal.line(row.trimEnd());
    if (webhooks.length === 0) terminal.line(terminal.tone('quiet', 'Nobody is told anything: the configuration names no webhook.'));
  } finally {
    await store.close();
  }
}

function leftWords(left: number | undefined): string {
  if (left === undefined) return 'not begun';
  return left === 0 ? 'told everything' : `${left} behind`;
}

async function replayTo(context: CliContext, name: string, options: ReplayOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  if ((options.since === undefined) === (options.all !== true)) throw wrong('From when on? Say --since 2026-11-01, or --all.');
  const { webhooks, store } = await openWebhooks(context, options);
  try {
    if (!webhooks.some((webhook) => webhook.name === name)) {
      const names = webhooks.map((webhook) => webhook.name).join(', ') || 'none';
      throw new FareboxError('CONFIG_INVALID', `There is no webhook "${name.slice(0, 64)}". The configuration names: ${names}.`);
    }
    const after = options.since === undefined ? 0 : await rowBefore(store, options.since);
    await confirm(context, `Tell "${name}" everything again that is behind entry ${after} of the ledger?`, options.yes);
    await replay(store, name, after, systemRandom);
    terminal.data({ kind: 'replay', name, after });
    terminal.line(`${terminal.tone('good', 'Noted.')} "${name}" is told again what is behind entry ${after}, within seconds where a gateway runs.`);
  } finally {
    await store.close();
  }
}

/** The entry before the first one of that time or later. Entries stand in the order of their writing, which is that of time but for a wallet's late word. */
async function rowBefore(store: Store, at: number): Promise<number> {
  for (let after = 0; ; ) {
    const rows = await store.ledger({ after, limit: pageSize });
    const first = rows.find((row) => row.at >= at);
    if (first !== undefined) return first.seq - 1;
    const last = rows.at(-1);
    if (last === undefined) return after;
    after = last.seq;
  }
}

async function openWebhooks(context: CliContext, options: ListOptions) {
  const file = configFile(options.config);
  const { webhooks, store: choice } = await loadConfig(file, { environment: context.environment });
  if (!isKept(choice)) throw new FareboxError('CONFIG_INVALID', `${file} keeps no store that others can look into.`);
  return { webhooks, store: await openToLook(choice, context.clock ?? systemClock, 'farebox webhooks') };
}

/** A day, or a time of ISO 8601; UTC where it does not say. */
function readTime(text: string): number {
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.test(text);
  const ms = isTime ? Date.parse(text.length === 10 || /Z|[+-]\d\d:\d\d$/.test(text.slice(10)) ? text : `${text}Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw wrong(`--since is a day or a time, such as 2026-11-01 or 2026-11-01T12:00, not "${text.slice(0, 64)}".`);
  return Math.floor(ms / 1000);
}
