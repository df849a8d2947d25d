/**
 * `farebox demo`: a paid API on this machine, a sandbox Lightning network, and a program that buys from it, each step shown as it happens.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { FareboxError } from '../core/Errors.ts';
import { createConfig, type GatewayConfig } from '../gateway/index.ts';
import type { CliContext } from './Context.ts';
import { type DemoApi, startApi } from './demo/api.ts';
import { type BuyerReport, runBuyer } from './demo/buyer.ts';
import { createStory } from './demo/story.ts';
import { type Home, openHome } from './Home.ts';
import { openSandbox, type SandboxLink } from './SandboxLink.ts';
import { type Served, serve } from './serve.ts';

type DemoOptions = { readonly once?: boolean; readonly port: string; readonly json?: boolean };

const path = '/api/v1/translate?text=hello&target=es';

export function registerDemo(program: Command, context: CliContext): void {
  program
    .command('demo')
    .description('Watch a program buy an API call over Lightning: a paid API, a sandbox network and a buyer, all on this machine.')
    .option('--once', 'end after the first sale; the exit code is not 0 if it did not happen')
    .option('-p, --port <port>', 'where the gateway listens', '8402')
    .option('--json', 'tell it as JSON lines')
    .action((options: DemoOptions) => demo({ ...context, terminal: context.terminal.withJson(options.json ?? false) }, options));
  program.command('demo-buyer', { hidden: true }).action(runBuyer);
}

async function demo(context: CliContext, options: DemoOptions): Promise<void> {
  // A demo that ends at once leaves nothing behind; one that stays is found by other terminals through the home folder.
  const isTemporary = options.once === true && context.environment.FAREBOX_HOME === undefined;
  const home = isTemporary ? openHome({ FAREBOX_HOME: mkdtempSync(join(tmpdir(), 'farebox-demo-')) }) : context.home();
  let stage: Stage | undefined;
  try {
    stage = await setUp(context, home, options);
    await play(context, stage);
    if (options.once) return;
    createStory(context.terminal).tryNext(stage.served.url, commandOf(context));
    const { signal } = context;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    await stage?.served.close();
    await stage?.api.close();
    await stage?.link.close();
    if (isTemporary) rmSync(home.folder, { recursive: true, force: true });
  }
}

/** Everything that the sale needs, running. */
type Stage = { readonly api: DemoApi; readonly link: SandboxLink; readonly served: Served };

async function setUp(context: CliContext, home: Home, options: DemoOptions): Promise<Stage> {
  const link = await openSandbox(home);
  const api = await startApi();
  // While the story is told, only the story is printed; the gateway's own lines come when it stays up.
  let isTold = false;
  const quiet: CliContext = { ...context, terminal: { ...context.terminal, line: (text) => isTold && context.terminal.line(text), data: () => {} } };
  const open = (port: number) => serve(quiet, home, demoConfig(home, api.url, port));
  try {
    const served = await open(options.once ? 0 : Number(options.port)).catch((error: unknown) => {
      if (FareboxError.is(error, 'CONFIG_INVALID') && options.port === '8402') return open(0);
      throw error;
    });
    served.gateway.events.on((event) => {
      if (event.kind === 'delivered') setImmediate(() => (isTold = true));
    });
    return { api, link, served };
  } catch (error) {
    await api.close();
    await link.close();
    throw error;
  }
}

/** What the demo sells. */
function demoConfig(home: Home, upstream: string, port: number): GatewayConfig {
  const service = (name: string, title: string, route: { path: string; price: string; terms?: string }) => ({ name, title, upstream, routes: [route] });
  return createConfig(
    {
      listen: `127.0.0.1:${port}`,
      keys: home.keyFile,
      store: home.gatewayStore,
      services: [
        service('translate', 'Translation API', { path: '/api/v1/translate', price: '50 sat' }),
        service('premium', 'Premium translation', { path: '/api/v1/premium', price: '200 sat' }),
        service('words', 'Dictionary', { path: '/api/v1/words/*', price: '100 sat', terms: 'pass: 1h' }),
        service('expensive', 'Expensive service', { path: '/api/expensive-service', price: '10 sat' }),
      ],
    },
    { file: 'the demo' },
  );
}

/** Lets the buyer buy, and tells the story. @throws FareboxError – the sale did not happen */
async function play(context: CliContext, { link, served }: Stage): Promise<void> {
  const story = createStory(context.terminal);
  const url = served.url + path;
  story.opening(served.url);
  const buyer = startBuyer();
  let outcome: BuyerReport | undefined;
  buyer.on('message', (message) => {
    const report = message as BuyerReport;
    if (report.kind === 'done' || report.kind === 'failed') outcome = report;
    story.tell(report);
  });
  const abort = () => buyer.kill();
  context.signal.addEventListener('abort', abort, { once: true });
  buyer.send({ sandbox: link.address, wallet: 'buyer', url, max: '60 sat' });
  await new Promise((resolve) => buyer.once('close', resolve));
  context.signal.removeEventListener('abort', abort);
  if (context.signal.aborted) return;
  const totals = await served.store?.totals();
  if (outcome?.kind !== 'done' || outcome.status !== 200 || totals === undefined || totals.sales < 1) {
    const why = outcome?.kind === 'failed' ? outcome.message : 'the buyer ended without an answer';
    throw new FareboxError('PAYMENT_FAILED', `The sale did not happen: ${why}.`);
  }
  story.ending(outcome, totals);
}

/** The same program again, as another process. */
function startBuyer(): ChildProcess {
  const script = process.argv[1] as string;
  return spawn(process.execPath, [...process.execArgv, script, 'demo-buyer'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** How the reader runs this program: in a clone through npm, else by its name. */
function commandOf(context: CliContext): string {
  return context.environment.npm_lifecycle_event === undefined ? 'farebox' : 'npm run -s farebox --';
}
