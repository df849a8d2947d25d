/**
 * A paywall in front of an MCP server that knows nothing of payments, over stdio or streamable HTTP on either side.
 *
 *     client ⇄ stdio or HTTP ⇄ gate ⇄ stdio or HTTP ⇄ server
 */
import type { Readable, Writable } from 'node:stream';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Till } from '../Till.ts';
import { LineTransport } from './LineTransport.ts';
import { openPipe } from './Pipe.ts';
import { ProgramTransport } from './ProgramTransport.ts';
import { ServerOverHttp } from './ServerOverHttp.ts';

export { type HttpFront, type HttpFrontOptions, listen } from './HttpFront.ts';

/** The server that is sold. */
export type ServerChoice =
  /** Started for each session, with these variables and those that every program needs (`PATH`, `HOME`, …), and no others. */
  | { readonly kind: 'command'; readonly command: string; readonly args: readonly string[]; readonly env: { readonly [name: string]: string } }
  /** `headers` are sent with every request; those of the client are not. */
  | { readonly kind: 'url'; readonly url: URL; readonly headers: { readonly [name: string]: string } };

/** A transport to a new session of a server. `messageBytes`: the most that is read of one message. */
export function openServer(choice: ServerChoice, messageBytes: number): Transport {
  if (choice.kind === 'url') return new ServerOverHttp(choice.url, choice.headers, messageBytes) as Transport;
  if (process.platform !== 'win32') return new ProgramTransport(choice, messageBytes);
  // There many a command is a script, which the SDK knows how to start.
  const { command, args, env } = choice;
  return new StdioClientTransport({ command, args: [...args], env: { ...env }, stderr: 'inherit', maxBufferSize: messageBytes });
}

/** What a gate over stdio stands on. */
export type StdioGateOptions = {
  readonly till: Till;
  readonly server: Transport;
  readonly input: Readable;
  readonly output: Writable;
  /** Most bytes of a message. */
  readonly messageBytes: number;
  /** Ends it. */
  readonly signal: AbortSignal;
};

/**
 * Serves the one client at the other end of standard input and output, until it leaves, the server ends, or the signal aborts.
 * @throws Error – the server could not be started
 */
export async function serveStdio({ till, server, input, output, messageBytes, signal }: StdioGateOptions): Promise<void> {
  const client = new LineTransport(input, output, messageBytes);
  const ended = Promise.withResolvers<void>();
  const pipe = await openPipe({ till, client, server, clientAddress: '', onEnd: ended.resolve });
  const close = () => void pipe.close();
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  await ended.promise;
  await pipe.close();
}
