/**
 * A relay on loopback, as strict as NIP-01: what is not signed by whom it names, or not asked for in the form that NIP-01 has, is refused. It can
 * be made to lie.
 *
 * @see NIP-01; NIP-40 for the tag `expiration`
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../../src/core/Clock.ts';
import { type Event, isGenuine, read, tagOf } from '../../../src/lightning/nwc/Event.ts';

type Filter = Readonly<Record<string, unknown>>;

/** What a relay may be made to do instead of what it should. */
export type Lies = {
  /** What becomes of an event that it was handed; undefined: what should. */
  readonly verdict?: (event: Event) => { readonly isTaken: boolean; readonly why: string } | undefined;
  /** What it carries instead of an event; an empty list: it holds it back. */
  readonly carry?: (event: Event) => readonly unknown[] | undefined;
  /** It takes what it is sent, and answers nothing before it is not mute any more. */
  readonly isMute?: boolean;
  /** What it is sent is lost, as over a connection of which one end is gone. */
  readonly isDeaf?: boolean;
};

/** One that runs. */
export type RelayDouble = {
  readonly url: string;
  /** Every event that it was handed, in order. */
  readonly handed: readonly Event[];
  /** Sets what it does wrong from now on. */
  readonly lie: (lies: Lies) => void;
  /** Sends a text as it is to all who wait for a wallet's answers. */
  readonly say: (text: string) => void;
  /** How often somebody began to wait for them, on a connection of their own. */
  readonly waited: () => number;
  /** How much was sent to it while it was deaf. */
  readonly unheard: () => number;
  /** Ends the connections of all who wait for a wallet's answers. */
  readonly drop: () => void;
  readonly setDown: (isDown: boolean) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Starts one. */
export async function openRelay(clock: Clock): Promise<RelayDouble> {
  const subscriptions = new Map<WebSocket, Map<string, readonly Filter[]>>();
  const kept = new Map<string, Event>();
  const handed: Event[] = [];
  const seen = new Set<string>();
  let lies: Lies = {};
  let waited = 0;
  let unheard = 0;
  const muted: (() => void)[] = [];

  const tell = (value: unknown, event: Event) => {
    for (const [socket, all] of subscriptions) {
      for (const [name, filters] of all) if (filters.some((filter) => fits(filter, event))) send(socket, ['EVENT', name, value]);
    }
  };
  const take = (event: Event): readonly [boolean, string] => {
    if (!isGenuine(event)) return [false, 'invalid: the signature does not fit'];
    const expiresAt = Number(tagOf(event, 'expiration') ?? Number.POSITIVE_INFINITY);
    if (expiresAt <= clock.nowMs() / 1000) return [false, 'invalid: it has expired'];
    if (seen.has(event.id)) return [true, 'duplicate: already have this event'];
    seen.add(event.id);
    const isReplaceable = event.kind >= 10_000 && event.kind < 20_000;
    const isEphemeral = event.kind >= 20_000 && event.kind < 30_000;
    const place = isReplaceable ? `${event.pubkey} ${event.kind}` : event.id;
    if (!isEphemeral && event.created_at >= (kept.get(place)?.created_at ?? 0)) kept.set(place, event);
    for (const value of lies.carry?.(event) ?? [event]) tell(value, event);
    return [true, ''];
  };
  const answer = (socket: WebSocket, [kind, first, ...rest]: readonly unknown[]): void => {
    const own = subscriptions.get(socket);
    if (kind === 'EVENT') {
      const event = read(first);
      if (event === undefined) return send(socket, ['NOTICE', 'invalid: that is no event']);
      handed.push(event);
      const lie = lies.verdict?.(event);
      const [isTaken, why] = lie ? [lie.isTaken, lie.why] : take(event);
      return send(socket, ['OK', event.id, isTaken, why]);
    }
    if (kind === 'CLOSE' && typeof first === 'string') return void own?.delete(first);
    if (kind !== 'REQ' || typeof first !== 'string' || first === '' || first.length > 64) return send(socket, ['NOTICE', 'invalid: not understood']);
    const wrong = rest.length === 0 ? 'no filter' : rest.map(faultIn).find((fault) => fault !== undefined);
    if (wrong !== undefined) return send(socket, ['CLOSED', first, `invalid: ${wrong}`]);
    const filters = rest as readonly Filter[];
    own?.set(first, filters);
    if (first === 'answers') waited += 1;
    for (const event of keptFor(filters, [...kept.values()])) send(socket, ['EVENT', first, event]);
    send(socket, ['EOSE', first]);
  };

  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    subscriptions.set(socket, new Map());
    socket.on('close', () => subscriptions.delete(socket));
    socket.on('error', () => {});
    socket.on('message', (data) => {
      if (lies.isDeaf) unheard += 1;
      else if (lies.isMute) muted.push(() => answer(socket, parse(String(data))));
      else answer(socket, parse(String(data)));
    });
  });
  const drop = () => {
    for (const [socket, all] of subscriptions) if (all.has('answers')) socket.terminate();
  };
  const listen = (port: number) => new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets.clients) socket.terminate();
      subscriptions.clear();
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    handed,
    lie: (next) => {
      lies = next;
      if (!next.isMute) for (const late of muted.splice(0)) late();
    },
    say: (text) => {
      for (const [socket, all] of subscriptions) if (all.has('answers')) socket.send(text);
    },
    waited: () => waited,
    unheard: () => unheard,
    drop,
    setDown: (isDown) => (isDown ? stop() : listen(port)),
    close: stop,
  };
}

function send(socket: WebSocket, message: readonly unknown[]): void {
  socket.send(JSON.stringify(message));
}

function parse(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** What is wrong with a filter. */
function faultIn(filter: unknown): string | undefined {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) return 'a filter is an object';
  for (const [name, value] of Object.entries(filter)) {
    const isHexList = name === 'ids' || name === 'authors' || name === '#e' || name === '#p';
    if (name === 'since' || name === 'until' || name === 'limit') {
      if (!Number.isSafeInteger(value) || (value as number) < 0) return `${name} is a number`;
    } else if (!Array.isArray(value) || value.length === 0) return `${name} is a list`;
    else if (name === 'kinds' ? !value.every((kind) => Number.isSafeInteger(kind)) : !/^(?:ids|authors|#[a-zA-Z])$/.test(name)) return `${name} is not known`;
    else if (isHexList && !value.every((one) => /^[0-9a-f]{64}$/.test(String(one)))) return `${name} has 64 hex digits`;
  }
  return undefined;
}

function fits(filter: Filter, event: Event): boolean {
  return Object.entries(filter).every(([name, value]) => {
    const list = Array.isArray(value) ? (value as readonly unknown[]) : [];
    if (name === 'ids') return list.includes(event.id);
    if (name === 'authors') return list.includes(event.pubkey);
    if (name === 'kinds') return list.includes(event.kind);
    if (name === 'since') return event.created_at >= Number(value);
    if (name === 'until') return event.created_at <= Number(value);
    return name === 'limit' || event.tags.some(([tag, first]) => `#${tag}` === name && list.includes(first));
  });
}

function keptFor(filters: readonly Filter[], all: readonly Event[]): readonly Event[] {
  const newestFirst = all.toSorted((one, other) => other.created_at - one.created_at);
  return [...new Set(filters.flatMap((filter) => newestFirst.filter((event) => fits(filter, event)).slice(0, Number(filter.limit ?? 500))))];
}
