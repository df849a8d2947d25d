/**
 * One client's session, between its transport and a server of its own: messages pass one by one, and nothing is declared anew, so that resources, prompts,
 * completions, logging, sampling, elicitation and what is still to be invented pass as they are. What is sold, the `SellingTransport` in front sees to.
 */
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import * as Messages from '../Messages.ts';
import { SellingTransport } from '../SellingTransport.ts';
import type { Till } from '../Till.ts';

/** What a session is made from. */
export type PipeOptions = {
  readonly till: Till;
  /** Towards the client. */
  readonly client: Transport;
  /** Towards the server; not started yet. */
  readonly server: Transport;
  /** '' where there is one client. */
  readonly clientAddress: string;
  /** Whether the client listens for what belongs to no request of its own; default: it does. */
  readonly isListening?: () => boolean;
  /** A call was taken back: nothing will be sent for it. */
  readonly onSilence?: (id: RequestId) => void;
  /** Both ends are closed, or will be. */
  readonly onEnd: () => void;
};

/** A session under way. */
export type Pipe = {
  /** The client of these requests is not there any more. */
  readonly left: (ids: Iterable<RequestId>) => void;
  readonly close: () => Promise<void>;
};

/** Requests of one client that may be under way at once; more are refused. */
const maxOpen = 1000;

/**
 * Starts the server, then takes what the client says.
 * @throws Error – the server could not be started
 */
export async function openPipe(options: PipeOptions): Promise<Pipe> {
  const { till, client, server, clientAddress, onSilence } = options;
  const selling = new SellingTransport(client, till, { clientAddress: () => clientAddress, onSilence });
  /** Requests that the server has not answered, with their method and the token of their progress. */
  const open = new Map<RequestId, { readonly method: string; readonly progress: unknown }>();
  let ending: Promise<void> | undefined;
  const end = () => {
    // Closing an end tells us that it is closed.
    ending ??= Promise.resolve().then(endAll);
    return ending;
  };
  const endAll = async () => {
    options.onEnd();
    // Whoever waits is told, and what was paid is given back.
    for (const id of [...open.keys()]) await answerError(id, 'The server has ended.');
    await Promise.allSettled([selling.close(), closeServer(server)]);
  };
  const answerError = (id: RequestId, message: string) => {
    open.delete(id);
    const error = { code: Messages.errorCodes.closed, message };
    return selling.send({ jsonrpc: '2.0', id, error } as JSONRPCMessage).catch(() => {});
  };
  server.onmessage = (message) => {
    if (ending) return;
    if (Messages.isResponse(message)) {
      if (open.get(message.id)?.method === 'initialize') agreeOnVersion(server, message);
      open.delete(message.id);
      return void selling.send(message).catch(() => {});
    }
    const relatedRequestId = relatedTo(message, open, options.isListening?.() ?? true);
    return void selling.send(message, relatedRequestId === undefined ? undefined : { relatedRequestId }).catch(() => {});
  };
  server.onclose = () => void end();
  server.onerror = (error) => till.onTrouble('the server that is sold', error);
  selling.onclose = () => void end();
  selling.onerror = (error) => till.onTrouble('a client', error);
  selling.onmessage = (message) => {
    if (Messages.isRequest(message)) {
      if (open.size >= maxOpen) return void answerError(message.id, `More than ${maxOpen} requests are under way.`);
      open.set(message.id, { method: message.method, progress: (message.params?._meta as { readonly progressToken?: unknown } | undefined)?.progressToken });
    }
    const cancelled = Messages.cancelledId(message);
    if (cancelled !== undefined) open.delete(cancelled);
    server.send(message).catch((error: unknown) => {
      till.onTrouble('the server that is sold', error);
      if (Messages.isRequest(message)) void answerError(message.id, 'The server could not be asked.');
      // It has forgotten this session: the client has to begin a new one.
      if ((error as { readonly code?: unknown }).code === 404) void end();
    });
  };
  await server.start();
  await selling.start();
  return { left: (ids) => selling.left(ids), close: end };
}

/** Both sides speak the version that the server chose; over HTTP every request names it. */
function agreeOnVersion(server: Transport, { result }: Messages.Response): void {
  const { protocolVersion } = (result ?? {}) as { readonly protocolVersion?: unknown };
  if (typeof protocolVersion === 'string') server.setProtocolVersion?.(protocolVersion);
}

/**
 * Which request a message of the server's goes with, so that it takes the same way back. Progress says it; all else is only known to come while something is
 * asked, and takes the last request's way where the client listens nowhere else.
 */
function relatedTo(message: JSONRPCMessage, open: ReadonlyMap<RequestId, { readonly progress: unknown }>, isListening: boolean): RequestId | undefined {
  if ('method' in message && message.method === 'notifications/progress') {
    const { progressToken } = (message.params ?? {}) as { readonly progressToken?: unknown };
    for (const [id, { progress }] of open) if (progress !== undefined && progress === progressToken) return id;
  }
  return isListening ? undefined : [...open.keys()].at(-1);
}

/** A session over HTTP is given up, so that its server need not wait until it is stale. */
async function closeServer(server: Transport): Promise<void> {
  const { terminateSession } = server as { readonly terminateSession?: () => Promise<void> };
  if (terminateSession) await terminateSession.call(server).catch(() => {});
  await server.close();
}
