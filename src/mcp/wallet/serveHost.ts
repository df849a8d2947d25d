/**
 * What `farebox mcp serve` stands on: a wallet for hosts, over stdio and streamable HTTP.
 */
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Wallet } from './Wallet.ts';

export { type Asking, type AskSomebody, createAsking } from './Asking.ts';
export { type HttpWallet, listenForHosts } from './HttpWallet.ts';
export { createServerBehind, isServerName, type ServerBehind, type ServerEntry } from './ServerBehind.ts';
export { createWallet, type Wallet } from './Wallet.ts';

/** The two ends of a host. */
export type HostStreams = { readonly input: Readable; readonly output: Writable };

/** Serves the one host at the other end of these streams, until it leaves or the signal aborts. */
export async function serveHost(wallet: Pick<Wallet, 'openSession'>, { input, output }: HostStreams, signal: AbortSignal): Promise<void> {
  const session = wallet.openSession();
  const ended = Promise.withResolvers<void>();
  const close = () => void session.close().finally(ended.resolve);
  const told = session.onclose;
  session.onclose = () => {
    told?.();
    ended.resolve();
  };
  await session.connect(new StdioServerTransport(input, output));
  // A host that is done closes what it writes to; the transport does not look.
  input.once('end', close).once('close', close);
  output.once('error', close);
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  await ended.promise;
}
