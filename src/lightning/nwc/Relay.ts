/**
 * One relay, over a WebSocket. It carries events between whoever writes and whoever has asked for them, and is believed in nothing: whether an
 * event is genuine, and whom it is from, is for its reader to say.
 *
 *     to it    ["EVENT", event]   ["REQ", name, filter, …]
 *     from it  ["EVENT", name, event]   ["OK", id, isTaken, why]   ["EOSE", name]   ["CLOSED", name, why]
 *
 * @see NIP-01, Communication between clients and relays
 */
import type { Clock } from '../../core/Clock.ts';
import { saidIn } from '../Api.ts';
import type { Event } from './Event.ts';

/** What events are asked for: those that have all of it. */
export type Filter = {
  readonly kinds: readonly number[];
  readonly authors: readonly string[];
  readonly '#p'?: readonly string[];
  readonly '#e'?: readonly string[];
  /** Of those that it has kept, the newest so many; all that come from then on. */
  readonly limit?: number;
};

/** Who is told what comes from a relay. */
export type Listener = {
  /** It tells of everything that was asked for from now on. */
  readonly ready: (relay: Relay) => void;
  /** An event of a subscription, as it came. */
  readonly event: (relay: Relay, subscription: string, event: unknown) => void;
  /** It has taken an event, or has not. */
  readonly verdict: (relay: Relay, id: string, isTaken: boolean, why: string) => void;
  /** It is gone, after every {@link Relay.open} once. */
  readonly lost: (relay: Relay) => void;
};

/** Where a relay is, and what it is asked for. */
export type RelayOptions = {
  readonly url: string;
  readonly clock: Clock;
  /** Asked anew at every opening, by the name of the subscription. */
  readonly subscriptions: () => Readonly<Record<string, readonly Filter[]>>;
  readonly listener: Listener;
};

/** How long a relay may take until it is ready. */
const openTimeoutMs = 10_000;

/** A longer message is not read, and the relay that sent it is left: NWC needs 64 KB at the least. */
const maxMessageLength = 1024 * 1024;

/** A relay that has sent so many messages that are none is left. */
const maxFaults = 16;

/** See the head of this file. Nothing is sent before it is opened. */
export class Relay {
  /** For messages. */
  readonly host: string;
  state: 'closed' | 'opening' | 'ready' = 'closed';
  /** Why it is closed, in words for an operator. */
  why = 'it was not asked';
  /** How many messages have come from it. */
  heard = 0;
  readonly #options: RelayOptions;
  #socket: WebSocket | undefined;
  #faults = 0;
  #unanswered = new Set<string>();
  #subscriptions: ReadonlySet<string> = new Set();
  #cancelTimer = () => {};

  constructor(options: RelayOptions) {
    this.#options = options;
    this.host = new URL(options.url).host;
  }

  /** Connects and subscribes, unless it has already. */
  open(): void {
    if (this.state !== 'closed') return;
    const { url, clock, subscriptions } = this.#options;
    this.state = 'opening';
    this.#faults = 0;
    this.#cancelTimer = clock.after(openTimeoutMs, () => this.close('it did not answer in time'), true);
    let socket: WebSocket;
    try {
      socket = new WebSocket(url);
    } catch {
      return this.close('this runtime does not connect to it');
    }
    this.#socket = socket;
    socket.addEventListener('open', () => {
      if (this.#socket !== socket) return;
      const wanted = Object.entries(subscriptions());
      this.#subscriptions = new Set(wanted.map(([name]) => name));
      this.#unanswered = new Set(this.#subscriptions);
      for (const [name, filters] of wanted) socket.send(JSON.stringify(['REQ', name, ...filters]));
    });
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket === socket) this.#read(data);
    });
    for (const end of ['error', 'close'] as const) {
      socket.addEventListener(end, () => {
        if (this.#socket === socket) this.close(this.state === 'ready' ? 'it ended the connection' : 'it cannot be reached');
      });
    }
  }

  /** Hands it an event; only while it is ready. */
  publish(event: Event): void {
    this.#socket?.send(JSON.stringify(['EVENT', event]));
  }

  /** It has sent what is not what it says that it is; often enough, and it is left. */
  blame(): void {
    this.#faults += 1;
    if (this.#faults >= maxFaults) this.close('it sends what nobody wrote');
  }

  /** Leaves it. */
  close(why: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.why = why;
    this.#cancelTimer();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#options.listener.lost(this);
  }

  #read(data: unknown): void {
    this.heard += 1;
    if (typeof data === 'string' && data.length > maxMessageLength) return this.close('it sends messages that are too long');
    const message = typeof data === 'string' ? parse(data) : undefined;
    if (!Array.isArray(message)) return this.blame();
    const [kind, name, third, fourth] = message as readonly unknown[];
    const { listener } = this.#options;
    if (typeof name !== 'string') return this.blame();
    if (kind === 'OK' && typeof third === 'boolean') return listener.verdict(this, name, third, wordsOf(fourth));
    // A notice is for nobody in particular, and of what nobody asked for nobody need be told.
    if (!this.#subscriptions.has(name)) return;
    if (kind === 'EVENT') return listener.event(this, name, third);
    if (kind === 'CLOSED') return this.close(`it ended the subscription${wordsOf(third) === '' ? '' : `: ${wordsOf(third)}`}`);
    if (kind === 'EOSE') this.#answered(name);
  }

  #answered(name: string): void {
    this.#unanswered.delete(name);
    if (this.#unanswered.size > 0 || this.state !== 'opening') return;
    this.state = 'ready';
    this.#cancelTimer();
    this.#options.listener.ready(this);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a relay says, shortened, in words that can be shown to an operator. */
function wordsOf(said: unknown): string {
  return saidIn({ message: said }) ?? '';
}
