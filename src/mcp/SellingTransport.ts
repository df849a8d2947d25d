/**
 * A transport that sells: it stands between a client's connection and a server, looks at the messages that pass, and lets calls of paid tools through when
 * they are paid. Everything else goes by untouched, both ways.
 *
 *     client ⇄ transport ⇄ SellingTransport ⇄ server
 *
 * A call that is sold goes on under a number of our own, so that no number which a client uses twice mistakes one answer for another; the same number
 * names it to the server, for as long as it runs.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, MessageExtraInfo, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { toHex } from '../core/internal/bytes.ts';
import type { Principal } from '../server/Offer.ts';
import * as Messages from './Messages.ts';
import { RunningCall } from './RunningCall.ts';
import type { Ruling, Till } from './Till.ts';
import * as ToolAnswers from './ToolAnswers.ts';
import { createToolList, type ToolList } from './ToolList.ts';
import type { ToolOffer } from './ToolOffers.ts';
import type { JsonObject } from './ToolPayment.ts';

/** What a selling transport may be told. */
export type SellingOptions = {
  /** The address of whoever sent a message; '' where there is one client. */
  readonly clientAddress?: ((extra: MessageExtraInfo | undefined) => string) | undefined;
  /** A call was taken back, and nothing will be said of it any more. */
  readonly onSilence?: ((id: RequestId) => void) | undefined;
};

const paying = new Map<string, Principal>();

/** Who paid for a call: handed the `extra` of its handler. Undefined where nobody did, or the call is over. */
export function principalOf(extra: { readonly requestId: RequestId }): Principal | undefined {
  return paying.get(String(extra.requestId));
}

/** See the head of this file. */
export class SellingTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void;
  readonly #inner: Transport;
  readonly #till: Till;
  readonly #options: SellingOptions;
  readonly #prefix = `farebox-${toHex(systemRandom(12))}-`;
  #count = 0;
  /** Calls that are sold, by the number that the server knows. */
  readonly #running = new Map<RequestId, RunningCall>();
  /** The same, by the client's number: the last one, where it uses one twice. */
  readonly #byClient = new Map<RequestId, RunningCall>();
  /** Lists that the client asked for. */
  readonly #lists = new Set<RequestId>();
  /** What we have asked the server ourselves. */
  readonly #asked = new Map<RequestId, (response: Messages.Response) => void>();
  readonly #tools: ToolList;

  constructor(inner: Transport, till: Till, options: SellingOptions = {}) {
    this.#inner = inner;
    this.#till = till;
    this.#options = options;
    this.#tools = createToolList((params) => this.#ask('tools/list', params), till.clock);
    if (inner.onclose) this.onclose = inner.onclose;
    if (inner.onerror) this.onerror = inner.onerror;
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  setProtocolVersion(version: string): void {
    this.#inner.setProtocolVersion?.(version);
  }

  start(): Promise<void> {
    this.#inner.onmessage = (message, extra) => this.#fromClient(message, extra);
    this.#inner.onerror = (error) => this.onerror?.(error);
    this.#inner.onclose = () => {
      this.#endAll('client-left');
      this.onclose?.();
    };
    return this.#inner.start();
  }

  /** The server is done: calls under way are given back. */
  async close(): Promise<void> {
    this.#endAll('upstream');
    await this.#inner.close();
  }

  /** From the server to the client. */
  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (Messages.isResponse(message)) {
      const asked = this.#asked.get(message.id);
      if (asked) return asked(message);
      const running = this.#running.get(message.id);
      if (running) return this.#settle(running, message);
      // Of a call that is over: its client has had an answer, or wants none.
      if (this.#isOurs(message.id)) return;
      if (this.#lists.delete(message.id)) return this.#inner.send(this.#advertise(message), options);
      return this.#inner.send(message, options);
    }
    if ('method' in message && message.method === 'notifications/tools/list_changed') this.#tools.forget();
    const related = options?.relatedRequestId;
    if (related === undefined || !this.#isOurs(related)) return this.#inner.send(message, options);
    // Of a number of ours, the client knows its own, or nothing.
    return this.#inner.send(message, { ...options, relatedRequestId: this.#running.get(related)?.clientId });
  }

  /** The client of these calls is not there any more, and may come back for what it paid for. */
  left(ids: Iterable<RequestId>): void {
    for (const id of ids) this.#byClient.get(id)?.leave(() => this.#drop(this.#byClient.get(id), 'the client left'));
  }

  /** Calls under way that are sold. */
  get runningCount(): number {
    return this.#running.size;
  }

  #isOurs(id: RequestId): boolean {
    return typeof id === 'string' && id.startsWith(this.#prefix);
  }

  #fromClient(message: JSONRPCMessage, extra: MessageExtraInfo | undefined): void {
    const cancelled = Messages.cancelledId(message);
    const taken = cancelled === undefined ? undefined : this.#byClient.get(cancelled);
    if (taken) return this.#drop(taken, 'the client took it back');
    if (Messages.isDoubtfulCall(message)) return this.#turnAway(message);
    if (Messages.isRequest(message)) {
      if (message.method === 'tools/list') this.#lists.add(message.id);
      const name = Messages.toolOf(message);
      const tool = name === undefined ? undefined : this.#till.offerOf(name);
      if (tool) return void this.#sell(message, tool, extra).catch((error: unknown) => this.#till.onTrouble('a call of a tool', error));
    }
    this.onmessage?.(message, extra);
  }

  /** Without a number there is nobody to be told. */
  #turnAway(message: JSONRPCMessage): void {
    if (!Messages.isRequest(message)) return;
    const error = { code: Messages.errorCodes.invalidParams, message: 'A tool is called by its name, as text.' };
    void this.#inner.send({ jsonrpc: '2.0', id: message.id, error }).catch((failed: unknown) => this.#till.onTrouble('a call of a tool', failed));
  }

  async #sell(request: Messages.Request, tool: ToolOffer, extra: MessageExtraInfo | undefined): Promise<void> {
    const running = new RunningCall(request.id, this.#till);
    this.#byClient.set(request.id, running);
    const manner = { isStructured: true, takesArgument: this.#till.takesArgument };
    try {
      const call = Messages.readCall(request, extra, this.#till.takesArgument);
      if (call.isTask) throw new FareboxError('REQUEST_UNSUPPORTED', 'A tool that is sold is not called as a task. Call it without "task".');
      const listed = await this.#find(tool);
      if (listed === 'unknown') return await this.#refuse(running, { code: Messages.errorCodes.invalidParams, message: `Unknown tool: ${tool.name}` });
      const said = { ...manner, isStructured: listed?.outputSchema === undefined };
      const clientAddress = this.#options.clientAddress?.(extra) ?? '';
      const ruling = await this.#till.decide(tool, { ...call, clientAddress }, said);
      if (ruling.kind === 'go') return this.#letThrough(running, request, call.params, ruling, said, extra);
      if (ruling.kind === 'repeat') running.follow(ruling.sale);
      await this.#answer(running, ruling.result);
    } catch (error) {
      if (!FareboxError.is(error)) this.#till.onTrouble('a call of a tool', error);
      await this.#answer(running, ToolAnswers.failure(FareboxError.is(error) ? error : notServed(error), manner));
    }
  }

  /** A tool as it is listed; one that is named need not be. */
  async #find(tool: ToolOffer): Promise<JsonObject | 'unknown' | undefined> {
    try {
      const listed = this.#tools.find(tool.name);
      return (listed instanceof Promise ? await listed : listed) ?? (tool.isNamed ? undefined : 'unknown');
    } catch (error) {
      if (tool.isNamed) return undefined;
      throw error;
    }
  }

  #letThrough(
    running: RunningCall,
    request: Messages.Request,
    params: JsonObject,
    ruling: Ruling & { readonly kind: 'go' },
    manner: ToolAnswers.Manner,
    extra: MessageExtraInfo | undefined,
  ): void {
    const { principal, sale, headers } = ruling;
    running.go({ principal, headers, manner });
    if (sale) running.follow(sale);
    // Taken back, or closed, while it was decided.
    if (running.isOver) return void running.givenBack('client-left');
    const id = `${this.#prefix}${++this.#count}`;
    running.serverId = id;
    this.#running.set(id, running);
    if (principal) paying.set(id, principal);
    running.within(this.#till.timeoutMs, () => this.#timeOut(running));
    const named = sale && { ...params, _meta: { ...(params._meta as JsonObject | undefined), [Messages.idempotencyKey]: sale.idempotencyKey } };
    const clean = { ...request, id, params: named ?? params } as JSONRPCMessage;
    this.onmessage?.(clean, Messages.withoutCredential(extra));
  }

  async #settle(running: RunningCall, response: Messages.Response): Promise<void> {
    this.#forget(running);
    const settled = await running.settle(response);
    await this.#send(running, settled);
  }

  #timeOut(running: RunningCall): void {
    const { serverId } = running;
    this.#forget(running);
    if (serverId !== undefined) this.onmessage?.(Messages.cancellation(serverId, 'It took too long.'));
    const late = new FareboxError('UPSTREAM_TIMEOUT', 'The tool did not answer in time. Nothing was charged.');
    void running
      .givenBack('upstream')
      .then(() => this.#answer(running, ToolAnswers.failure(late, running.manner)))
      .catch((error: unknown) => this.#till.onTrouble('a call of a tool', error));
  }

  /** Nobody waits for this call any more: the server is told, and what it answers all the same goes nowhere. */
  #drop(running: RunningCall | undefined, reason: string): void {
    if (!running) return;
    const { serverId } = running;
    running.isOver = true;
    this.#forget(running);
    if (serverId !== undefined) this.onmessage?.(Messages.cancellation(serverId, reason));
    void running.givenBack('client-left').catch((error: unknown) => this.#till.onTrouble('a call that was taken back', error));
    this.#options.onSilence?.(running.clientId);
  }

  #endAll(why: 'client-left' | 'upstream'): void {
    for (const running of new Set([...this.#byClient.values(), ...this.#running.values()])) {
      running.isOver = true;
      this.#forget(running);
      void running.givenBack(why).catch((error: unknown) => this.#till.onTrouble('a call whose connection ended', error));
    }
    for (const [id, asked] of this.#asked) asked({ jsonrpc: '2.0', id, error: { code: Messages.errorCodes.closed, message: 'closed' } });
  }

  #forget(running: RunningCall): void {
    running.stopWaiting();
    if (this.#byClient.get(running.clientId) === running) this.#byClient.delete(running.clientId);
    if (running.serverId === undefined) return;
    this.#running.delete(running.serverId);
    paying.delete(String(running.serverId));
  }

  #answer(running: RunningCall, result: ToolAnswers.ToolResult): Promise<void> {
    this.#forget(running);
    return running.isOver ? running.undelivered() : this.#send(running, { result });
  }

  #refuse(running: RunningCall, error: NonNullable<Messages.Response['error']>): Promise<void> {
    this.#forget(running);
    return running.isOver ? Promise.resolve() : this.#send(running, { error });
  }

  /** What was sent is delivered; what could not be may be asked for again. */
  async #send(running: RunningCall, answer: Pick<Messages.Response, 'result' | 'error'>): Promise<void> {
    try {
      await this.#inner.send({ jsonrpc: '2.0', id: running.clientId, ...answer } as JSONRPCMessage);
    } catch {
      return running.undelivered();
    }
    await running.delivered();
  }

  #ask(method: string, params: JsonObject): Promise<Messages.Response> {
    const id = `${this.#prefix}${++this.#count}`;
    return new Promise((resolve) => {
      this.#asked.set(id, (response) => {
        this.#asked.delete(id);
        resolve(response);
      });
      this.onmessage?.({ jsonrpc: '2.0', id, method, params } as JSONRPCMessage);
    });
  }

  #advertise(message: JSONRPCMessage & Messages.Response): JSONRPCMessage {
    const tools = message.result?.tools;
    if (!Array.isArray(tools)) return message;
    const priced = (tools as readonly JsonObject[]).map((listed) => {
      const tool = typeof listed.name === 'string' ? this.#till.offerOf(listed.name) : undefined;
      return tool ? ToolAnswers.advertised(listed, tool, this.#till.takesArgument) : listed;
    });
    return { ...message, result: { ...message.result, tools: priced } } as JSONRPCMessage;
  }
}

function notServed(cause: unknown): FareboxError {
  return new FareboxError('UPSTREAM_UNREACHABLE', 'This call could not be served. Nothing was charged.', { cause });
}
