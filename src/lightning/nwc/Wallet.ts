/**
 * A wallet behind relays: a question is one event, signed once, that every relay gets; the first genuine answer counts, whichever relay it
 * comes over.
 *
 * Genuine is what the wallet's own key signed, for us, about this very question. Everything else that relays send is passed over: they see
 * who talks to whom and when, can hold back what they like, show old things again and make things up, and change nothing by it.
 *
 * Nothing is encrypted in the older way unless the wallet's own info event, the newest that is known, has nothing better.
 *
 * @see NIP-47, Theory of Operation
 */
import { type Clock, nowAt } from '../../core/Clock.ts';
import type { Connection } from './Connection.ts';
import type { Scheme } from './Encryption.ts';
import * as Event from './Event.ts';
import { Inbox } from './Inbox.ts';
import { type Info, kinds, readAnswer, readInfo, readNotification, subscriptionsOf, writeQuestion } from './Messages.ts';
import { type Answer, unavailable } from './product.ts';
import { Relay } from './Relay.ts';

/** What a wallet is reached with. */
export type WalletOptions = {
  readonly connection: Connection;
  readonly clock: Clock;
  /** Whether its notifications are wanted. */
  readonly isWatched: boolean;
};

/** A question. */
export type Question = {
  readonly method: string;
  readonly params: object;
  readonly signal: AbortSignal;
  /** Default 10,000; `Infinity` where the signal alone ends it. */
  readonly timeoutMs?: number;
};

/** A question on its way. */
type Pending = {
  readonly event: Event.Event;
  readonly method: string;
  readonly scheme: Scheme;
  /** What became of it at each relay that it was handed to, and how much that one had said before. */
  readonly at: Map<Relay, { state: 'sent' | 'taken' | 'refused' | 'lost'; readonly heard: number; why: string }>;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
};

/** What ends the wait for an answer. */
type Ends = { readonly signal: AbortSignal; readonly timeout: AbortSignal; readonly timeoutMs: number };

/** How long an answer may take that comes at once. */
const patienceMs = 10_000;

/** So many questions at once, and the next one is not asked. */
const maxPending = 256;

/** A relay that was lost while somebody waits is asked anew so many times. */
const maxReopenings = 3;

/** After so long without a question the relays are left. */
const idleMs = 60_000;

/** How much longer than we wait a question is good for: our clock may be off. */
const slackSeconds = 7200;

/** Notifications that were heard, which other relays tell again. */
const maxSeen = 1000;

/** See the head of this file. Nothing is sent before the first question. */
export class Wallet {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #relays: readonly Relay[];
  readonly #pending = new Map<string, Pending>();
  readonly #inboxes = new Set<Inbox>();
  readonly #reopenings = new Map<Relay, number>();
  readonly #waiting = new Set<() => void>();
  readonly #seen = new Set<string>();
  #info: Info | undefined;
  #cancelIdle = () => {};

  constructor({ connection, clock, isWatched }: WalletOptions) {
    this.#connection = connection;
    this.#clock = clock;
    const listener = {
      ready: (relay: Relay) => this.#ready(relay),
      event: (relay: Relay, subscription: string, event: unknown) => this.#event(relay, subscription, event),
      verdict: (relay: Relay, id: string, isTaken: boolean, why: string) => this.#verdict(relay, id, isTaken, why),
      lost: (relay: Relay) => this.#lost(relay),
    };
    const subscriptions = () => subscriptionsOf(connection, [...this.#pending.keys()], isWatched);
    this.#relays = connection.relays.map((url) => new Relay({ url, clock, subscriptions, listener }));
  }

  /** Whether it tells of payments that arrive, as far as is known. */
  get notifies(): boolean {
    return this.#info?.notifies ?? false;
  }

  /**
   * Asks the wallet, and waits for its answer.
   * @throws LIGHTNING_UNAVAILABLE – no answer, with `details.sent === false` where the wallet cannot have been asked
   */
  async ask({ method, params, signal, timeoutMs = patienceMs }: Question): Promise<Answer> {
    const timeout = new AbortController();
    const cancel = timeoutMs === Number.POSITIVE_INFINITY ? () => {} : this.#clock.after(timeoutMs, () => timeout.abort(), true);
    try {
      const scheme = await this.#reach(method, signal, timeout.signal);
      const goodForSeconds = slackSeconds + (timeoutMs === Number.POSITIVE_INFINITY ? 0 : Math.ceil(timeoutMs / 1000));
      const event = writeQuestion(this.#connection, method, params, scheme, nowAt(this.#clock), goodForSeconds);
      return await this.#send(event, method, scheme, { signal, timeout: timeout.signal, timeoutMs });
    } finally {
      cancel();
      this.#rest();
    }
  }

  /** Its notifications from now on. Whoever opens an inbox asks a question next, which is what connects, and closes it in the end. */
  listen(): Inbox {
    const inbox = new Inbox(() => {
      this.#inboxes.delete(inbox);
      this.#rest();
    });
    this.#inboxes.add(inbox);
    this.#cancelIdle();
    return inbox;
  }

  /** Leaves all relays; what is waited for ends. */
  close(): void {
    for (const { reject } of this.#pending.values()) reject(unavailable('the driver is closed'));
    this.#pending.clear();
    for (const inbox of this.#inboxes) inbox.fail(unavailable('the driver is closed'));
    this.#inboxes.clear();
    this.#cancelIdle();
    for (const relay of this.#relays) relay.close('the driver is closed');
  }

  /** How to encrypt, once a relay is ready and one has told what the wallet offers. Nothing has been asked when this throws. */
  async #reach(method: string, signal: AbortSignal, timeout: AbortSignal): Promise<Scheme> {
    if (this.#pending.size >= maxPending) throw unsent(`${maxPending} questions wait for their answers`);
    this.#cancelIdle();
    this.#reopenings.clear();
    for (const relay of this.#relays) relay.open();
    const ends = AbortSignal.any([signal, timeout]);
    while (this.#info === undefined || !this.#isAny('ready')) {
      if (signal.aborted) throw unsent(`it was called off before a relay was ready (${this.#whys()})`, signal.reason);
      if (timeout.aborted) throw unsent(`no relay was ready in time (${this.#whys()})`);
      if (!this.#isAny('opening')) {
        if (!this.#isAny('ready')) throw unsent(`no relay of it can be reached (${this.#whys()})`);
        throw unsent('no relay has its info event, which says what it offers and how to encrypt');
      }
      await this.#news(ends);
    }
    const { scheme, methods } = this.#info;
    if (scheme === undefined) throw unsent('it encrypts in no way that is known here');
    if (!methods.has(method)) throw unsent(`it does not offer ${method}`);
    return scheme;
  }

  async #send(event: Event.Event, method: string, scheme: Scheme, { signal, timeout, timeoutMs }: Ends): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const pending: Pending = { event, method, scheme, at: new Map(), resolve, reject };
    const end = (error: unknown) => {
      this.#pending.delete(event.id);
      reject(error);
    };
    const late = () => {
      end(unavailable('it did not answer in time'));
      this.#leaveSilent(pending);
    };
    const off = () => end(signal.reason);
    timeout.addEventListener('abort', late, { once: true });
    signal.addEventListener('abort', off, { once: true });
    this.#pending.set(event.id, pending);
    const cancel = timeoutMs === Number.POSITIVE_INFINITY ? this.#lookAfter(pending) : () => {};
    try {
      for (const relay of this.#relays) if (relay.state === 'ready') this.#publish(relay, pending);
      this.#judge(pending);
      return await promise;
    } finally {
      cancel();
      this.#pending.delete(event.id);
      timeout.removeEventListener('abort', late);
      signal.removeEventListener('abort', off);
    }
  }

  #publish(relay: Relay, { at, event }: Pending): void {
    at.set(relay, { state: 'sent', heard: relay.heard, why: '' });
    relay.publish(event);
  }

  #ready(relay: Relay): void {
    for (const pending of this.#pending.values()) {
      // What it has taken it is not handed again, and what it may not have got is the same event still.
      const state = pending.at.get(relay)?.state;
      if (state === undefined || state === 'lost') this.#publish(relay, pending);
    }
    this.#ring();
  }

  #event(relay: Relay, subscription: string, value: unknown): void {
    const event = Event.read(value);
    if (event === undefined) return relay.blame();
    const accept = this.#readerOf(relay, subscription, event);
    if (accept === undefined) return;
    // The dear part comes last, and a relay that makes events up is left after some.
    if (!Event.isGenuine(event)) return relay.blame();
    accept();
    this.#ring();
  }

  /** What to do with an event once it has proved to be genuine; undefined: nothing, whoever wrote it. */
  #readerOf(relay: Relay, subscription: string, event: Event.Event): (() => void) | undefined {
    const { wallet, client } = this.#connection;
    if (event.pubkey !== wallet) return undefined;
    if (subscription === 'info') {
      const isNews = event.kind === kinds.info && event.created_at > (this.#info?.createdAt ?? -1);
      return isNews ? () => this.#learn(event) : undefined;
    }
    if (!Event.hasTag(event, 'p', client)) return undefined;
    if (subscription === 'notifications') return this.#isWanted(event) ? () => this.#notify(event) : undefined;
    const pending = event.kind === kinds.answer ? this.#questionOf(event) : undefined;
    return pending && (() => this.#settle(relay, pending, event));
  }

  #learn(event: Event.Event): void {
    this.#info = readInfo(event);
  }

  #questionOf({ tags }: Event.Event): Pending | undefined {
    for (const [name, id] of tags) if (name === 'e' && id !== undefined && this.#pending.has(id)) return this.#pending.get(id);
    return undefined;
  }

  #settle(relay: Relay, { event: asked, method, scheme, resolve, reject }: Pending, event: Event.Event): void {
    this.#pending.delete(asked.id);
    this.#reopenings.delete(relay);
    try {
      resolve(readAnswer(this.#connection, event, method, scheme));
    } catch (error) {
      reject(error);
    }
  }

  #isWanted({ id, kind }: Event.Event): boolean {
    const scheme = this.#info?.scheme;
    return this.#inboxes.size > 0 && scheme !== undefined && kind === kinds.notification[scheme] && !this.#seen.has(id);
  }

  #notify(event: Event.Event): void {
    for (const id of this.#seen) if (this.#seen.size >= maxSeen) this.#seen.delete(id);
    this.#seen.add(event.id);
    try {
      const payment = readNotification(this.#connection, event, this.#info?.scheme ?? 'nip44_v2');
      if (payment) for (const inbox of this.#inboxes) inbox.put({ kind: 'received', payment, at: event.created_at });
    } catch {
      // Something has happened, and the wallet's list says what.
      for (const inbox of this.#inboxes) inbox.put({ kind: 'gap' });
    }
  }

  #verdict(relay: Relay, id: string, isTaken: boolean, why: string): void {
    const pending = this.#pending.get(id);
    const at = pending?.at.get(relay);
    if (pending === undefined || at === undefined) return;
    at.state = isTaken ? 'taken' : 'refused';
    at.why = why;
    this.#judge(pending);
  }

  #lost(relay: Relay): void {
    const there = [...this.#pending.values()].flatMap(({ at }) => at.get(relay) ?? []);
    for (const at of there) if (at.state === 'sent') at.state = 'lost';
    const isMissed = this.#inboxes.size > 0 || there.some(({ state }) => state !== 'refused');
    const reopenings = this.#reopenings.get(relay) ?? 0;
    if (isMissed && reopenings < maxReopenings) {
      this.#reopenings.set(relay, reopenings + 1);
      relay.open();
    }
    for (const pending of [...this.#pending.values()]) this.#judge(pending);
    const isOver = !this.#isAny('ready') && !this.#isAny('opening');
    for (const inbox of this.#inboxes) {
      if (isOver) inbox.fail(unavailable(`no relay of it can be reached (${this.#whys()})`));
      else inbox.put({ kind: 'gap' });
    }
    this.#ring();
  }

  /** Gives a question up that no relay can bring an answer to any more. */
  #judge({ at, reject }: Pending): void {
    if (this.#relays.some((relay) => relay.state !== 'closed' && at.get(relay)?.state !== 'refused')) return;
    const refusals = [...at].filter(([, { state }]) => state === 'refused');
    if (refusals.length < at.size) return reject(unavailable(`the connection broke off before it answered (${this.#whys()})`));
    reject(unsent(`no relay takes the question (${refusals.map(([{ host }, { why }]) => (why === '' ? host : `${host}: ${why}`)).join('; ')})`));
  }

  /** While an answer may take as long as it likes, whether the relays are still there is seen by whether they take the question. */
  #lookAfter(pending: Pending): () => void {
    const check = () => {
      cancel = this.#clock.after(patienceMs, check);
      this.#leaveSilent(pending);
    };
    let cancel = this.#clock.after(patienceMs, check);
    return () => cancel();
  }

  /** A relay that has said nothing since it was handed the question may be gone without a word. */
  #leaveSilent({ at }: Pending): void {
    for (const [relay, { state, heard }] of at) if (state === 'sent' && relay.heard === heard) relay.close('it did not answer in time');
  }

  /** Leaves the relays after a while in which nobody waits for anything. */
  #rest(): void {
    this.#cancelIdle();
    if (this.#pending.size > 0 || this.#inboxes.size > 0 || !(this.#isAny('ready') || this.#isAny('opening'))) return;
    this.#cancelIdle = this.#clock.after(idleMs, () => {
      for (const relay of this.#relays) relay.close('nothing was asked for a while');
    });
  }

  #isAny(state: Relay['state']): boolean {
    return this.#relays.some((relay) => relay.state === state);
  }

  #whys(): string {
    return this.#relays.map(({ host, state, why }) => `${host}: ${state === 'closed' ? why : 'no answer yet'}`).join('; ');
  }

  #ring(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when something has come, or when `signal` aborts. */
  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

function unsent(why: string, cause?: unknown) {
  return unavailable(why, { sent: false }, cause);
}
