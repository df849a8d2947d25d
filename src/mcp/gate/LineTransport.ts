/**
 * Messages over two streams, a line of JSON each: the stdio of a program, seen from inside it. Unlike the SDK's, it ends when its other side does, and holds no
 * message against a schema that the two sides hold it against anyway.
 *
 * @see Model Context Protocol 2025-11-25, "Transports", "stdio"
 */
import type { Readable, Writable } from 'node:stream';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import * as Messages from '../Messages.ts';

/** See the head of this file. */
export class LineTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T) => void;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #maxBytes: number;
  /** What has come of a line that has not ended. */
  #pieces: Buffer[] = [];
  #size = 0;
  #isClosed = false;

  /** @param maxBytes - of a line; a longer one ends the connection, and so do four times as many that the other side does not take */
  constructor(input: Readable, output: Writable, maxBytes: number) {
    this.#input = input;
    this.#output = output;
    this.#maxBytes = maxBytes;
  }

  async start(): Promise<void> {
    const close = () => void this.close();
    this.#input.on('data', this.#take).once('end', close).once('close', close).once('error', close);
    this.#output.once('error', close);
  }

  /** Resolves when there is room for more. */
  send(message: JSONRPCMessage): Promise<void> {
    if (this.#isClosed || this.#output.destroyed) return Promise.reject(new Error('the other side has ended'));
    if (this.#output.writableLength > 4 * this.#maxBytes) {
      void this.close();
      return Promise.reject(new Error('the other side does not take what it is sent'));
    }
    if (this.#output.write(`${JSON.stringify(message)}\n`)) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        this.#output.off('drain', go).off('close', go);
        resolve();
      };
      this.#output.once('drain', go).once('close', go);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input.off('data', this.#take).pause();
    this.#pieces = [];
    this.onclose?.();
  }

  readonly #take = (chunk: Buffer): void => {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0 && !this.#isClosed; end = chunk.indexOf(10, from)) {
      const line = this.#endLine(chunk, from, end).trim();
      from = end + 1;
      if (line !== '') this.#read(line);
    }
    if (this.#isClosed || from === chunk.length) return;
    this.#pieces.push(chunk.subarray(from));
    this.#size += chunk.length - from;
    if (this.#size <= this.#maxBytes) return;
    this.onerror?.(new Error(`a message is longer than ${this.#maxBytes} bytes`));
    void this.close();
  };

  /** Most lines come in one piece, which is read where it lies. */
  #endLine(chunk: Buffer, from: number, end: number): string {
    if (this.#pieces.length === 0) return chunk.toString('utf8', from, end);
    const line = Buffer.concat([...this.#pieces, chunk.subarray(from, end)]).toString('utf8');
    this.#pieces = [];
    this.#size = 0;
    return line;
  }

  #read(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      // Not repeated: it may hold a credential.
      return this.onerror?.(new Error('a line is no JSON'));
    }
    if (Messages.isMessage(message)) this.onmessage?.(message);
    else this.onerror?.(new Error('a line is no message of JSON-RPC 2.0'));
  }
}
