/**
 * `farebox/client/grpc`: an interceptor of `@grpc/grpc-js` that buys: unary calls and streams in both directions.
 *
 * A call is asked for money by a status instead of an answer: code 13, `payment required`, and the challenge as metadata. It is then made again
 * with the same messages and the credential as `authorization`. To the engine that pays, an attempt at a call is a request like any other.
 *
 * @see docs/wire.md, "The challenge a server sends" (gRPC) and "The life of a claim"; docs/guide/buying.md, "In other clients"
 */
import * as grpc from '@grpc/grpc-js';
import { FareboxError } from '../core/Errors.ts';
import type { Client } from './Client.ts';
import { clientOf, type PayingClient } from './createClient.ts';
import { exchange } from './exchange.ts';
import * as Outgoing from './Outgoing.ts';

type Call = ReturnType<Parameters<grpc.Interceptor>[1]>;
type Listener = Parameters<Call['start']>[1] & object;

/**
 * Makes an interceptor that buys with the client's wallet, limits, journal and credentials. Messages of a call are kept until its first answer, up
 * to the client's `maxBodyBytes`. Our own errors end a call with `FAILED_PRECONDITION`, the message as its details and the code as the metadata
 * `farebox-error`.
 *
 * @param origin - where the channel leads, as a URL: credentials are kept for it, and over plain http for this machine alone
 * @throws TypeError – `paying` was not made by `createClient`
 * @example
 * const interceptor = createGrpcInterceptor(createClient({ payer, maxPerRequest: '60 sat' }), { origin: 'https://grpc.example.com' });
 * const translator = new Translator('grpc.example.com:443', grpc.credentials.createSsl(), { interceptors: [interceptor] });
 */
export function createGrpcInterceptor(paying: PayingClient, { origin }: { readonly origin: string }): grpc.Interceptor {
  const client = clientOf(paying);
  const place = new URL(origin).origin;
  return (options, nextCall) => new BoughtCall(client, place, options, () => nextCall(options)) as unknown as grpc.InterceptingCall;
}

/** One try at a call: what came of it is held back until it is known whether the caller sees it. */
type Attempt = {
  readonly inner: Call;
  readonly held: (() => void)[];
  isShown: boolean;
  /** Resolves when all that was given to it has been written: grpc-js takes one message at a time. */
  written: Promise<void>;
};

/** What grpc-js says of a message. */
type Context = { readonly callback?: (error?: Error | null) => void; readonly flags?: number };

/** Writes a message when those before it are written. */
function write(attempt: Attempt, message: unknown, { callback, flags }: Context = {}): void {
  attempt.written = attempt.written.then(
    () =>
      new Promise((resolve) => {
        const done = (error?: Error | null) => {
          resolve();
          callback?.(error);
        };
        attempt.inner.sendMessageWithContext({ callback: done, ...(flags !== undefined && { flags }) }, message);
      }),
  );
}

/** Ends what is asked when all of it is written. */
function close({ written, inner }: Attempt): void {
  void written.then(() => inner.halfClose());
}

/** A call as its caller sees it. */
class BoughtCall {
  readonly #client: Client;
  readonly #origin: string;
  readonly #options: grpc.InterceptorOptions;
  readonly #open: () => Call;
  readonly #stop = new AbortController();
  readonly #attempts = new WeakMap<Response, Attempt>();
  #metadata = new grpc.Metadata();
  #listener: Partial<Listener> = {};
  /** What was sent, to be sent again; undefined once it need not be, or cannot. */
  #sent: unknown[] | undefined = [];
  #sentBytes = 0;
  #isTooLong = false;
  #isHalfClosed = false;
  #isReading = false;
  #cancelled: { readonly code: grpc.status; readonly details: string } | undefined;
  #current: Attempt | undefined;

  constructor(client: Client, origin: string, options: grpc.InterceptorOptions, open: () => Call) {
    this.#client = client;
    this.#origin = origin;
    this.#options = options;
    this.#open = open;
  }

  start(metadata: grpc.Metadata, listener: Partial<Listener> = {}): void {
    this.#metadata = metadata;
    this.#listener = listener;
    if (this.#options.method_definition.requestStream) void this.#run(undefined);
  }

  sendMessage(message: unknown): void {
    this.sendMessageWithContext({}, message);
  }

  sendMessageWithContext(context: Context, message: unknown): void {
    if (!this.#sent) {
      if (this.#current) write(this.#current, message, context);
      return;
    }
    this.#sent.push(message);
    this.#sentBytes += this.#options.method_definition.requestSerialize(message).length;
    if (this.#current) write(this.#current, message);
    // It is kept: whoever wrote it may go on.
    context.callback?.();
    if (this.#sentBytes <= this.#client.maxBodyBytes) return;
    this.#isTooLong = true;
    this.#sent = undefined;
  }

  halfClose(): void {
    this.#isHalfClosed = true;
    if (this.#current) close(this.#current);
    if (this.#options.method_definition.requestStream) return;
    const [message] = this.#sent ?? [];
    void this.#run(message === undefined ? undefined : this.#options.method_definition.requestSerialize(message));
  }

  startRead(): void {
    this.#isReading = true;
    this.#current?.inner.startRead();
  }

  cancelWithStatus(code: grpc.status, details: string): void {
    this.#cancelled = { code, details };
    this.#stop.abort();
    this.#current?.inner.cancelWithStatus(code, details);
  }

  getPeer(): string {
    return this.#current?.inner.getPeer() ?? this.#origin;
  }

  getAuthContext(): unknown {
    return this.#current?.inner.getAuthContext() ?? null;
  }

  async #run(body: Uint8Array | undefined): Promise<void> {
    try {
      if (this.#isTooLong) throw Outgoing.tooLong(this.#client.maxBodyBytes);
      const [own] = this.#metadata.get('authorization');
      const outgoing = Outgoing.make({
        href: this.#origin + this.#options.method_definition.path,
        method: 'POST',
        headers: own === undefined ? {} : { authorization: String(own) },
        body: body && new Uint8Array(body),
        signal: this.#stop.signal,
      });
      const response = await exchange({ ...this.#client, fetch: (_, init) => this.#attempt(init) }, outgoing, this.#client.newCall());
      this.#show(this.#attempts.get(response));
    } catch (error) {
      const { code, details } = this.#cancelled ?? { code: grpc.status.FAILED_PRECONDITION, details: (error as Error).message };
      const metadata = new grpc.Metadata();
      if (FareboxError.is(error)) metadata.set('farebox-error', error.code);
      this.#listener.onReceiveStatus?.({ code, details, metadata });
    }
  }

  /** The caller sees this attempt from now on, with all that it has brought already. */
  #show(attempt: Attempt | undefined): void {
    if (!attempt) return;
    this.#sent = undefined;
    attempt.isShown = true;
    for (const happened of attempt.held.splice(0)) happened();
  }

  /** Makes the call once, with whatever has been sent by now. It has an answer when the first message or the status is here. */
  #attempt(init: RequestInit): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#stop.signal.throwIfAborted();
      this.#stop.signal.addEventListener('abort', () => reject(this.#stop.signal.reason), { once: true });
      const attempt: Attempt = { inner: this.#open(), held: [], isShown: false, written: Promise.resolve() };
      const happen = (what: () => void) => (attempt.isShown ? what() : void attempt.held.push(what));
      const answered = (response: Response) => {
        this.#attempts.set(response, attempt);
        if (response.status === 402 && this.#isTooLong) reject(Outgoing.tooLong(this.#client.maxBodyBytes));
        else resolve(response);
      };
      const metadata = this.#metadata.clone();
      const credential = new Headers(init.headers).get('authorization');
      if (credential !== null) metadata.set('authorization', credential);
      this.#current = attempt;
      attempt.inner.start(metadata, {
        onReceiveMetadata: (received) => happen(() => this.#listener.onReceiveMetadata?.(received)),
        onReceiveMessage: (message: unknown) => {
          happen(() => {
            this.#isReading = false;
            this.#listener.onReceiveMessage?.(message);
          });
          // Where one message was to come, none is told of as well: the status says what became of the call.
          if (message !== null && message !== undefined) answered(new Response());
        },
        onReceiveStatus: (status) => {
          happen(() => this.#listener.onReceiveStatus?.(status));
          answered(responseTo(status));
        },
      });
      for (const message of this.#sent ?? []) write(attempt, message);
      if (this.#isReading) attempt.inner.startRead();
      if (this.#isHalfClosed) close(attempt);
    });
  }
}

/** Statuses after which a use is given back. @see docs/wire.md, "The life of a claim" */
const released: readonly grpc.status[] = [grpc.status.DEADLINE_EXCEEDED, grpc.status.RESOURCE_EXHAUSTED, grpc.status.INTERNAL, grpc.status.UNAVAILABLE];

/** What a refusal of a gateway's would be over HTTP; it says its code as well. */
const refusals: { readonly [code: number]: number | undefined } = {
  [grpc.status.PERMISSION_DENIED]: 403,
  [grpc.status.RESOURCE_EXHAUSTED]: 429,
};

/** What of metadata says something about a payment. */
const ofPayment = ['www-authenticate', 'l402-payment', 'retry-after'];

/** What a status would be over HTTP, as far as paying is concerned. */
function responseTo({ code, details, metadata }: grpc.StatusObject): Response {
  const headers = new Headers();
  for (const name of ofPayment) for (const value of metadata.get(name)) headers.append(name, String(value));
  if (headers.has('WWW-Authenticate') && code === grpc.status.INTERNAL && details === 'payment required') return new Response(null, { status: 402, headers });
  if (headers.has('WWW-Authenticate') && code === grpc.status.UNAUTHENTICATED) return new Response(null, { status: 401, headers });
  // To be asked again in a moment, or not.
  const unavailable = headers.has('Retry-After') ? 503 : 502;
  if (metadata.get('farebox-error').length > 0) {
    return new Response(null, { status: code === grpc.status.UNAVAILABLE ? unavailable : (refusals[code] ?? 500), headers });
  }
  return new Response(null, { status: released.includes(code) ? 500 : 200, headers });
}
