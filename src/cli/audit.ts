/**
 * `farebox audit`: tries on an L402 server what thieves try, and says in words what it saw. Any server: ours, or another's.
 */
import { type Command, Option } from 'commander';
import * as Amount from '../core/Amount.ts';
import { systemClock, systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Payer } from '../lightning/Lightning.ts';
import { probes } from './audit/probes.ts';
import { createReport } from './audit/Report.ts';
import { exitCodeFor, runAudit } from './audit/run.ts';
import { type Lines, maxRequests } from './audit/Wire.ts';
import type { CliContext } from './Context.ts';
import { requireSandbox } from './SandboxLink.ts';
import { table } from './Terminal.ts';

type AuditOptions = {
  readonly request: string;
  readonly header: readonly string[];
  readonly pay?: boolean;
  readonly max?: string;
  readonly wallet: string;
  readonly singleUse?: boolean;
  readonly dearer?: string;
  readonly only?: string;
  readonly iMay?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
};

/** Adds `farebox audit`. */
export function registerAudit(program: Command, context: CliContext): void {
  program
    .command('audit')
    .argument('[url]', 'what is for sale there')
    .description('Try on an L402 server what thieves try, and say in words what it saw and what to mend. Any server that is yours to test.')
    .option('--i-may', 'the server is mine to test, or its owner has agreed; needed for any host but this machine')
    .option('--pay', 'pay too, from the sandbox: tries what tokens are good for that were paid for')
    .option('-m, --max <amount>', 'with --pay: the most that everything may cost together, fees included, such as "150 sat"')
    .addOption(new Option('-X, --request <method>', 'the method that is for sale').default('GET'))
    .option(
      '-H, --header <line>',
      'a header for every request, such as "Accept: text/plain"; may repeat',
      (line: string, all: readonly string[]) => [...all, line],
      [],
    )
    .option('--single-use', 'a payment is meant to buy one answer: a second one is a finding')
    .option('--dearer <path>', 'something on the same server that costs more, for the token to be tried on')
    .option('--only <names>', 'run these probes alone, with commas between them')
    .option('--list', 'list the probes, and ask nothing')
    .option('-w, --wallet <name>', 'the sandbox wallet that pays', 'wallet')
    .option('--json', 'print JSON, a line for each probe')
    .addHelpText('after', helpText)
    .action((url: string | undefined, options: AuditOptions) => audit({ ...context, terminal: context.terminal.withJson(options.json) }, url, options));
}

const helpText = `
It sends at most ${maxRequests} requests to that one server, none of which is meant to harm it, and prints no token and no preimage.
Exit codes: 0 nothing was found, 1 something was; 2, 3, 4, 5 and 7 as everywhere: it could not be run, or not to its end.

Examples:
  farebox audit http://127.0.0.1:8402/ --pay --max "60 sat"
  farebox audit https://api.example.com/v1 --i-may --json`;

async function audit(context: CliContext, text: string | undefined, options: AuditOptions): Promise<void> {
  if (options.list) return list(context);
  const url = urlFrom(text);
  if (!options.iMay && !isThisMachine(url))
    throw invalid(`${url.host} is not this machine. Auditing a stranger's server is rude at best: say --i-may where it is yours, or its owner has agreed.`);
  const only = options.only?.split(',').map((name) => name.trim());
  const missing = only?.find((name) => !probes.some((probe) => probe.name === name));
  if (missing !== undefined) throw invalid(`There is no probe "${missing.slice(0, 64)}". farebox audit --list names them.`);
  const unpaid = options.pay ? undefined : probes.find(({ name, pays }) => pays && only?.includes(name));
  if (unpaid) throw invalid(`The probe ${unpaid.name} needs a token that was paid for: add --pay and --max.`);
  if (options.pay && options.max === undefined)
    throw invalid('How much may it cost, all payments and fees together? Say so with --max, such as --max "150 sat".');
  const maxMsat = options.max === undefined ? 0n : Amount.parse(options.max);
  const link = options.pay ? await requireSandbox(context.home()) : undefined;
  try {
    await run(context, { url, only, maxMsat, payer: link?.sandbox.payer(options.wallet) }, options);
  } finally {
    await link?.close();
  }
}

type Chosen = { readonly url: URL; readonly only: readonly string[] | undefined; readonly maxMsat: bigint; readonly payer: Payer | undefined };

async function run({ terminal, clock, signal }: CliContext, { url, only, maxMsat, payer }: Chosen, options: AuditOptions): Promise<void> {
  const method = options.request.toUpperCase();
  if (!/^[A-Z]{1,20}$/.test(method)) throw invalid(`--request is a method, such as POST, not "${options.request.slice(0, 64)}".`);
  const report = createReport(terminal, { what: `${method} ${url.href}`, pays: payer && { maxMsat, wallet: options.wallet } });
  const result = await runAudit({
    url,
    method,
    headers: headersFrom(options.header),
    payer,
    maxMsat,
    isSingleUse: options.singleUse === true,
    dearer: options.dearer === undefined ? undefined : targetFrom(options.dearer, url),
    clock: clock ?? systemClock,
    random: systemRandom,
    signal,
    ...(only && { only }),
    onOffer: report.opening,
    onDone: report.tell,
  });
  report.ending(result);
  const exitCode = exitCodeFor(result);
  if (exitCode !== 0) process.exitCode = exitCode;
}

function list({ terminal }: CliContext): void {
  for (const { name, group, asks, severity, pays, means, mend } of probes) terminal.data({ name, group, asks, severity, pays: pays === true, means, mend });
  const rows = probes.map(({ name, severity, pays, asks }) => [terminal.tone('strong', name), severity, pays ? '--pay' : '', terminal.tone('quiet', asks)]);
  for (const row of table(rows)) terminal.line(row);
}

function urlFrom(text: string | undefined): URL {
  const url = URL.parse(text ?? '');
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw invalid('Name a URL that is for sale, such as http://127.0.0.1:8402/.');
  if (url.username !== '' || url.password !== '')
    throw invalid('The URL has a user name or a password in it: put what the server wants to know into --header.');
  url.hash = '';
  return url;
}

/** The target of a path, or of a URL of the same server. */
function targetFrom(text: string, base: URL): string {
  const url = URL.parse(text, base.href);
  if (url === null || url.origin !== base.origin) throw invalid(`--dearer is a path of ${base.host}, not "${text.slice(0, 64)}".`);
  return url.pathname + url.search;
}

function headersFrom(lines: readonly string[]): Lines {
  return lines.map((line) => {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === '') throw invalid(`--header is written "Name: value", not "${line.slice(0, 64)}".`);
    if (/^(authorization|macaroon|grpc-metadata-macaroon|l402-authorization|host|content-length|transfer-encoding)$/i.test(name))
      throw invalid(`--header ${name}: the audit writes that one itself.`);
    return [name, value] as const;
  });
}

function isThisMachine({ hostname }: URL): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

function invalid(message: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', message);
}
