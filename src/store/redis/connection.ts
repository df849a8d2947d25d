/**
 * One process's connection to a Redis server: how it is made and looked at, how it is made again, and how its errors read.
 *
 * A script that changes anything is sent once. Where the server says that it did not run, or nothing was sent, that is certain; where a
 * connection ends or a reply does not come in time, nobody knows, the caller is told so, and nothing is sent again. The client library, which
 * would, is given one connection at a time and none of its own ways back.
 */
import type { Redis as Client } from 'ioredis';
import { systemClock, wait } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Address } from './address.ts';
import type { Script } from './scripts.ts';

/** A server that can be asked. */
export type Connection = {
  /**
   * Runs a script and answers its reply. What is asked for first is sent first.
   * @throws STORE_UNAVAILABLE – it could not be sent, was refused, or nobody knows
   */
  readonly run: (script: Script, keys: readonly string[], args: readonly string[]) => Promise<unknown>;
  /** Ends the connection, and whatever waits for one. */
  readonly close: () => Promise<void>;
};

/** How a connection is held. */
export type Holding = {
  readonly address: Address;
  /** How long a reply may take, or a new connection. */
  readonly timeoutMs: number;
  /** Looks at a server before anything is asked of it. */
  readonly look: (client: Client) => Promise<void>;
};

/** How long after a loss a call waits for the next connection; later ones are refused at once until there is one. */
const patienceMs = 1000;

/** How often something that changes nothing is asked anew when its connection ends over it. */
const repeatLimit = 5;

/** How long a server may take to let go of a connection. */
const partingMs = 200;

/** Between two attempts to get back. */
const pausesMs = { first: 50, longest: 1000 };

/**
 * Connects.
 * @throws CONFIG_INVALID – there is no client library; STORE_UNAVAILABLE – there is no server; whatever `look` throws
 */
export async function createConnection(holding: Holding): Promise<Connection> {
  let client: Client | undefined = await connect(holding);
  let trouble: unknown;
  let regaining: Promise<void> | undefined;
  const closing = new AbortController();
  const waiting = createQueue();

  function hold(next: Client): void {
    client = next;
    next.once('end', () => lose(next));
    waiting.grant(next);
  }

  /** Lets go of a connection that has ended, or answers no more, and sees to another. */
  function lose(lost: Client): void {
    if (client !== lost) return;
    client = undefined;
    lost.disconnect();
    if (!closing.signal.aborted) regaining = regain();
  }

  async function regain(): Promise<void> {
    const impatient = systemClock.after(patienceMs, () => waiting.refuse(() => asUnavailable(unreachable(trouble))), true);
    for (let pauseMs = pausesMs.first; !closing.signal.aborted; pauseMs = Math.min(2 * pauseMs, pausesMs.longest)) {
      const next = await connect(holding).catch((error: unknown) => {
        trouble = error;
      });
      if (next && !closing.signal.aborted) {
        impatient();
        return hold(next);
      }
      next?.disconnect();
      await wait(systemClock, pauseMs, closing.signal, true);
    }
    impatient();
  }

  async function send(to: Client, call: Call, repeats = repeatLimit): Promise<unknown> {
    try {
      return await evaluate(to, call);
    } catch (error) {
      if (!isReply(error)) lose(to);
      if (!call.script.isRepeatable || repeats === 0 || isReply(error) || isTimeout(error)) throw failed(error);
      return run(call, repeats - 1);
    }
  }

  async function run(call: Call, repeats?: number): Promise<unknown> {
    if (client && client.status !== 'ready') lose(client);
    return send(client ?? (await waiting.wait()), call, repeats);
  }

  hold(client);
  return {
    run: (script, keys, args) => run({ script, keys, args }),
    close: async () => {
      if (closing.signal.aborted) return;
      closing.abort();
      waiting.refuse(() => new FareboxError('STORE_UNAVAILABLE', 'The store is closed.'));
      await Promise.all([end(client), regaining]);
    },
  };
}

/**
 * A connection that is up, let in and looked at.
 * @throws CONFIG_INVALID – there is no client library; STORE_UNAVAILABLE – there is no server; whatever `look` throws
 */
export async function connect({ address, timeoutMs, look }: Holding): Promise<Client> {
  const { tls, ca, ...way } = address;
  const client = new (await loadLibrary())({
    ...way,
    // By name: Node has a switch in its environment that turns looking at certificates off.
    ...(tls && { tls: { rejectUnauthorized: true, ...(ca !== undefined && { ca }) } }),
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    disconnectTimeout: partingMs,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    protocol: 2,
  });
  let trouble: unknown;
  client.on('error', (error: unknown) => {
    trouble ??= error;
  });
  try {
    await client.connect();
    await look(client);
    return client;
  } catch (error) {
    client.disconnect();
    throw FareboxError.is(error) ? error : unreachable(trouble ?? error);
  }
}

/** Ends a connection and waits until it is over. */
export async function end(client: Client | undefined): Promise<void> {
  if (!client || client.status === 'end') return;
  await new Promise<void>((resolve) => {
    client.once('end', resolve);
    client.disconnect();
  });
}

/** The library is the operator's to install: most have no use for it. */
async function loadLibrary(): Promise<typeof Client> {
  try {
    return (await import('ioredis')).Redis;
  } catch (cause) {
    throw new FareboxError('CONFIG_INVALID', 'A store in Redis needs the package "ioredis" beside Farebox: npm install ioredis', { cause });
  }
}

/** A script with its arguments. */
type Call = { readonly script: Script; readonly keys: readonly string[]; readonly args: readonly string[] };

/** Runs a script that the server may have forgotten; one that it does not know has not run. */
async function evaluate(client: Client, { script: { sha, text }, keys, args }: Call): Promise<unknown> {
  const rest = [`${keys.length}`, ...keys, ...args];
  try {
    return await client.call('evalsha', [sha, ...rest]);
  } catch (error) {
    if (!isReply(error) || codeOf(error) !== 'NOSCRIPT') throw error;
    return client.call('eval', [text, ...rest]);
  }
}

/** Calls that wait for the next connection, in their order. Refused ones, and those that come after, are told why at once. */
function createQueue() {
  let waiters: { readonly resolve: (client: Client) => void; readonly reject: (error: unknown) => void }[] = [];
  let refusal: (() => unknown) | undefined;
  const take = () => {
    const taken = waiters;
    waiters = [];
    return taken;
  };
  return {
    wait: (): Promise<Client> =>
      new Promise((resolve, reject) => {
        if (refusal) reject(refusal());
        else waiters.push({ resolve, reject });
      }),
    grant: (client: Client): void => {
      refusal = undefined;
      for (const { resolve } of take()) resolve(client);
    },
    refuse: (why: () => unknown): void => {
      refusal = why;
      for (const { reject } of take()) reject(why());
    },
  };
}

/** What the server answered, as against what became of the connection. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** The first word of what a server said: the rest may hold what it was sent. */
function codeOf(error: Error): string {
  return /^[A-Z]+\b/.exec(error.message)?.[0] ?? 'an error';
}

/** What the library's errors carry (addresses, and commands with their arguments, a password among them) goes no further. */
function failed(error: unknown): FareboxError {
  if (isReply(error)) return new FareboxError('STORE_UNAVAILABLE', `The Redis server refused a step of the store (${codeOf(error)}).`);
  return new FareboxError('STORE_UNAVAILABLE', `The Redis server did not answer (${wordOf(error)}). It is not known whether it did what it was asked.`);
}

/** Nothing was sent. */
function unreachable(error: unknown): FareboxError {
  if (FareboxError.is(error)) return error;
  const why = isReply(error) ? codeOf(error) : wordOf(error);
  return new FareboxError('STORE_UNAVAILABLE', `The Redis server cannot be reached (${why}).`);
}

/** What kept a store from being opened, told to a call of one that was open. */
export function asUnavailable(error: unknown): unknown {
  return FareboxError.is(error) && error.code !== 'STORE_UNAVAILABLE' ? new FareboxError('STORE_UNAVAILABLE', error.message, { cause: error }) : error;
}

/** How a connection failed, in a word of the system's. */
function wordOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && /^[A-Z_\d]+$/.test(error.code)) return error.code;
  return isTimeout(error) ? 'no reply in time' : 'connection lost';
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}
