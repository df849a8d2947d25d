/**
 * The commands, each in a file of its own that is read when it is asked for: a program that buys one thing does not wait for all that it could do.
 */
import type { Command } from 'commander';
import type { CliContext } from './Context.ts';

/** Adds a command to the program. */
export type Register = (program: Command, context: CliContext) => void;

/** In the order in which help names them. */
const loaders: Readonly<Record<string, () => Promise<Register>>> = {
  demo: async () => (await import('./demo.ts')).registerDemo,
  serve: async () => (await import('./serve.ts')).registerServe,
  mcp: async () => (await import('./mcp.ts')).registerMcp,
  init: async () => (await import('./init.ts')).registerInit,
  check: async () => (await import('./check.ts')).registerCheck,
  get: async () => (await import('./buy/get.ts')).registerGet,
  call: async () => (await import('./call.ts')).registerCall,
  quote: async () => (await import('./buy/quote.ts')).registerQuote,
  pay: async () => (await import('./buy/pay.ts')).registerPay,
  topup: async () => (await import('./topup.ts')).registerTopUp,
  wallet: async () => (await import('./wallet.ts')).registerWallet,
  budget: async () => (await import('./buy/budget.ts')).registerBudget,
  journal: async () => (await import('./buy/journal.ts')).registerJournal,
  tokens: async () => (await import('./buy/tokens.ts')).registerTokens,
  receipts: async () => (await import('./buy/receipts.ts')).registerReceipts,
  doctor: async () => (await import('./doctor.ts')).registerDoctor,
  drivers: async () => (await import('./drivers.ts')).registerDrivers,
  sales: async () => (await import('./sales.ts')).registerSales,
  webhooks: async () => (await import('./webhooks.ts')).registerWebhooks,
  store: async () => (await import('./store.ts')).registerStore,
  token: async () => (await import('./token.ts')).registerToken,
  keys: async () => (await import('./keys.ts')).registerKeys,
  revoke: async () => (await import('./revoke.ts')).registerRevoke,
  sandbox: async () => (await import('./sandbox.ts')).registerSandbox,
  lie: async () => (await import('./lie.ts')).registerLie,
  'lying-server': async () => (await import('./lyingServer.ts')).registerLyingServer,
  admin: async () => (await import('./admin.ts')).registerAdmin,
  audit: async () => (await import('./audit.ts')).registerAudit,
  schema: async () => (await import('./describe/schema.ts')).registerSchema,
  completion: async () => (await import('./describe/completion.ts')).registerCompletion,
};

/** Commands that stand with another one. */
const beside: Readonly<Record<string, string>> = { 'demo-buyer': 'demo' };

/** They tell of all the others. */
const tellOfAll: ReadonlySet<string> = new Set(['schema', 'completion']);

/**
 * The command that the words name, and all of them where they name none that there is: then what is printed names each.
 *
 * @param words - as they stand behind `farebox`
 */
export async function loadCommands([first = '']: readonly string[] = []): Promise<readonly Register[]> {
  if (first === '--version') return [];
  const name = Object.hasOwn(beside, first) ? (beside[first] as string) : first;
  const load = Object.hasOwn(loaders, name) && !tellOfAll.has(name) ? loaders[name] : undefined;
  return Promise.all(load ? [load()] : Object.values(loaders).map((one) => one()));
}
