/**
 * Liars that run until they are told to end, and what they say then of the client that was tried on them.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import { type Check, isPassed, type Verdict } from '../../testing/liars/Check.ts';
import { type Liars, startLiars } from '../../testing/liars/Liars.ts';
import type { CliContext } from '../Context.ts';
import { type Terminal, table } from '../Terminal.ts';

/** What both commands take. */
export type LyingOptions = { readonly port: string; readonly check?: boolean; readonly json?: boolean };

/** What `--check` does, for the help of both. */
export const checkHelp = 'end with exit code 1 unless a client has bought, tried every way, and was robbed in none';

/** What either command says besides the ways. */
export type Sign = { readonly receiver?: Receiver; readonly open?: (liars: Liars) => () => void; readonly lines: (url: string) => readonly string[] };

/** Starts liars, says what they are, waits for the end, and sums up. */
export async function run({ terminal, signal }: CliContext, { port, check }: LyingOptions, { receiver, open, lines }: Sign): Promise<void> {
  const liars = await start(port, receiver);
  let leave = () => {};
  try {
    leave = open?.(liars) ?? leave;
    announce(terminal, liars, receiver === undefined, lines(liars.url));
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    const came = await liars.check();
    sumUp(terminal, came);
    if (check && !isPassed(came)) process.exitCode = 1;
  } finally {
    leave();
    await liars.close();
  }
}

async function start(text: string, receiver: Receiver | undefined): Promise<Liars> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new FareboxError('CONFIG_INVALID', `--port is a whole number from 0 to 65535, not "${text.slice(0, 64)}".`);
  try {
    return await startLiars({ port, receiver });
  } catch (cause) {
    throw new FareboxError('CONFIG_INVALID', `Nothing can listen on 127.0.0.1, port ${port}. Name another port.`, { cause });
  }
}

function announce(terminal: Terminal, { url, wallet, limits, ways }: Liars, hasWallet: boolean, more: readonly string[]): void {
  terminal.data({ kind: 'listening', url, ...(hasWallet && { wallet }), limits, ways: ways.map(({ name }) => name) });
  const rows = ways.map(({ name, liar, does }) => [terminal.tone('strong', name), terminal.tone('quiet', liar), does]);
  for (const row of table(rows)) terminal.line(row);
  terminal.line();
  const [way, seen, all] = ['<way>/a', '<way>/seen', 'check'].map((path) => terminal.tone('wire', `${url}/${path}`));
  terminal.line(`${ways.length} ways, each at ${way}; what came of it at ${seen}, and of all at ${all}.`);
  for (const line of [...more, `${url} lists them as JSON. Ctrl-C ends it, and sums up.`]) terminal.line(terminal.tone('quiet', line));
}

/** What came of every way that somebody tried. */
function sumUp(terminal: Terminal, check: Check): void {
  const { bought, verdicts } = check;
  const those = (wanted: Verdict['verdict']) => verdicts.filter(({ verdict }) => verdict === wanted);
  for (const verdict of verdicts) terminal.data({ kind: 'verdict', ...verdict });
  const [robbed, unharmed, untried] = [those('robbed'), those('unharmed'), those('untried')];
  terminal.data({ kind: 'check', bought, robbed: robbed.length, unharmed: unharmed.length, untried: untried.length, passed: isPassed(check) });
  if (!bought && untried.length === verdicts.length) return;
  terminal.line();
  for (const { name, robbed: how, demand } of robbed) {
    terminal.line(`${terminal.tone('bad', 'robbed')}  ${terminal.tone('strong', name)}: ${how.join('; ')}`);
    terminal.line(terminal.tone('quiet', `        ${demand}`));
  }
  if (untried.length > 0) terminal.line(`${terminal.tone('warning', 'untried')} ${untried.map(({ name }) => name).join(' ')}`);
  if (!bought) terminal.line(`${terminal.tone('warning', 'It has bought nothing')} where nobody lies (no-lie): who pays nothing is robbed of nothing.`);
  terminal.line(`${robbed.length} robbed, ${unharmed.length} unharmed, ${untried.length} untried.`);
}
