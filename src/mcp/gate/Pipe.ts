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
  /** The client begins to listen for what belongs to no request of its own. */
  readonly listening: () => void;
  readonly close: () => Promise<void>;
};

/** Messages that are kept for a client that does not listen yet; the oldest goes. */
const maxHeld = 100;

/** Requests of one client that may be under way at once; more are refused. */
const maxOpen = 1000;

/**
 * Starts the server, then takes what the client says.
 * @throws Error – the server could not be started
 */
export async function openPipe(options: PipeOptions): Promise<Pipe> {
  const pipe = new Session(options);
  await pipe.start();
  return pipe;
}

class Session implements Pipe {
  readonly #options: PipeOptions;
  readonly #selling: SellingTransport;
  /** Requests that the server has not answered, with their method and the token of their progress. */
  readonly #open = new Map<RequestId, { readonly method: string; readonly progress: unknown }>();
  /** What came from the server before the client listened. */
  readonly #held: JSONRPCMessage[] = [];
  #ending: Promise<void> | undefined;

  constructor(options: PipeOptions) {
    this.#options = options;
    const { till, client, clientAddress, onSilence } = options;
    this.#selling = new SellingTransport(client, till, { clientAddress: () => clientAddress, onSilence });
  }

  async start(): Promise<void> {
    const { server, till } = this.#options;
    server.onmessage = (message) => this.#fromServer(message);
    server.onclose = () => void this.close();
    server.onerror = (error) => till.onTrouble('the server that is sold', error);
    this.#selling.onmessage = (message) => this.#fromClient(message);
    this.#selling.onclose = () => void this.close();
    this.#selling.onerror = (error) => till.onTrouble('a client', error);
    await server.start();
    await this.#selling.start();
  }

  left(ids: Iterable<RequestId>): void {
    this.#selling.left(ids);
  }

  listening(): void {
    for (const message of this.#held.splice(0)) void this.#selling.send(message).catch(() => {});
  }

  close(): Promise<void> {
    // Closing an end tells us that it is closed.
    this.#ending ??= Promise.resolve().then(() => this.#end());
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#options.onEnd();
    // Whoever waits is told, and what was paid is given back.
    for (const id of [...this.#open.keys()]) await this.#answerError(id, 'The server has ended.');
    await Promise.allSettled([this.#selling.close(), closeServer(this.#options.server)]);
  }

  #fromServer(message: JSONRPCMessage): void {
    if (this.#ending) return;
    if (Messages.isResponse(message)) {
      if (this.#open.get(message.id)?.method === 'initialize') agreeOnVersion(this.#options.server, message);
      this.#open.delete(message.id);
      return void this.#selling.send(message).catch(() => {});
    }
    const isListening = this.#options.isListening?.() ?? true;
    const relatedRequestId = relatedTo(message, this.#open, isListening);
    if (relatedRequestId === undefined && !isListening) return this.#hold(message);
    return void this.#selling.send(message, relatedRequestId === undefined ? undefined : { relatedRequestId }).catch(() => {});
  }

  #fromClient(message: JSONRPCMessage): void {
    if (Messages.isRequest(message)) {
      if (this.#open.size >= maxOpen) return void this.#answerError(message.id, `More than ${maxOpen} requests are under way.`);
      const { progressToken: progress } = (message.params?._meta ?? {}) as { readonly progressToken?: unknown };
      this.#open.set(message.id, { method: message.method, progress });
    }
    const cancelled = Messages.cancelledId(message);
    if (cancelled !== undefined) this.#open.delete(cancelled);
    this.#options.server.send(message).catch((error: unknown) => {
      this.#options.till.onTrouble('the server that is sold', error);
      if (Messages.isRequest(message)) void this.#answerError(message.id, 'The server could not be asked.');
      // It has forgotten this session: the client has to begin a new one.
      if ((error as { readonly code?: unknown }).code === 404) void this.close();
    });
  }

  #answerError(id: RequestId, message: string): Promise<void> {
    this.#open.delete(id);
    const error = { code: Messages.errorCodes.closed, message };
    return this.#selling.send({ jsonrpc: '2.0', id, error } as JSONRPCMessage).catch(() => {});
  }

  #hold(message: JSONRPCMessage): void {
    this.#held.push(message);
    if (this.#held.length > maxHeld) this.#held.shift();
  }
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
