/**
 * One client's session over streamable HTTP. A request is answered with its one message as JSON where nothing else comes before it, and as a stream of events
 * where something does, or where it takes long: most calls cost one short answer.
 *
 * @see Model Context Protocol 2025-11-25, "Transports", "Streamable HTTP"
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, MessageExtraInfo, RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Clock } from '../../core/Clock.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import * as Messages from '../Messages.ts';

/** Messages in one body at most. */
const maxBatch = 100;

/** Without a word for so long, a stream says that it is there, so that no proxy ends it. */
const quietMs = 15_000;

/** What is wrong with a body; undefined: nothing. */
export function whyNoMessages(body: unknown): string | undefined {
  const messages = Array.isArray(body) ? body : [body];
  if (messages.length === 0 || messages.length > maxBatch) return `Between 1 and ${maxBatch} messages stand in a body.`;
  return messages.every(Messages.isMessage) ? undefined : 'This is no message of JSON-RPC 2.0.';
}

/** See the head of this file. */
export class HttpSession implements Transport {
  readonly sessionId: string;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void;
  readonly #clock: Clock;
  /** Where the answer to each request goes. */
  readonly #replies = new Map<RequestId, Reply>();
  #standalone: Reply | undefined;
  #isClosed = false;

  constructor(sessionId: string, clock: Clock) {
    this.sessionId = sessionId;
    this.#clock = clock;
  }

  async start(): Promise<void> {}

  /** Whether the client listens for what belongs to no request of its own. */
  get isListening(): boolean {
    return this.#standalone !== undefined;
  }

  /** Takes what a client has posted. @param body - read by `whyNoMessages` */
  post(request: IncomingMessage, response: ServerResponse, body: unknown): void {
    const messages = (Array.isArray(body) ? body : [body]) as readonly JSONRPCMessage[];
    const requests = messages.filter(Messages.isRequest).map(({ id }) => id);
    const authorization = linesOf(request.rawHeaders, 'authorization');
    const extra: MessageExtraInfo = {
      requestInfo: { headers: { ...request.headers, ...(authorization.length > 0 && { authorization: [...authorization] }) } },
    };
    if (requests.length === 0) response.writeHead(202).end();
    else {
      const reply = new Reply(response, this.sessionId, this.#clock, Array.isArray(body) ? 'events' : 'either');
      reply.expect(requests);
      for (const id of requests) this.#replies.set(id, reply);
      response.once('close', () => {
        for (const id of requests) if (this.#replies.get(id) === reply) this.#replies.delete(id);
      });
    }
    for (const message of messages) this.onmessage?.(message, extra);
  }

  /** Takes a client that listens; false: one does already. */
  listen(response: ServerResponse): boolean {
    if (this.#standalone) return false;
    const reply = new Reply(response, this.sessionId, this.#clock, 'events');
    reply.open();
    this.#standalone = reply;
    response.once('close', () => {
      this.#standalone = undefined;
    });
    return true;
  }

  /** To the client. @throws Error – nobody waits for this answer any more */
  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const isAnswer = Messages.isResponse(message);
    const id = isAnswer ? message.id : options?.relatedRequestId;
    if (id === undefined) return this.#standalone?.say(message);
    const reply = this.#replies.get(id);
    if (!reply) throw new Error('nobody waits for this any more');
    if (!isAnswer) return reply.say(message);
    this.#replies.delete(id);
    reply.answer(message, id);
  }

  /** Nothing will be sent for this request. */
  silence(id: RequestId): void {
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    reply?.settle(id);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const reply of new Set([...this.#replies.values(), ...(this.#standalone ? [this.#standalone] : [])])) reply.end();
    this.#replies.clear();
    this.onclose?.();
  }
}

/** One answer of HTTP. */
class Reply {
  readonly #response: ServerResponse;
  readonly #sessionId: string;
  readonly #clock: Clock;
  readonly #form: 'either' | 'events';
  readonly #expected = new Set<RequestId>();
  #isOpen = false;
  #stopWaiting = () => {};

  constructor(response: ServerResponse, sessionId: string, clock: Clock, form: 'either' | 'events') {
    this.#response = response;
    this.#sessionId = sessionId;
    this.#clock = clock;
    this.#form = form;
    response.once('close', () => this.#stopWaiting());
    this.#wait();
  }

  expect(ids: readonly RequestId[]): void {
    for (const id of ids) this.#expected.add(id);
  }

  /** Becomes a stream of events. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'mcp-session-id': this.#sessionId,
    });
    this.#response.flushHeaders();
  }

  say(message: JSONRPCMessage): void {
    this.open();
    this.#response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
    this.#wait();
  }

  answer(message: JSONRPCMessage, id: RequestId): void {
    if (this.#isOpen || this.#form === 'events') {
      this.say(message);
      return this.settle(id);
    }
    this.#isOpen = true;
    const text = JSON.stringify(message);
    this.#response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'mcp-session-id': this.#sessionId });
    this.#response.end(text);
  }

  settle(id: RequestId): void {
    this.#expected.delete(id);
    if (this.#expected.size === 0) this.end();
  }

  end(): void {
    this.open();
    this.#response.end();
  }

  #wait(): void {
    this.#stopWaiting();
    this.#stopWaiting = this.#clock.after(quietMs, () => {
      this.open();
      this.#response.write(': still here\n\n');
      this.#wait();
    });
  }
}
