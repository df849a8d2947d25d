/**
 * `farebox get`: buys what a URL sells, within a limit, and prints what it got.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { createFetch, type PayingFetch, paymentOf } from '../client/index.ts';
import { createSqliteClientStore } from '../client/sqlite.ts';
import * as Amount from '../core/Amount.ts';
import type { Network } from '../lightning/Lightning.ts';
import type { CliContext } from './Context.ts';
import { inWordsOfTheCommand, narrate, openPayer, paidLine } from './Paying.ts';
import type { Terminal } from './Terminal.ts';

type GetOptions = {
  readonly max?: string;
  readonly maxTotal?: string;
  readonly request?: string;
  readonly header: readonly string[];
  readonly data?: string;
  readonly include?: boolean;
  readonly verbose?: boolean;
  readonly credential?: boolean;
  readonly wallet: string;
  readonly json?: boolean;
};

export function registerGet(program: Command, context: CliContext): void {
  program
    .command('get')
    .argument('<url>', 'what to fetch')
    .description('Fetch a URL and pay for it over Lightning if it asks for that. The body goes to standard output, what was paid to standard error.')
    .option('-m, --max <amount>', 'the most that this call may cost, fee included, such as "50 sat"')
    .option('--max-total <amount>', 'the most that all calls of this wallet may cost together, counted from its first')
    .option('-X, --request <method>', 'the method; default GET, or POST with --data')
    .option('-H, --header <line>', 'a header, such as "Accept: text/plain"; may repeat', (line: string, all: readonly string[]) => [...all, line], [])
    .option('-d, --data <body>', 'a body to send; @file reads it from a file')
    .option('-i, --include', 'print the head of the answer before its body')
    .option('-v, --verbose', 'say every step: what is asked, quoted, paid and sent again')
    .option('--credential', 'pay, and print the credential instead of using it: to narrow it, or to hand it on')
    .option('-w, --wallet <name>', 'the wallet that pays: one that was connected, or else one of the sandbox', 'wallet')
    .option('--json', 'print status, payment and body as one line of JSON')
    .addHelpText(
      'after',
      '\nWithout --max nothing is paid: the price is said, and the exit code is 3.\n\nExample:\n  farebox get "http://localhost:8402/api/v1/translate?text=hello&target=es" --max "60 sat"',
    )
    .action((url: string, options: GetOptions) => get(context, url, options));
}

async function get(context: CliContext, url: string, options: GetOptions): Promise<void> {
  const terminal = context.terminal;
  const home = context.home();
  const wallet = await openPayer(home, options.wallet);
  const store = createSqliteClientStore({ path: home.clientStore(wallet.payer.network) });
  try {
    const kept = options.credential ? keepCredential() : undefined;
    const fetch = createFetch({
      payer: wallet.payer,
      store,
      // A client that may spend nothing is no client: without --max the least there is, which no price is below.
      maxPerRequest: options.max === undefined ? Amount.fromMsat(1n) : Amount.parse(options.max),
      ...(wallet.assumedMaxFee === undefined ? {} : { assumedMaxFee: Amount.parse(wallet.assumedMaxFee) }),
      ...(options.maxTotal === undefined ? {} : { maxTotal: Amount.parse(options.maxTotal) }),
      ...(kept && { fetch: kept.fetch }),
      onEvent: options.verbose ? (event) => narrate(terminal, event) : () => {},
    });
    const response = await send(fetch, url, options, context.signal);
    if (kept?.credential()) return await printCredential(terminal, response, kept.credential() ?? '', wallet.payer.network);
    await print(terminal, response, options, wallet.payer.network);
    // As curl does with --fail: a script that goes on with an error page is the worse surprise.
    if (!response.ok) process.exitCode = 1;
  } catch (error) {
    throw inWordsOfTheCommand(error, options);
  } finally {
    await store.close();
    await wallet.close();
  }
}

function send(fetch: PayingFetch, url: string, options: GetOptions, signal: AbortSignal): Promise<Response> {
  const body = options.data?.startsWith('@') ? readFileSync(options.data.slice(1)) : options.data;
  const headers = new Headers();
  for (const line of options.header) {
    const at = line.indexOf(':');
    if (at < 1) throw new RangeError(`--header is written "Name: value", not "${line}"`);
    headers.append(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const method = options.request ?? (body === undefined ? 'GET' : 'POST');
  return fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body: body as string }) });
}

/** A `fetch` that holds the paid request back and keeps its credential. */
function keepCredential(): { readonly fetch: (url: string, init?: RequestInit) => Promise<Response>; readonly credential: () => string | undefined } {
  let credential: string | undefined;
  return {
    credential: () => credential,
    fetch: (url, init) => {
      const sent = new Headers(init?.headers).get('authorization');
      if (sent === null || !/^(L402|LSAT) /.test(sent)) return fetch(url, init);
      credential = sent;
      return Promise.resolve(new Response(null, { status: 200 }));
    },
  };
}

async function printCredential(terminal: Terminal, response: Response, credential: string, network: Network): Promise<void> {
  await terminal.raw(Buffer.from(`${credential}\n`));
  const payment = paymentOf(response);
  if (payment) terminal.note(terminal.tone('quiet', `${paidLine(payment, network)}; whoever has this line can use it: Authorization: <it>`));
}

async function print(terminal: Terminal, response: Response, options: GetOptions, network: Network): Promise<void> {
  const payment = paymentOf(response);
  if (options.json) {
    const paid = payment && { paymentHash: payment.paymentHash, amountMsat: payment.amountMsat, feeMsat: payment.feeMsat, reused: payment.reused };
    return terminal.withJson(true).data({ status: response.status, headers: Object.fromEntries(response.headers), payment: paid, body: await response.text() });
  }
  if (options.include) {
    const head = [`HTTP/1.1 ${response.status} ${response.statusText}`, ...[...response.headers].map(([name, value]) => `${name}: ${value}`), '', ''];
    await terminal.raw(Buffer.from(head.join('\n')));
  }
  let last: Uint8Array = new Uint8Array(0);
  for await (const chunk of response.body ?? []) {
    await terminal.raw(chunk);
    if (chunk.length > 0) last = chunk;
  }
  if (terminal.isInteractive && last.at(-1) !== 10) await terminal.raw(Uint8Array.of(10));
  if (payment) terminal.note(terminal.tone('quiet', paidLine(payment, network)));
  if (!response.ok) terminal.note(`${terminal.tone('bad', `${response.status} ${response.statusText}`)}`);
}
