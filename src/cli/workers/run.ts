/**
 * A gateway in several processes of this machine: this one starts and supervises them, and serves nothing itself. Their listening socket is one, which
 * the system gives each connection from to whoever takes it.
 *
 * @see docs/decisions/0032-workers-and-outages.md
 */
import cluster from 'node:cluster';
import { type AddressInfo, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { assertSameStart, type GatewayConfig } from '../../gateway/index.ts';
import { createRates } from '../../server/Rates.ts';
import type { CliContext } from '../Context.ts';
import { openKeyRing } from '../KeyRing.ts';
import { openReceivers } from '../Receivers.ts';
import { openStore } from '../Stores.ts';
import type { ConfigSource } from '../serve/ConfigSource.ts';
import { openLogs } from '../serve/Logs.ts';
import { type Reloading, startReloading } from '../serve/Reloading.ts';
import type { FromWorker, Ports, ToWorker } from './messages.ts';
import { createSupervisor, type Process, StartFailed, type WorkerNews } from './Supervisor.ts';

/** Tells every worker to make place for a new one. No terminal sends it, and service managers can. */
const restartSignal = 'SIGUSR2';

/** How many processes a configuration asks for. */
export function workersOf({ workers }: GatewayConfig): number {
  return workers === 'auto' ? availableParallelism() : workers;
}

/** What is supervised. */
export type Supervised = {
  readonly config: GatewayConfig;
  /** What it was read from, and where it is read once more. */
  readonly text: string;
  readonly source: ConfigSource;
  readonly announce: (ready: FromWorker & { readonly kind: 'ready' }) => void;
};

/**
 * Runs until it is told to stop. What cannot be used is found out before anything is started.
 * @throws FareboxError – keys, store or sandbox cannot be used
 */
export async function supervise(context: CliContext, { config, text, source, announce }: Supervised): Promise<void> {
  const count = workersOf(config);
  const { terminal } = context;
  const clock = context.clock ?? systemClock;
  // Whoever hosts the sandbox outlives the workers.
  const paid = await openReceivers(context.home(), config);
  try {
    const secret = await prepare(context, config, paid.receiver.network);
    const ports = await portsOf(config);
    const rates = createRates(mintLimits(config), clock);
    // Requests are logged by who serves them: this one has no access log.
    const logs = await openLogs(terminal, config.logs && { ...config.logs, access: false });
    const supervisor = createSupervisor({
      count,
      clock,
      text,
      start: (slot, hooks, now) => fork({ kind: 'start', slot, count, text: now, secret, ports }, hooks),
      rates: () => rates,
      tell: (news) => tell(context, news),
    });
    const stopped = new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      context.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    let begun = config;
    const take = async (next: GatewayConfig, now: string) => {
      assertSameStart(begun, next);
      await supervisor.exchange(now);
      rates.adjust(mintLimits(next));
    };
    const restart = async () => {
      const now = await source.read();
      const next = source.parse(now);
      if (workersOf(next) !== count) terminal.note(`"workers" has changed: ${count} go on until Farebox itself is started again.`);
      rates.adjust(mintLimits(next));
      const isDone = await supervisor.restart(now);
      if (isDone) begun = next;
      terminal.data({ kind: 'restarted', at: new Date(clock.nowMs()).toISOString(), isDone });
      terminal.note(isDone ? 'All processes have been replaced.' : 'Not all processes have been replaced: a new one ended before it was ready.');
    };
    let reloading: Reloading | undefined;
    const onRestart = () =>
      void reloading?.inTurn(restart).catch((error: unknown) => terminal.note(`Not restarted: ${error instanceof Error ? error.message : error}`));
    process.on(restartSignal, onRestart);
    try {
      // A second signal ends this process at once, and with it the workers.
      const ready = await Promise.race([supervisor.start(), stopped]);
      if (ready) {
        announce(ready);
        reloading = startReloading({ context, source, config, logs: { ...logs, reopen: supervisor.reopen }, take });
      }
      await stopped;
      terminal.note('Finishing what is under way …');
    } catch (error) {
      if (!(error instanceof StartFailed)) throw error;
      // It has said why itself.
      process.exitCode = error.code;
    } finally {
      process.off(restartSignal, onRestart);
      const closing = reloading?.close();
      await supervisor.stop();
      await closing;
      await logs.close();
    }
  } finally {
    await paid.close();
  }
}

function mintLimits({ limits }: GatewayConfig) {
  return { perClientPerMinute: limits.invoicesPerClientPerMinute, perMinute: limits.invoicesPerMinute };
}

/** Makes what several would make at once, asks a person once, and finds out what is wrong. The answer is what was typed in. */
async function prepare(context: CliContext, config: GatewayConfig, network: GatewayConfig['network']): Promise<string | undefined> {
  let secret: string | undefined;
  const asking: CliContext = {
    ...context,
    askSecret: async (question) => {
      secret = await context.askSecret(question);
      return secret;
    },
  };
  const ring = await openKeyRing(asking, config, network, () => {});
  await ring.close();
  const store = await openStore(config.store);
  await store?.close();
  return secret;
}

/** Finds a port where any would do. */
async function portsOf({ listen, introspection, health, metrics, admin }: GatewayConfig): Promise<Ports> {
  const find = async ({ host, port }: GatewayConfig['listen']): Promise<number | undefined> => {
    if (port !== 0) return undefined;
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
    const found = (server.address() as AddressInfo).port;
    await new Promise((resolve) => server.close(resolve));
    return found;
  };
  const ports: { -readonly [Name in keyof Ports]: number } = {};
  const wanted = { listen, introspection: introspection?.listen, health: health?.listen, metrics: metrics?.listen, admin: admin?.listen };
  for (const [name, at] of Object.entries(wanted)) {
    const found = at && (await find(at));
    if (found !== undefined) ports[name as keyof Ports] = found;
  }
  return ports;
}

function fork(first: ToWorker, { onMessage, onExit }: Parameters<Parameters<typeof createSupervisor>[0]['start']>[1]): Process {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({
    exec: process.argv[1] ?? '',
    args: process.argv.slice(2),
    execArgv: process.execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const worker = cluster.fork();
  worker.on('message', onMessage);
  worker.on('exit', onExit);
  worker.on('error', () => {});
  const send = (message: ToWorker) => {
    if (worker.isConnected()) worker.send(message, () => {});
  };
  send(first);
  return { pid: worker.process.pid, send, kill: () => void worker.process.kill('SIGKILL') };
}

function tell({ terminal, clock = systemClock }: CliContext, { slot, pid, state, againMs }: WorkerNews): void {
  terminal.data({ kind: 'worker', at: new Date(clock.nowMs()).toISOString(), worker: slot, pid, state, againMs });
  if (state === 'died') terminal.note(terminal.tone('bad', `process ${slot} (${pid}) has died; another is started in ${againMs} ms`));
  else terminal.note(terminal.tone('quiet', `process ${slot} (${pid}) ${state === 'ready' ? 'is ready' : 'makes place for a new one'}`));
}

/** @throws CONFIG_INVALID – this system cannot share a socket so */
export function assertPossible(): void {
  if (process.platform === 'win32') throw new FareboxError('CONFIG_INVALID', 'Several processes cannot share a port on Windows: write "workers: 1".');
}
