/**
 * Between a handler of undici's and the requests that are made for it: the handler sees one request with one answer, whichever of them that is.
 */
import type { Dispatcher } from 'undici';
import { fromHeaders, responseOf, type Sink } from './dispatching.ts';

type Controller = Dispatcher.DispatchController;
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** Takes an answer out of the caller's sight: true where it was taken. */
type Take = (status: number) => ((response: Response) => void) | undefined;

/** Handles the first request, and is the caller's controller of all. A class: one is made for every request. */
export class Relay implements Dispatcher.DispatchHandler, Dispatcher.DispatchController {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #take: Take;
  #current: Controller | undefined;
  #sink: Sink | undefined;
  #hasStarted = false;
  #stopping: AbortController | undefined;
  #goOn: (() => void) | undefined;
  aborted = false;
  paused = false;
  reason: Error | null = null;

  constructor(handler: Dispatcher.DispatchHandler, take: Take) {
    this.#handler = handler;
    this.#take = take;
  }

  /** Aborts when the caller does. */
  get signal(): AbortSignal {
    this.#stopping ??= new AbortController();
    if (this.aborted) this.#stopping.abort(this.reason);
    return this.#stopping.signal;
  }

  get rawHeaders(): NonNullable<Controller['rawHeaders']> | null {
    return this.#current?.rawHeaders ?? null;
  }

  get rawTrailers(): NonNullable<Controller['rawTrailers']> | null {
    return this.#current?.rawTrailers ?? null;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#stopping?.abort(reason);
    this.#current?.abort(reason);
    this.#goOn?.();
  }

  pause(): void {
    this.paused = true;
    this.#current?.pause();
  }

  resume(): void {
    this.paused = false;
    this.#current?.resume();
    this.#goOn?.();
  }

  /** Another request is made for the caller. */
  use(controller: Controller, context: unknown): void {
    this.#current = controller;
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#handler.onRequestStart?.(this, context);
  }

  onRequestStart(controller: Controller, context: unknown): void {
    this.use(controller, context);
    if (this.aborted) controller.abort(this.reason ?? new Error('aborted'));
  }

  onResponseStart(controller: Controller, status: number, headers: Headers, statusMessage?: string): void {
    const taken = status < 200 ? undefined : this.#take(status);
    if (!taken) return this.#handler.onResponseStart?.(this, status, headers, statusMessage);
    const { response, sink } = responseOf(controller, status, headers, statusMessage);
    this.#sink = sink;
    taken(response);
  }

  onResponseData(_: Controller, chunk: Buffer): void {
    if (this.#sink) this.#sink.push(chunk);
    else this.#handler.onResponseData?.(this, chunk);
  }

  onResponseEnd(_: Controller, trailers: Headers): void {
    if (this.#sink) this.#sink.end();
    else this.#handler.onResponseEnd?.(this, trailers);
  }

  onResponseError(_: Controller, error: Error): void {
    if (this.#sink) this.#sink.fail(error);
    else this.fail(error);
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.();
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.();
  }

  fail(error: Error): void {
    this.use(this, {});
    this.#handler.onResponseError?.(this, error);
  }

  /** Hands an answer to the caller, at the caller's pace. */
  async deliver(response: Response): Promise<void> {
    // What is read from now on is not the sink of another request any more.
    this.#current = undefined;
    this.#handler.onResponseStart?.(this, response.status, fromHeaders(response.headers), response.statusText);
    const reader = response.body?.getReader();
    for (;;) {
      while (this.paused && !this.aborted) {
        await new Promise<void>((resolve) => {
          this.#goOn = resolve;
        });
      }
      if (this.aborted) {
        void reader?.cancel(this.reason).catch(() => undefined);
        throw this.reason;
      }
      const part = await reader?.read();
      if (!part || part.done) break;
      this.#handler.onResponseData?.(this, Buffer.from(part.value.buffer, part.value.byteOffset, part.value.byteLength));
    }
    this.#handler.onResponseEnd?.(this, {});
  }
}
