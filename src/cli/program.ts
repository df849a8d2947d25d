/**
 * The command `farebox` and all that it can do; each command's file adds itself.
 */
import { Command } from 'commander';
import { registerAdmin } from './admin.ts';
import { registerAudit } from './audit.ts';
import { registerBudget } from './buy/budget.ts';
import { registerGet } from './buy/get.ts';
import { registerJournal } from './buy/journal.ts';
import { registerPay } from './buy/pay.ts';
import { registerQuote } from './buy/quote.ts';
import { registerReceipts } from './buy/receipts.ts';
import { registerTokens } from './buy/tokens.ts';
import type { CliContext } from './Context.ts';
import { registerCall } from './call.ts';
import { registerCheck } from './check.ts';
import { registerDemo } from './demo.ts';
import { registerCompletion } from './describe/completion.ts';
import { registerSchema } from './describe/schema.ts';
import { registerDoctor } from './doctor.ts';
import { registerDrivers } from './drivers.ts';
import { exitCodes } from './exit.ts';
import { registerInit } from './init.ts';
import { registerKeys } from './keys.ts';
import { registerLie } from './lie.ts';
import { registerLyingServer } from './lyingServer.ts';
import { registerMcp } from './mcp.ts';
import { registerRevoke } from './revoke.ts';
import { registerSales } from './sales.ts';
import { registerSandbox } from './sandbox.ts';
import { registerServe } from './serve.ts';
import { registerStore } from './store.ts';
import { registerToken } from './token.ts';
import { registerTopUp } from './topup.ts';
import { version } from './version.ts';
import { registerWallet } from './wallet.ts';
import { registerWebhooks } from './webhooks.ts';

/** All commands, ready to be parsed. */
export function createProgram(context: CliContext): Command {
  const program = new Command('farebox')
    .description('Put a price on any HTTP API and let software pay it over Lightning (L402).')
    .version(version)
    // Thrown, so that the one place that ends the process knows the exit code.
    .exitOverride()
    .showHelpAfterError('(farebox --help says more)')
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .addHelpText('after', () => `\nExit codes:\n${exitCodeLines().join('\n')}\n\nFirst steps:\n${firstSteps.join('\n')}\n`);
  registerDemo(program, context);
  registerServe(program, context);
  registerMcp(program, context);
  registerInit(program, context);
  registerCheck(program, context);
  registerGet(program, context);
  registerCall(program, context);
  registerQuote(program, context);
  registerPay(program, context);
  registerTopUp(program, context);
  registerWallet(program, context);
  registerBudget(program, context);
  registerJournal(program, context);
  registerTokens(program, context);
  registerReceipts(program, context);
  registerDoctor(program, context);
  registerDrivers(program, context);
  registerSales(program, context);
  registerWebhooks(program, context);
  registerStore(program, context);
  registerToken(program, context);
  registerKeys(program, context);
  registerRevoke(program, context);
  registerSandbox(program, context);
  registerLie(program, context);
  registerLyingServer(program, context);
  registerAdmin(program, context);
  registerAudit(program, context);
  registerSchema(program, context);
  registerCompletion(program, context);
  return program;
}

const firstSteps = [
  '  farebox demo                                          watch a program buy an API call',
  '  farebox serve http://localhost:3000 --price "10 sat"  put a price on your own API (sandbox)',
  '  farebox get http://localhost:8402/ --max "20 sat"     buy from it',
];

function exitCodeLines(): readonly string[] {
  return Object.entries(exitCodes).map(([code, meaning]) => `  ${code}  ${meaning}`);
}
