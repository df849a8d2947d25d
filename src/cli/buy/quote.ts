/**
 * `farebox quote`, and `farebox get --dry-run`: what a call would cost, what it would buy, and whether the limits allow it. Nothing is paid.
 */
import type { Command } from 'commander';
import type { CallQuote, PricedQuote } from '../../client/index.ts';
import * as Amount from '../../core/Amount.ts';
import { nowAt, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { CliContext } from '../Context.ts';
import { Ended, type ExitCode } from '../exit.ts';
import { printable, type Terminal } from '../Terminal.ts';
import { formatLocal } from '../Time.ts';
import { failureOf } from './failure.ts';
import { inWordsOfTheCommand, type LimitOptions } from './Paying.ts';
import { openPurse, type Purse, type PurseOptions } from './Purse.ts';
import { type AskedRequest, type RequestOptions, readRequest, withRequestOptions } from './RequestOptions.ts';
import { wrap } from './story.ts';
import { clientSending, sendingWithin, showing } from './wire.ts';

type QuoteOptions = RequestOptions & PurseOptions & { readonly verbose?: boolean };

/** Adds `farebox quote`. */
export function registerQuote(program: Command, context: CliContext): void {
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  const command = program
    .command('quote')
    .argument('[url...]', 'what to ask the price of')
    .description('Say what a call would cost, what it would buy, and whether the limits allow it. The call is sent once, as it is; nothing is paid.')
    .option('-m, --max <amount>', 'a limit to hold the price against, fee included, such as "50 sat"')
    .option('--max-total <amount>', 'a limit for all calls of this wallet together, counted from its first')
    .option('--tag <tag>', 'a tag that it would have; may repeat', several);
  withRequestOptions(command)
    .option('-v, --verbose', 'show the heads that go out and come in')
    .option('-w, --wallet <name>', 'the wallet that would pay', 'wallet')
    .addHelpText('after', help)
    .action((words: readonly string[], options: QuoteOptions) => quote(context, words, options));
}

const help = `
A call that turns out to be free has been answered: what changes something at the
server has changed it. The exit code is 3 where the call could not be paid for.

Examples:
  farebox quote "http://localhost:8402/api/v1/translate?text=hello&target=es"
  farebox quote https://api.example.com/v1/chat --json '{"prompt":"hello"}' --max "200 sat"`;

async function quote(context: CliContext, words: readonly string[], options: QuoteOptions): Promise<void> {
  const { urls, request } = await readRequest(context, words, options);
  const purse = await openPurse(context, options);
  try {
    await quoteAll(context, purse, urls, request, options.verbose === true);
  } finally {
    await purse.close();
  }
}

/**
 * Quotes each address and prints it, in their order.
 * @throws Ended – 3: one of them could not be paid for within the limits
 */
export async function quoteAll(context: CliContext, purse: Purse, urls: readonly URL[], request: AskedRequest, isVerbose: boolean): Promise<void> {
  const terminal = context.terminal.withJson(request.isJson ? true : undefined);
  const send = sendingWithin(request.connectMs);
  const client = purse.client({ ...clientSending(isVerbose ? showing(terminal, send) : send, request.connectMs), onEvent: () => {} });
  const codes: ExitCode[] = [];
  for (const [index, url] of urls.entries()) {
    if (index > 0) terminal.line();
    codes.push(await quoteOne(context, terminal, { client, purse, url, request }));
  }
  const failed = codes.find((code) => code !== 0);
  if (failed !== undefined) throw new Ended(failed, '');
}

type Asked = {
  readonly client: ReturnType<Purse['client']>;
  readonly purse: Purse;
  readonly url: URL;
  readonly request: AskedRequest;
};

async function quoteOne(context: CliContext, terminal: Terminal, { client, purse, url, request }: Asked): Promise<ExitCode> {
  const { method, headers, body, follows, maxTimeMs } = request;
  const late = maxTimeMs === undefined ? undefined : AbortSignal.timeout(maxTimeMs);
  const signal = late === undefined ? context.signal : AbortSignal.any([context.signal, late]);
  try {
    const init = { method, headers: headers.map(([name, value]): [string, string] => [name, value]), redirect: follows ? 'follow' : 'manual', signal } as const;
    const found = await client.quote(url, body === undefined ? init : { ...init, body });
    const where = `${url.origin}${url.pathname}`;
    terminal.data({ url: where, method, network: purse.network, ...dataOf(found) });
    for (const line of linesOf(terminal, found, { where, method, purse })) terminal.line(line);
    if (found.kind === 'free') await found.response.body?.cancel();
    const isRefused = found.kind === 'refused' || (found.kind === 'priced' && found.allowed !== true && purse.hasLimit);
    return isRefused ? 3 : 0;
  } catch (error) {
    const failure = failureOf(error, {
      host: url.host,
      isStopped: context.signal.aborted,
      lateMs: late?.aborted ? maxTimeMs : undefined,
      money: { paid: undefined, open: undefined },
      options: purse.limits,
    });
    if (failure === undefined) throw error;
    throw new Ended(failure.exitCode, failure.code, failure.message);
  }
}

function dataOf(found: CallQuote): object {
  if (found.kind === 'free') return { kind: 'free', status: found.response.status };
  if (found.kind !== 'priced') return found;
  const { pay: _, allowed, ...priced } = found;
  return { ...priced, allowed: allowed === true, ...(allowed !== true && { refusedBy: allowed.by, why: allowed.message }) };
}

type Shown = { readonly where: string; readonly method: string; readonly purse: Purse };

function linesOf(terminal: Terminal, found: CallQuote, { where, method, purse }: Shown): readonly string[] {
  const { tone } = terminal;
  const row = (label: string, text: string) =>
    wrap(text, terminal.width - 11).map((line, index) => `  ${index === 0 ? tone('quiet', label.padEnd(7)) : ' '.repeat(7)}  ${line}`);
  const head = (price: string) => `${tone('money', price)}  ${method} ${printable(where)}`;
  switch (found.kind) {
    case 'free':
      return [head('free'), ...row('answer', `${found.response.status}; the call has been made, and its body is not shown`)];
    case 'covered': {
      const until = found.validUntil === undefined ? '' : ` until ${formatLocal(found.validUntil)}`;
      const left = found.left === undefined ? '' : `, ${printable(found.left)} left`;
      const bought = `a credential that was bought before for ${Amount.format(found.amountMsat)} (payment ${found.paymentHash.slice(0, 16)}), good${until}${left}`;
      return [head('nothing more'), ...row('shows', bought)];
    }
    case 'refused':
      return [head('refused'), ...row(found.code, printable(found.message))];
    case 'priced':
      return pricedLines(found, { head, row, terminal, purse });
  }
}

type Layout = {
  readonly head: (price: string) => string;
  readonly row: (label: string, text: string) => readonly string[];
  readonly terminal: Terminal;
  readonly purse: Purse;
};

function pricedLines(found: PricedQuote, { head, row, terminal, purse }: Layout): readonly string[] {
  const { amountMsat, maxFeeMsat, terms, description, payee, expiresAt, allowed } = found;
  const said = description === undefined ? '' : `; the seller calls it "${printable(description.slice(0, 120))}"`;
  const why = allowed === true ? '' : wordsOf(allowed.message, allowed.by, purse.limits);
  return [
    head(Amount.format(amountMsat)),
    ...row('buys', `${termWords[terms]}${said}`),
    ...(allowed === true ? row('fee', `comes on top; the limit leaves ${Amount.format(maxFeeMsat)} for it`) : row('fee', 'comes on top')),
    ...(allowed === true
      ? row('limit', terminal.tone('good', `allows it${purse.limits.max === undefined ? '' : `: ${purse.limits.max}`}`))
      : row('limit', purse.hasLimit ? terminal.tone('bad', printable(why)) : `none is named: buy it with --max "${roomFor(amountMsat)}"`)),
    ...row('payee', `${payee.slice(0, 16)}… on ${purse.network}`),
    ...row('offer', `stands until ${formatLocal(expiresAt)}, ${Math.max(0, expiresAt - nowAt(systemClock))} s from now`),
  ];
}

function wordsOf(message: string, by: string, options: LimitOptions): string {
  const said = inWordsOfTheCommand(limitError(message, by), options);
  return said instanceof Error ? said.message : message;
}

function limitError(message: string, limit: string): FareboxError {
  return new FareboxError('BUDGET_EXCEEDED', message, { details: { limit } });
}

/** The price with room for a fee. */
function roomFor(amountMsat: bigint): string {
  return Amount.format(Amount.ceilToSat(Amount.fromMsat((amountMsat * 105n) / 100n + 2000n)));
}

const termWords: { readonly [terms in PricedQuote['terms']]: string } = {
  'per-request': 'one answer',
  pass: 'any number of requests for a time',
  bucket: 'a bucket of requests',
  credit: 'a credit in satoshis',
  topup: 'an addition to a balance',
  unknown: 'what its token does not say',
};
