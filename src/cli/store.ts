/**
 * `farebox store`: whether the books of a gateway's store add up, and whether the sandbox agrees with them; and what is done to a store as a whole.
 */
import type { Command } from 'commander';
import { systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Books from '../store/Books.ts';
import type { CliContext } from './Context.ts';
import { requireSandbox } from './SandboxLink.ts';
import { locateStore, nameOf, openToLook, type StoreOptions } from './Stores.ts';
import { registerMoving } from './store/moving.ts';
import { printVerdict } from './store/Verdict.ts';

type VerifyOptions = StoreOptions & { readonly sandbox: boolean; readonly json?: boolean };

/** Adds `farebox store`. */
export function registerStore(program: Command, context: CliContext): void {
  const store = program
    .command('store')
    .description("Verify the books of a gateway's store, bring it up to date, and move it to another one.")
    .addHelpText('after', '\nExample:\n  farebox store verify');
  store
    .command('verify')
    .description('Show where every payment went, and whether it adds up to the millisatoshi and the sandbox agrees.')
    .option('-s, --store <file>', 'the store to verify; default: that of "farebox serve <url>", in ~/.farebox')
    .option('-c, --config <file>', 'verify the store that this configuration names')
    .option('--no-sandbox', 'do not ask the sandbox: the store by itself')
    .option('--json', 'print JSON, a line each: the sums, then what is wrong, then what was paid and never presented')
    .addHelpText('after', help)
    .action((options: VerifyOptions) => verify(context, options));
  registerMoving(store, context);
}

const help = `
For every payment that was seen, received = earned + unspent + held + refunded +
expired. What was received and earned is what the ledger says; where the money is,
what the claims and accounts say that grant and refuse its use.

  earned     it bought an answer
  unspent    its use was given back, or never taken; the buyer can still have it
  held       a request with it is under way
  refunded   nothing can be refunded yet
  expired    it was never used, and its time is over

A gateway that is paid elsewhere than on the sandbox is verified by its store alone.
A gateway may go on selling meanwhile. Exit code 0: it adds up, and the sandbox
agrees. 1: it does not. 7: the store or the sandbox could not be asked.

Examples:
  farebox store verify
  farebox store verify --config farebox.yaml
  farebox store verify --no-sandbox --json`;

async function verify(context: CliContext, options: VerifyOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { choice, network = 'sandbox' } = await locateStore(context, options);
  const store = await openToLook(choice, context.clock ?? systemClock, 'farebox store verify');
  const sandbox = askSandbox(context);
  let verdict: Books.Verdict;
  try {
    verdict = await Books.verify(store.audit(), options.sandbox && network === 'sandbox' ? { askNode: sandbox.ask } : {});
  } finally {
    await store.close();
  }
  const name = nameOf(choice);
  printVerdict(terminal, name, verdict);
  if (!verdict.balanced) {
    const count = verdict.found === 1 ? 'one thing is' : `${verdict.found} things are`;
    throw new FareboxError('BOOKS_UNBALANCED', `The books of ${name} do not balance: ${count} wrong.`);
  }
  if (verdict.node.kind === 'unknown') throw sandbox.failure();
}

/** The gateways of this machine sell as this node. */
const sellerNode = 'seller';

/** Asks the sandbox what it settled, and remembers why it could not be asked. */
function askSandbox(context: CliContext) {
  let cause: FareboxError | undefined;
  return {
    ask: async (): Promise<Books.NodeBook | undefined> => {
      try {
        const link = await requireSandbox(context.home());
        try {
          const { balanced, payments } = await link.sandbox.audit();
          const settled = payments.filter(({ payee, state }) => payee === sellerNode && state === 'settled');
          const settlements = settled.map(({ paymentHash, amountMsat, startedAt, endedAt }) => ({ paymentHash, amountMsat, settledAt: endedAt ?? startedAt }));
          return { name: 'sandbox', balanced, settlements };
        } finally {
          await link.close();
        }
      } catch (error) {
        if (!FareboxError.is(error, 'SANDBOX_UNAVAILABLE', 'LIGHTNING_UNAVAILABLE', 'LIGHTNING_UNAUTHORIZED')) throw error;
        cause = error;
        return undefined;
      }
    },
    failure: () => new FareboxError('SANDBOX_UNAVAILABLE', `Whether the sandbox agrees could not be found out. ${cause?.message}`, { cause }),
  };
}
