/**
 * Load from another process on this machine, bounded in count and time, so that a server's processor time is its own.
 *
 *     const load = await startLoad();
 *     const reading = await load.measure(server, { port, requests: [getBytes('/x', { Host: 'a' })], count: 20_000, expect: 200 });
 */
import type { Reading } from './Comparison.ts';
import { type Program, start } from './Program.ts';

/** What to send. */
export type Drive = {
  readonly port: number;
  /** Whole requests as text, one byte a character, sent in turn and from the start again. */
  readonly requests: readonly string[];
  /** How many to send; by default each request once. */
  readonly count?: number;
  readonly connections: number;
  /** All answers must have come by then. */
  readonly withinMs: number;
};

/** What came back, and within what time: half of the answers, and 99 in 100. */
export type Driven = { readonly statuses: { readonly [status: number]: number }; readonly p50Ms: number; readonly p99Ms: number };

/** A process that sends. */
export type Load = {
  /** Sends the requests and counts the answers. @throws Error – not all came in time, or with another status than `expect` */
  readonly drive: (drive: Partial<Drive> & Pick<Drive, 'port' | 'requests'> & { readonly expect: number }) => Promise<Driven>;
  /** The same, with what it cost the server. */
  readonly measure: (server: Pick<Program<unknown>, 'cpuNs'>, drive: Parameters<Load['drive']>[0]) => Promise<Reading>;
  readonly stop: () => Promise<void>;
};

/** Starts the process. */
export async function startLoad(): Promise<Load> {
  const program = await start(new URL('./loadProgram.ts', import.meta.url), undefined);
  const drive: Load['drive'] = async ({ expect, ...rest }) => {
    const driven = (await program.ask({ connections: 64, withinMs: 120_000, ...rest } satisfies Drive)) as Driven;
    const { statuses } = driven;
    const others = Object.keys(statuses).filter((status) => Number(status) !== expect);
    if (others.length > 0) throw new Error(`Every answer should have been ${expect}: ${JSON.stringify(statuses)}`);
    return driven;
  };
  return {
    drive,
    measure: async (server, options) => {
      const before = await server.cpuNs();
      await drive(options);
      return { cpuNs: (await server.cpuNs()) - before, count: options.count ?? options.requests.length };
    },
    stop: program.stop,
  };
}

/** The bytes of a request without a body. */
export function getBytes(path: string, headers: Readonly<Record<string, string>>, method = 'GET'): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
