/**
 * Another process of our own, whose processor time is read from the operating system.
 *
 *     const server = await start(new URL('./server.ts', import.meta.url), { route: 'free' });
 *     server.ready.port; await server.cpuNs(); await server.ask({ collect: true }); await server.stop();
 *
 * The program: `serve(async (options) => ({ ready: { port }, answer: async (question) => …, close: async () => … }))`, as below.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A process that has said that it is ready. */
export type Program<Ready> = {
  /** What it said. */
  readonly ready: Ready;
  /** Its number in the operating system. */
  readonly pid: number;
  /** Processor time of all its threads so far. */
  readonly cpuNs: () => Promise<number>;
  /** Asks it something; the program's own `answer` decides what. */
  readonly ask: (question: unknown) => Promise<unknown>;
  /** Ends it, and waits until it has. */
  readonly stop: () => Promise<void>;
};

/** How a program is run. */
export type StartOptions = {
  /** Given to Node before the program, such as `--expose-gc`. */
  readonly nodeArguments?: readonly string[];
  /** It has so long to get ready. */
  readonly readyMs?: number;
};

/** What Node is given before the command `farebox`, as its first line says: a gateway is measured as it runs. */
export function commandArguments(): readonly string[] {
  const [first = ''] = readFileSync(new URL('../../src/cli/bin.ts', import.meta.url), 'utf8').split('\n', 1);
  return first.split(' ').filter((word) => word.startsWith('--'));
}

/** What a program brings. */
export type Served = {
  /** Sent to whoever started it. */
  readonly ready: unknown;
  readonly answer?: (question: never) => unknown;
  readonly close?: () => Promise<void> | void;
};

type ToProgram =
  | { readonly kind: 'begin'; readonly options: unknown }
  | { readonly kind: 'ask'; readonly number: number; readonly question: unknown }
  | { readonly kind: 'cpu'; readonly number: number };
type FromProgram =
  | { readonly kind: 'ready'; readonly ready: unknown }
  | { readonly kind: 'answer'; readonly number: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly number: number | undefined; readonly message: string };

/** Starts a program and waits until it is ready. @throws Error – it ended, failed or took too long */
export async function start<Ready>(file: URL, options: unknown, { nodeArguments = [], readyMs = 30_000 }: StartOptions = {}): Promise<Program<Ready>> {
  const child = fork(fileURLToPath(file), { execArgv: [...nodeArguments], serialization: 'advanced' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    if (child.connected) child.disconnect();
    const kill = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(kill);
  };
  const channel = listen(child);
  const late = setTimeout(() => child.kill('SIGKILL'), readyMs);
  try {
    child.send({ kind: 'begin', options } satisfies ToProgram);
    const ready = (await channel.ready) as Ready;
    return {
      ready,
      pid: child.pid ?? 0,
      cpuNs: async () => threadsNs(child.pid) ?? ((await channel.ask({ kind: 'cpu' })) as number),
      ask: (question) => channel.ask({ kind: 'ask', question }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

/** The other end: what a program calls as its last line. It ends when whoever started it lets go of it, or ends. */
export function serve<Options>(begin: (options: Options) => Promise<Served> | Served): void {
  const send = (message: FromProgram) => void process.send?.(message);
  const failed = (number: number | undefined, error: unknown) =>
    send({ kind: 'failed', number, message: error instanceof Error ? (error.stack ?? '') : String(error) });
  let served: Promise<Served> | undefined;
  process.on('message', async (message: ToProgram) => {
    try {
      if (message.kind === 'begin') {
        served = Promise.resolve(begin(message.options as Options));
        send({ kind: 'ready', ready: (await served).ready });
      } else if (message.kind === 'cpu') send({ kind: 'answer', number: message.number, answer: ownNs() });
      else send({ kind: 'answer', number: message.number, answer: await (await served)?.answer?.(message.question as never) });
    } catch (error) {
      failed(message.kind === 'begin' ? undefined : message.number, error);
    }
  });
  process.on('disconnect', async () => {
    try {
      await (await served)?.close?.();
    } finally {
      process.exit();
    }
  });
}

/** Pairs what was asked with what was answered, by number. */
function listen(child: ChildProcess) {
  const waiting = new Map<number, { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }>();
  let last = 0;
  let setReady: (ready: unknown) => void;
  let setFailed: (error: Error) => void;
  const ready = new Promise<unknown>((resolve, reject) => {
    setReady = resolve;
    setFailed = reject;
  });
  const fail = (error: Error) => {
    setFailed(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  child.on('message', (message: FromProgram) => {
    if (message.kind === 'ready') return setReady(message.ready);
    if (message.kind === 'failed' && message.number === undefined) return fail(new Error(message.message));
    const asked = waiting.get(message.number ?? 0);
    waiting.delete(message.number ?? 0);
    if (message.kind === 'answer') asked?.resolve(message.answer);
    else asked?.reject(new Error(message.message));
  });
  child.on('error', fail);
  child.on('exit', (code, signal) => fail(new Error(`the program ended (${signal ?? code})`)));
  const ask = (question: { readonly kind: 'ask'; readonly question: unknown } | { readonly kind: 'cpu' }) =>
    new Promise<unknown>((resolve, reject) => {
      if (!child.connected) return reject(new Error('the program has ended'));
      const number = ++last;
      waiting.set(number, { resolve, reject });
      child.send({ ...question, number } satisfies ToProgram);
    });
  return { ready, ask };
}

/** The memory that a process has now, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

/**
 * The scheduler's own count, in nanoseconds; undefined where the system has none. A thread that has ended is no longer in it. Read at once: of some hundred
 * thousand reads that were waited for, one never came back.
 */
export function threadsNs(pid: number | undefined): number | undefined {
  const folder = `/proc/${pid}/task`;
  try {
    const counts = readdirSync(folder).map((thread) => readFileSync(`${folder}/${thread}/schedstat`, 'utf8'));
    return counts.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0);
  } catch {
    return undefined;
  }
}

function ownNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}
