/**
 * A server over streamable HTTP. Sessions, listening and coming back to a stream are the SDK's; what is asked of the server goes there directly, since a web
 * `fetch` with its streams, and a schema that the two sides hold messages against anyway, cost more than the rest of the way.
 *
 *     POST message → 200 application/json: message, or messages
 *                  → 200 text/event-stream: messages, the answer among them
 *
 * @see Model Context Protocol 2025-11-25, "Transports", "Streamable HTTP"
 */
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { type Dispatcher, request } from 'undici';
import * as Messages from '../Messages.ts';
import { createEventReader } from './EventReader.ts';

/** What is read of an answer that says no. */
const maxWhyBytes = 4096;

/** See the head of this file. */
export class ServerOverHttp extends StreamableHTTPClientTransport {
  readonly #url: URL;
  readonly #headers: { readonly [name: string]: string };
  readonly #maxBytes: number;
  readonly #left = new AbortController();

  /** @param maxBytes - of a message */
  constructor(url: URL, headers: { readonly [name: string]: string }, maxBytes: number) {
    super(url, { requestInit: { headers: { ...headers } } });
    this.#url = url;
    this.#headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    this.#maxBytes = maxBytes;
  }

  override async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    // With these a session begins, which is the SDK's to keep.
    if (!Messages.isRequest(message) || message.method === 'initialize')
      return super.send(message, options as Parameters<StreamableHTTPClientTransport['send']>[1]);
    const answer = await this.#post(message);
    const { statusCode, headers, body } = answer;
    // Nothing was done with it yet.
    if (statusCode >= 300 && statusCode < 400) {
      await body.dump();
      return super.send(message);
    }
    if (statusCode !== 200) throw new StreamableHTTPError(statusCode, `Error POSTing to endpoint: ${await beginningOf(body)}`);
    const type = String(headers['content-type'] ?? '')
      .split(';', 1)[0]
      ?.trim()
      .toLowerCase();
    if (type === 'application/json') return this.#readWhole(body);
    if (type === 'text/event-stream') return void this.#readEvents(body).catch((error: unknown) => this.onerror?.(error as Error));
    await body.dump();
    throw new StreamableHTTPError(-1, `Unexpected content type: ${type}`);
  }

  override async close(): Promise<void> {
    this.#left.abort();
    await super.close();
  }

  #post(message: JSONRPCMessage): Promise<Dispatcher.ResponseData> {
    const { sessionId, protocolVersion } = this;
    return request(this.#url, {
      method: 'POST',
      headers: {
        ...(sessionId !== undefined && { 'mcp-session-id': sessionId }),
        ...(protocolVersion !== undefined && { 'mcp-protocol-version': protocolVersion }),
        ...this.#headers,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify(message),
      signal: this.#left.signal,
      // A tool may take its time; how long, the gate says.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async #readWhole(body: Dispatcher.ResponseData['body']): Promise<void> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += (chunk as Buffer).length;
      if (size > this.#maxBytes) throw new Error(`a message is longer than ${this.#maxBytes} bytes`);
      chunks.push(chunk as Buffer);
    }
    const answered = parse(Buffer.concat(chunks).toString('utf8'));
    for (const message of Array.isArray(answered) ? answered : [answered]) this.#tell(message);
  }

  /** To the end of the stream; one that breaks before its answer is taken up again behind the last event that had a number. */
  async #readEvents(body: Dispatcher.ResponseData['body']): Promise<void> {
    let lastId: string | undefined;
    let isAnswered = false;
    const events = createEventReader(this.#maxBytes, ({ id, event, data }) => {
      if (id !== undefined) lastId = id;
      if (data === '' || (event !== undefined && event !== 'message')) return;
      const message = parse(data);
      isAnswered ||= Messages.isMessage(message) && Messages.isResponse(message);
      this.#tell(message);
    });
    try {
      for await (const chunk of body) events.take(chunk as Buffer);
    } catch (error) {
      if (this.#left.signal.aborted) return;
      if (isAnswered || lastId === undefined) throw error;
    }
    if (!isAnswered && lastId !== undefined && !this.#left.signal.aborted) await this.resumeStream(lastId);
  }

  #tell(message: unknown): void {
    if (Messages.isMessage(message)) this.onmessage?.(message);
    else this.onerror?.(new Error('the server sent what is no message of JSON-RPC 2.0'));
  }
}

async function beginningOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += (chunk as Buffer).toString('utf8');
    if (text.length >= maxWhyBytes) break;
  }
  return text.slice(0, maxWhyBytes);
}

/** Undefined: it is no JSON. Why is not told: it may hold what is nobody's business. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
