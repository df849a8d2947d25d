/**
 * `farebox sandbox`: the Lightning network on this machine: run it, look at it, put money into it, make it fail.
 */
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import { type Sandbox, type SandboxAudit, type SandboxFault, type SandboxFaultKind, type SandboxNode, sandboxFaultKinds } from '../lightning/sandbox.ts';
import type { CliContext } from './Context.ts';
import { openSandbox, requireSandbox, type SandboxLink } from './SandboxLink.ts';
import { type Terminal, type Tone, table } from './Terminal.ts';
import { formatLocal } from './Time.ts';

type JsonOption = { readonly json?: boolean };

/** Adds `farebox sandbox`. */
export function registerSandbox(program: Command, context: CliContext): void {
  const sandbox = program
    .command('sandbox')
    .description('A Lightning network on this machine, to sell and buy on without a node. Play money, worth nothing.')
    .addHelpText('after', help);
  sandbox
    .command('run', { isDefault: true })
    .description('Run the sandbox until Ctrl-C, or say that one runs already (a gateway on the sandbox brings its own).')
    .option('-p, --port <port>', 'the port on 127.0.0.1; default: any that is free', readPort)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  farebox sandbox')
    .action((options: JsonOption & { readonly port?: number }) => run(context, options));
  sandbox
    .command('status')
    .description('Show every node with what it has, the latest payments, and whether the books balance.')
    .option('-n, --limit <count>', 'how many of the latest payments', (text: string) => readWhole('--limit', text, 0), 10)
    .option('--json', 'print JSON: amounts in msat')
    .addHelpText('after', '\nExample:\n  farebox sandbox status')
    .action((options: JsonOption & { readonly limit: number }) => status(context, options));
  registerMoney(sandbox, context);
  registerTrouble(sandbox, context);
}

const help = `
"farebox serve" sells on it as the node "seller"; "farebox get" pays from the
node "wallet", which begins with 1000000 sat. Its books outlive it: they are in
~/.farebox/sandbox.db.

Examples:
  farebox sandbox                        run it until Ctrl-C
  farebox sandbox status                 who has what
  farebox sandbox fault seller fails --payments 1`;

function registerMoney(sandbox: Command, context: CliContext): void {
  sandbox
    .command('fund')
    .argument('<node>', 'the node; opened where it is not there')
    .argument('<amount>', 'such as "5000 sat"')
    .description('Put play money into a node: it can spend that much more.')
    .option('--inbound', 'let it be paid that much more instead')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  farebox sandbox fund wallet "5000 sat"')
    .action((node: string, amount: string, options: JsonOption & { readonly inbound?: boolean }) => fund(context, node, amount, options));
}

function registerTrouble(sandbox: Command, context: CliContext): void {
  sandbox
    .command('fault')
    .argument('<node>', 'the node whose payments it befalls, whether it pays or is paid')
    .argument('<kind>', sandboxFaultKinds.join(', '))
    .description('Make something go wrong from the next payment on.')
    .option('-n, --payments <count>', 'for that many payments; default: until it is cleared', (text: string) => readWhole('--payments', text, 1))
    .option('--json', 'print JSON')
    .addHelpText('after', `\nKinds:\n${faultLines().join('\n')}\n\nExample:\n  farebox sandbox fault wallet hangs --payments 1`)
    .action((node: string, kind: string, options: JsonOption & { readonly payments?: number }) => fault(context, node, kind, options));
  sandbox
    .command('clear')
    .argument('[node]', 'the node; default: all')
    .description('Take faults back. A payment that hangs goes on hanging.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  farebox sandbox clear')
    .action((node: string | undefined, options: JsonOption) => clear(context, node, options));
  sandbox
    .command('delay')
    .argument('<ms>', 'milliseconds; 0 is none', (text: string) => readWhole('<ms>', text, 0))
    .description('Let every payment take so long from now on.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  farebox sandbox delay 1500')
    .action((ms: number, options: JsonOption) => delay(context, ms, options));
}

async function run(context: CliContext, options: JsonOption & { readonly port?: number }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const home = context.home();
  const link = await openSandbox(home, options.port ?? 0);
  try {
    const { url } = link.address;
    const { tone } = terminal;
    terminal.data({ kind: link.isHost ? 'running' : 'running-already', network: 'sandbox', url, books: home.sandboxStore });
    if (!link.isHost) return terminal.line(`A ${badge(terminal)} runs already at ${tone('wire', url)}. Look at it with: farebox sandbox status`);
    terminal.line(`The ${badge(terminal)} runs at ${tone('wire', url)}`);
    terminal.line(tone('quiet', `Its books are in ${home.sandboxStore}. Ctrl-C ends it.`));
    await ended(context.signal);
  } finally {
    await link.close();
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function status(context: CliContext, options: JsonOption & { readonly limit: number }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withSandbox(context, async (sandbox, link) => {
    const [audit, faults] = [await sandbox.audit(), await sandbox.faults()];
    const payments = options.limit === 0 ? [] : audit.payments.slice(-options.limit);
    terminal.data({ network: 'sandbox', url: link.address.url, ...audit, payments, faults });
    terminal.line(`The ${badge(terminal)} runs at ${terminal.tone('wire', link.address.url)}`);
    terminal.line();
    printNodes(terminal, audit.nodes, faults);
    terminal.line();
    printPayments(terminal, payments);
    terminal.line();
    printBalance(terminal, audit);
  });
}

function printNodes(terminal: Terminal, nodes: readonly SandboxNode[], faults: readonly SandboxFault[]): void {
  const { tone } = terminal;
  const head = ['node', 'can spend', 'can be paid', 'received', 'sent', 'fees paid', 'held', 'fault'].map((name) => tone('quiet', name));
  const rows = nodes.map((node) => {
    const { name, spendableMsat, receivableMsat, receivedMsat, sentMsat, feesPaidMsat, heldMsat } = node;
    const amounts = [receivableMsat, receivedMsat, sentMsat, feesPaidMsat, heldMsat].map((msat) => (msat === 0n ? '-' : Amount.format(msat)));
    const wrong = faults.find((one) => one.node === name);
    return [tone('strong', name), tone('money', Amount.format(spendableMsat)), ...amounts, wrong ? tone('bad', faultText(wrong)) : ''];
  });
  for (const row of table([head, ...rows], [1, 2, 3, 4, 5, 6])) terminal.line(row);
  const unopened = faults.filter(({ node }) => !nodes.some(({ name }) => name === node));
  for (const wrong of unopened) terminal.line(`${wrong.node}  ${tone('bad', faultText(wrong))} (not opened yet)`);
}

function printPayments(terminal: Terminal, payments: SandboxAudit['payments']): void {
  const { tone } = terminal;
  if (payments.length === 0) return terminal.line(tone('quiet', 'No payments to show.'));
  const rows = payments.map(({ startedAt, payer, payee, amountMsat, feeMsat, state, reason, fault: met, paymentHash }) => [
    tone('quiet', formatLocal(startedAt)),
    `${payer} -> ${payee ?? 'nobody here'}`,
    Amount.format(amountMsat),
    tone('quiet', `fee ${Amount.format(feeMsat)}`),
    tone(stateTones[state], state),
    tone('quiet', paymentHash.slice(0, 16)),
    [reason, met && `fault ${met}`].filter(Boolean).join(', '),
  ]);
  for (const row of table(rows, [2, 3])) terminal.line(row);
}

function printBalance(terminal: Terminal, audit: SandboxAudit): void {
  const { fundedMsat, spendableMsat, heldMsat, balanced } = audit;
  const sum = `${Amount.format(spendableMsat)} spendable + ${Amount.format(heldMsat)} held, ${Amount.format(fundedMsat)} funded`;
  terminal.line(`${balanced ? terminal.tone('good', 'The books balance') : terminal.tone('bad', 'The books do not balance')}: ${sum}.`);
}

async function fund(context: CliContext, name: string, text: string, options: JsonOption & { readonly inbound?: boolean }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const amountMsat = Amount.parse(text);
  if (amountMsat === 0n) throw new FareboxError('CONFIG_INVALID', 'An amount to fund with is more than nothing, such as "5000 sat".');
  await withSandbox(context, async (sandbox) => {
    const node = await sandbox.addFunds(name, options.inbound ? { inboundMsat: amountMsat } : { openingMsat: amountMsat });
    terminal.data({ network: 'sandbox', ...node });
    const amount = terminal.tone('money', Amount.format(options.inbound ? node.receivableMsat : node.spendableMsat));
    terminal.line(`${terminal.tone('strong', name)} can ${options.inbound ? 'be paid' : 'spend'} ${amount} now on the ${badge(terminal)}.`);
  });
}

async function fault(context: CliContext, node: string, kind: string, options: JsonOption & { readonly payments?: number }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  if (!isFaultKind(kind)) {
    throw new FareboxError('CONFIG_INVALID', `"${kind.slice(0, 64)}" is not a fault. Faults are ${sandboxFaultKinds.join(', ')}.`);
  }
  const wanted: SandboxFault = { node, kind, ...(options.payments === undefined ? {} : { payments: options.payments }) };
  await withSandbox(context, async (sandbox) => {
    await sandbox.setFault(wanted);
    terminal.data({ network: 'sandbox', ...wanted });
    terminal.line(`${terminal.tone('strong', node)} on the ${badge(terminal)}: ${terminal.tone('bad', faultText(wanted))}. The payment ${faultWords[kind]}.`);
    terminal.line(terminal.tone('quiet', `Take it back with: farebox sandbox clear ${node}`));
  });
}

async function clear(context: CliContext, node: string | undefined, options: JsonOption): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withSandbox(context, async (sandbox) => {
    const cleared = (await sandbox.faults()).filter((one) => node === undefined || one.node === node);
    await sandbox.clearFaults(node);
    terminal.data({ network: 'sandbox', cleared });
    const whose = node === undefined ? 'any node' : node;
    const said = cleared.map((one) => `${one.node} (${one.kind})`).join(', ');
    terminal.line(cleared.length === 0 ? `There was no fault of ${whose} on the ${badge(terminal)}.` : `Cleared on the ${badge(terminal)}: ${said}.`);
  });
}

async function delay(context: CliContext, delayMs: number, options: JsonOption): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  await withSandbox(context, async (sandbox) => {
    await sandbox.setDelay(delayMs);
    terminal.data({ network: 'sandbox', delayMs });
    terminal.line(`Every payment takes ${delayMs} ms from now on, on the ${badge(terminal)}.`);
  });
}

/** The sandbox that runs; what it does not accept as an argument is the command line's mistake. */
async function withSandbox(context: CliContext, use: (sandbox: Sandbox, link: SandboxLink) => Promise<void>): Promise<void> {
  const link = await requireSandbox(context.home());
  try {
    await use(link.sandbox, link);
  } catch (error) {
    throw error instanceof RangeError ? new FareboxError('CONFIG_INVALID', error.message, { cause: error }) : error;
  } finally {
    await link.close();
  }
}

const stateTones: { readonly [state in SandboxAudit['payments'][number]['state']]: Tone } = { settled: 'good', pending: 'warning', failed: 'bad' };

const faultWords: { readonly [kind in SandboxFaultKind]: string } = {
  fails: 'fails for certain, without a route',
  'no-balance': 'fails for certain, for want of money',
  'too-small': 'fails for certain, its amount being below what the channel sends',
  'too-large': 'fails for certain, its amount being above what the channel sends',
  hangs: 'stays under way for ever',
  'settles-late': 'settles a second after the payer has given up',
  'no-preimage': 'moves the money, and the payer never learns the preimage',
  overcharges: 'costs more than the fee limit',
  'pays-expired': 'settles after its invoice has expired',
  'node-down': 'finds a node that answers nothing',
};

function faultLines(): readonly string[] {
  return table(sandboxFaultKinds.map((kind) => [`  ${kind}`, `the payment ${faultWords[kind]}`]));
}

function faultText({ kind, payments }: SandboxFault): string {
  return payments === undefined ? kind : `${kind}, ${payments === 1 ? 'once' : `${payments} times`}`;
}

function isFaultKind(text: string): text is SandboxFaultKind {
  return (sandboxFaultKinds as readonly string[]).includes(text);
}

function badge({ tone }: Terminal): string {
  return tone('warning', 'sandbox (play money, worth nothing)');
}

function readPort(text: string): number {
  const port = readWhole('--port', text, 0);
  if (port > 65_535) throw new FareboxError('CONFIG_INVALID', `--port is at most 65535, not ${port}.`);
  return port;
}

function readWhole(name: string, text: string, least: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least)) throw new FareboxError('CONFIG_INVALID', `${name} is a whole number from ${least}, not "${text.slice(0, 64)}".`);
  return value;
}
