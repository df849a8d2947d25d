/**
 * What a command pays with: a wallet, the journal of its network, and the limits that the command line names or that stand in the journal.
 */
import {
  type AskConsent,
  type ClientEvent,
  type ClientOptions,
  type ClientStore,
  type ConsentQuestion,
  createClient,
  type NamedBudget,
  type PayingClient,
  watchBudgets,
} from '../../client/index.ts';
import { createSqliteClientStore } from '../../client/sqlite.ts';
import * as Amount from '../../core/Amount.ts';
import { systemRandom } from '../../core/Clock.ts';
import { toHex } from '../../core/internal/bytes.ts';
import type { Network, Payer } from '../../lightning/Lightning.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import type { Home } from '../Home.ts';
import { printable } from '../Terminal.ts';
import { type LimitOptions, openPayer } from './Paying.ts';

/** The limits of a command, as commander hands them over. */
export type PurseOptions = {
  readonly max?: string;
  readonly maxAll?: string;
  readonly maxTotal?: string;
  readonly tag?: readonly string[];
  readonly wallet: string;
  /** Whatever the limits are. */
  readonly paysNothing?: boolean;
  /** Whatever costs more, its fee included, is asked about. */
  readonly askAbove?: string;
};

/** What a client is made with besides. */
export type PurseClientOptions = Pick<ClientOptions, 'fetch' | 'timeouts'> & {
  readonly onEvent: (event: ClientEvent) => void;
  /** Who is asked where something has to be; default: whoever sits at the terminal. */
  readonly ask?: AskConsent;
};

/** See the head of this file. */
export type Purse = {
  readonly payer: Payer;
  readonly network: Network;
  readonly store: ClientStore;
  /** Whether anything but nothing may be spent. */
  readonly hasLimit: boolean;
  /** As they were named, for messages. */
  readonly limits: LimitOptions;
  /** A client of this purse; closed by whoever makes it, before the purse. */
  readonly client: (options: PurseClientOptions) => PayingClient;
  readonly close: () => Promise<void>;
};

/** Longest body that is sent: it has been read into memory anyway. */
const maxBodyBytes = 1024 ** 3;

/** Opens the journal of a network. */
export function openJournal(home: Home, network: Network): ClientStore {
  return createSqliteClientStore({ path: home.clientStore(network) });
}

/**
 * Opens wallet and journal.
 * @throws AMOUNT_MALFORMED – a limit without a unit, or no amount
 * @throws Ended – 2: a name that is none
 */
export async function openPurse(context: CliContext, options: PurseOptions): Promise<Purse> {
  const read = (text: string | undefined) => (text === undefined ? undefined : Amount.parse(text));
  const [max, maxAll, maxTotal, above] = [read(options.max), read(options.maxAll), read(options.maxTotal), read(options.askAbove)];
  const home = context.home();
  const wallet = await openPayer(home, options.wallet);
  const { payer } = wallet;
  const store = openJournal(home, payer.network);
  // What stands binds every program of this home: whoever starts one is told when it comes to its end.
  const watch = watchBudgets({ store, onAlert: ({ words }) => context.terminal.note(`${context.terminal.tone('warning', 'budget')}  ${printable(words)}`) });
  const close = async () => {
    await watch.settled();
    await store.close();
    await wallet.close();
  };
  try {
    const limit = options.paysNothing ? undefined : (max ?? maxAll ?? leastStanding(await store.budgets.list()));
    const hasStanding = limit !== undefined && max === undefined && maxAll === undefined;
    // All calls of one command count to a budget of its own, whatever else they count to.
    const run = maxAll === undefined ? [] : [{ name: `command-${toHex(systemRandom(6))}`, limits: [{ per: 'total' as const, max: maxAll }] }];
    const spending = {
      // A client that may spend nothing is no client: without a limit the least there is, and not that without asking, and nobody to ask.
      maxPerRequest: limit ?? Amount.fromMsat(1n),
      ...(maxTotal !== undefined && { maxTotal }),
      ...(wallet.assumedMaxFee !== undefined && { assumedMaxFee: Amount.parse(wallet.assumedMaxFee) }),
      budgets: run,
      tags: options.tag ?? [],
    };
    const atTerminal = inTurn((question, signal) => ask(context, question, signal));
    const make = ({ ask: asked = atTerminal, onEvent: hear, ...client }: PurseClientOptions) => {
      const onEvent = (event: ClientEvent) => {
        hear(event);
        watch.onEvent(event);
      };
      const consent = limit === undefined ? { above: Amount.zero } : { ask: asked, ...(above !== undefined && { above }) };
      return createClient({ payer, store, maxBodyBytes, ...spending, consent, onEvent, ...client });
    };
    await checked(make);
    return {
      payer,
      network: payer.network,
      store,
      hasLimit: limit !== undefined,
      limits: { max: options.max, maxAll: options.maxAll, hasStanding },
      client: make,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The least that stands for any one request, whatever it is for: a limit of some hosts says nothing of the others. */
function leastStanding(budgets: readonly NamedBudget[]): Amount.Msat | undefined {
  const limits = budgets
    .flatMap((budget) => (budget.branch ? [] : budget.limits))
    .filter(({ per, host, tag }) => per === 'request' && host === undefined && tag === undefined)
    .map(({ maxMsat }) => maxMsat);
  return limits.reduce<Amount.Msat | undefined>((least, next) => (least === undefined || next < least ? next : least), undefined);
}

/** What the library does not take was written by whoever typed the command. */
async function checked(make: (client: PurseClientOptions) => PayingClient): Promise<void> {
  try {
    await make({ onEvent: () => {} }).close();
  } catch (error) {
    if (error instanceof TypeError) throw new Ended(2, 'usage', `${error.message}.`, { cause: error });
    throw error;
  }
}

/** Asks one question after the other: two that stand at one terminal are both answered by one line. */
function inTurn(ask: AskNow): AskNow {
  let last: Promise<unknown> = Promise.resolve();
  return (question, signal) => {
    const mine = last.then(() => {
      signal.throwIfAborted();
      return ask(question, signal);
    });
    last = mine.catch(() => undefined);
    return mine;
  };
}

type AskNow = (question: ConsentQuestion, signal: AbortSignal) => Promise<boolean>;

/** A person at the terminal says yes, or it is not paid. */
async function ask(
  { ask: question, terminal }: CliContext,
  { origin, method, path, amountMsat, maxFeeMsat, description, aboveMsat }: ConsentQuestion,
  signal: AbortSignal,
): Promise<boolean> {
  const what = description === undefined ? '' : ` for "${printable(description.slice(0, 100))}"`;
  const price = `${Amount.format(amountMsat)} and up to ${Amount.format(maxFeeMsat)} for the fee`;
  const words = `Pay ${price}${what} (${printable(`${method} ${origin}${path}`)})? More than ${Amount.format(aboveMsat)} is asked about (yes or no)`;
  const said = await terminal.whileAsking(() => question(words, 'no', signal));
  // No answer is not a no: whoever reads of it is to know that nobody was there.
  if (said === undefined) throw new Error('there is nobody at the terminal');
  return /^y(es)?$/i.test(said);
}
