/**
 * Requests as they go out: a head in one piece of text, and a body at the pace of whoever takes it. A small body that is there in time goes
 * out with its head, in one write.
 *
 * @see RFC 9112, sections 3, 6 and 7.1
 */
import type { Socket } from 'node:net';
import type { RequestBody } from '../RequestBody.ts';
import type { OnwardRequest } from '../Upstream.ts';

/**
 * The head of a request.
 * @throws TypeError – something in it would end a line, or is more than a byte
 */
export function formatHead({ method, path, headers, body, isUpgrade = false }: OnwardRequest, host: string): string {
  assertTarget(method, path);
  let isHosted = false;
  let isFramed = false;
  let lines = '';
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    assertField(name, value);
    if (name.length === 4 && name.toLowerCase() === 'host') isHosted = true;
    else if (name.length === 14 && name.toLowerCase() === 'content-length') isFramed = true;
    lines += `${name}: ${value}\r\n`;
  }
  const framing = isFramed ? '' : body !== null ? 'Transfer-Encoding: chunked\r\n' : expectsBody.test(method) ? 'Content-Length: 0\r\n' : '';
  const connection = isUpgrade ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : 'Connection: keep-alive\r\n';
  return `${method} ${path} HTTP/1.1\r\n${isHosted ? '' : `Host: ${host}\r\n`}${connection}${lines}${framing}\r\n`;
}

/** @throws TypeError – what a request asks for would end its line, or is more than a byte a character */
export function assertTarget(method: string, path: string): void {
  if (!isMethod.test(method)) throw new TypeError('the method is no token');
  if (path === '' || notInPath.test(path)) throw new TypeError('the path would end the line that it stands in');
}

/** @throws TypeError – a header would end its line, or is more than a byte a character */
export function assertField(name: string, value: string): void {
  if (!isName(name) || notInValue.test(value)) throw new TypeError('a header would end the line that it stands in');
}

/** What becomes of a body. */
export type BodyTarget = {
  /** It will never be whole: the client left, or sent too much of it. */
  readonly onBodyFailed: (error: Error) => void;
};

/** A body on its way to a connection, behind its head. */
export class BodyWriter {
  readonly #socket: Socket;
  readonly #body: RequestBody;
  readonly #target: BodyTarget;
  /** Bytes still to come; undefined where they go out in chunks. */
  #left: number | undefined;
  /** The head, until something has been written. */
  #head: string;
  #isWhole = false;
  #isBegun = false;
  #isStopped = false;

  constructor(socket: Socket, request: OnwardRequest, body: RequestBody, head: string, target: BodyTarget) {
    this.#socket = socket;
    this.#body = body;
    this.#target = target;
    this.#head = head;
    this.#left = declaredLength(request.headers);
  }

  /** Whether the upstream has been given all of it. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Whether anything of it has been taken: then it cannot be sent again. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Sends head and body. The head does not wait for a body that is not there yet. */
  start(): void {
    // It was stopped where another connection was to take it, and took nothing of it.
    const wasStopped = this.#body.isPaused();
    this.#body.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose);
    if (wasStopped) this.#body.resume();
    setImmediate(() => {
      if (!this.#isStopped) this.#flushHead();
    });
  }

  /** Takes no more of it. */
  stop(): void {
    this.#isStopped = true;
    this.#body.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose);
    this.#body.pause();
  }

  /** The connection takes bytes again. */
  onDrain(): void {
    if (!this.#isStopped && !this.#isWhole) this.#body.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#isBegun = true;
    if (this.#left !== undefined) {
      this.#left -= chunk.length;
      // Never to happen, for our own server counts as well; a byte too many would be the beginning of another request.
      if (this.#left < 0) return this.#onError(new Error('a body longer than it was said to be'));
    }
    if (!this.#write(chunk)) this.#body.pause();
  };

  #write(chunk: Buffer): boolean {
    const before = this.#left === undefined ? `${this.#head}${chunk.length.toString(16)}\r\n` : this.#head;
    const behind = this.#left === undefined ? '\r\n' : '';
    this.#head = '';
    if (chunk.length <= joinedBytes) return this.#socket.write(before + chunk.toString('latin1') + behind, 'latin1');
    this.#socket.cork();
    if (before !== '') this.#socket.write(before, 'latin1');
    let isOpen = this.#socket.write(chunk);
    if (behind !== '') isOpen = this.#socket.write(behind, 'latin1');
    this.#socket.uncork();
    return isOpen;
  }

  readonly #onEnd = (): void => {
    if (this.#left !== undefined && this.#left > 0) return this.#onError(new Error('a body shorter than it was said to be'));
    this.#isWhole = true;
    const last = this.#left === undefined ? '0\r\n\r\n' : '';
    if (this.#head !== '' || last !== '') this.#socket.write(this.#head + last, 'latin1');
    this.#head = '';
    this.stop();
  };

  readonly #onError = (error: Error): void => {
    this.stop();
    this.#target.onBodyFailed(error);
  };

  readonly #onClose = (): void => this.#onError(new Error('the body ended before it was whole'));

  #flushHead(): void {
    if (this.#head !== '') this.#socket.write(this.#head, 'latin1');
    this.#head = '';
  }
}

function declaredLength(headers: readonly string[]): number | undefined {
  for (let index = 0; index < headers.length; index += 2) if (headers[index]?.toLowerCase() === 'content-length') return Number(headers[index + 1]);
  return undefined;
}

/** Names that have been looked at: there are few, and they come again and again. */
const names = new Set<string>();
const knownNames = 512;

function isName(name: string): boolean {
  if (names.has(name)) return true;
  if (name === '' || notInName.test(name)) return false;
  if (names.size < knownNames) names.add(name);
  return true;
}

const isMethod = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const notInPath = /[^\x21-\x7e\x80-\xff]/;
const notInName = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const notInValue = /[^\t\x20-\x7e\x80-\xff]/;
/** Without a length some servers would wait for a body, or for the end of the connection. */
const expectsBody = /^(?:POST|PUT|PATCH)$/;

/** Up to here, text that is joined and written at once beats a list of buffers. */
const joinedBytes = 16_384;
