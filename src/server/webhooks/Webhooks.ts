/**
 * Tells webhooks what the ledger says. The ledger is the outbox: what was written down with a sale is told, whatever happens to a process in between.
 *
 * How far a webhook has been told is a bookmark in the store, and one process at a time tells it, by a claim with a lease; one that dies is followed by
 * another when its lease has ended. So each event is told at least once, in order for each payment, and under one id.
 *
 *     bookmark  webhook:<name>          "<seq>", or "<seq> <replay>"
 *     bookmark  webhook:<name>:replay   "<replay> <seq>": what comes behind that row is to be told again
 */
import { type Clock, nowAt, type Random, seldom, wait } from '../../core/Clock.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import type { ClaimRef, Store } from '../../store/Store.ts';
import { type AlertEvent, fromAlert, type Message } from './Message.ts';
import { createOutbox, failed, type Hook, type Outbox, type WaitingAlert } from './Outbox.ts';

/** What telling needs. */
export type WebhooksOptions = {
  readonly hooks: readonly Hook[];
  readonly store: WebhookStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when a webhook goes away, and again every ten minutes while it is; and of each event that is given up. */
  readonly onTrouble: (error: unknown) => void;
};

/** What of a store is needed. */
export type WebhookStore = Pick<Store, 'claim' | 'heartbeat' | 'release' | 'append' | 'bookmark' | 'changes' | 'denials'>;

/** Tells until it is closed. */
export type Webhooks = {
  /** Tells an alert, in order with others. One that nobody could be told of is forgotten with the process, and no sooner unless too many wait. */
  readonly alert: (alert: AlertEvent) => void;
  /** Resolves when nothing is under way. What was told and not bookmarked is told again by the next one. */
  readonly close: () => Promise<void>;
};

/** How long whoever tells may say nothing of itself before another takes over. */
const leaseSeconds = 30;

/** After trouble, or while another process tells. */
const pauseMs = 1000;

/** How often it is looked whether something is to be told again. */
const lookMs = 5000;

/** How often the same webhook's absence is told. */
const tellMs = 600_000;

/** A claim has an end; this one is never to. */
const yearsSeconds = 3650 * 86_400;

/** Alerts that wait for somebody to take them, for each webhook: of more, the oldest are forgotten. */
const mostAlerts = 100;

/** See the head of this file. Nothing is waited for. */
export function followWebhooks(options: WebhooksOptions): Webhooks {
  const stop = new AbortController();
  const couriers = options.hooks.map((hook) => createCourier(hook, options, stop.signal));
  return {
    alert: (alert) => {
      for (const courier of couriers) courier.alert(fromAlert(alert));
    },
    close: async () => {
      stop.abort();
      await Promise.all(couriers.map(({ ended }) => ended));
    },
  };
}

/**
 * Has everything behind that row told again, by whichever process tells this webhook, within seconds.
 * @throws STORE_UNAVAILABLE – it could not be written down
 */
export async function replay(store: Pick<Store, 'append'>, name: string, after: number, random: Random): Promise<void> {
  await store.append([], { reader: replayOf(name), place: `${toHex(random(8))} ${after}` });
}

/** How far a webhook has been told; undefined where it never was. `isAsked`: something is to be told again, and nobody has begun. */
export async function standingOf(store: Pick<Store, 'bookmark'>, name: string): Promise<{ readonly seq: number; readonly isAsked: boolean } | undefined> {
  const place = parsePlace(await store.bookmark(readerOf(name)));
  const asked = parseReplay(await store.bookmark(replayOf(name)));
  return place && { seq: place.seq, isAsked: asked !== undefined && asked.id !== place.replay };
}

function createCourier(hook: Hook, options: WebhooksOptions, stop: AbortSignal) {
  const { store, clock, random } = options;
  const alerts: WaitingAlert[] = [];
  let outbox: Outbox | undefined;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const onTrouble = (error: unknown) => {
    if (clock.nowMs() - toldAtMs < tellMs) return;
    toldAtMs = clock.nowMs();
    options.onTrouble(error);
  };

  const tellForgotten = seldom(clock, () => options.onTrouble(failed(hook.name, `takes no alerts: of more than ${mostAlerts} the oldest are forgotten`)));
  const waitingAlerts = {
    first: () => alerts[0],
    remove: (alert: WaitingAlert) => {
      if (alerts[0] === alert) alerts.shift();
    },
  };

  const session = async (lease: ClaimRef): Promise<void> => {
    const end = new AbortController();
    const signal = AbortSignal.any([stop, end.signal]);
    let lost: unknown;
    const place = await beginningOf(store, hook.name);
    const mark = async (seq: number) => {
      await store.append([], { reader: readerOf(hook.name), place: formatPlace(seq, place.replay) });
      // Somebody takes what it is told: what comes is news again.
      toldAtMs = Number.NEGATIVE_INFINITY;
    };
    const onLost = (error: unknown) => {
      lost ??= error;
      end.abort();
    };
    const own = createOutbox({ hook, alerts: waitingAlerts, clock, random, signal, mark, onTrouble, onGivenUp: options.onTrouble, onLost });
    outbox = own;
    own.tellAlerts();
    const beside = [keepLease(store, lease, clock, signal, end), watchReplay(store, hook.name, place.replay, clock, signal, end)];
    try {
      for await (const change of store.changes({ after: place.seq, kind: 'ledger', signal })) {
        await own.room();
        if (signal.aborted) break;
        if (change.kind === 'ledger') own.add(change.row);
      }
    } finally {
      outbox = undefined;
      end.abort();
      await Promise.all([own.idle(), ...beside]);
      await store.release({ ...lease, reason: 'left' }).catch(() => {});
    }
    if (lost !== undefined) throw lost;
  };

  const follow = async (): Promise<void> => {
    while (!stop.aborted) {
      try {
        const lease = await takeLease(store, hook.name, clock);
        if (lease !== undefined) await session(lease);
      } catch (error) {
        if (stop.aborted) return;
        onTrouble(error);
      }
      await wait(clock, pauseMs, stop);
    }
  };
  return {
    ended: follow(),
    alert: (message: Message) => {
      if (!hook.wants(message.type)) return;
      alerts.push({ message, at: nowAt(clock) });
      if (alerts.length > mostAlerts) {
        alerts.shift();
        // Where another process tells this webhook, nobody expects it of this one.
        if (outbox !== undefined) tellForgotten();
      }
      outbox?.tellAlerts();
    },
  };
}

/** Undefined: another process has it. */
async function takeLease(store: WebhookStore, name: string, clock: Clock): Promise<ClaimRef | undefined> {
  const key = toHex(sha256(fromUtf8(`farebox/webhook/1/${name}`)));
  const expiresAt = nowAt(clock) + yearsSeconds;
  const claimed = await store.claim({ key, request: key, leaseSeconds, expiresAt, repeat: { limit: 0, withinSeconds: 0 } });
  return claimed.kind === 'granted' ? { key, fence: claimed.fence } : undefined;
}

async function keepLease(store: WebhookStore, lease: ClaimRef, clock: Clock, signal: AbortSignal, end: AbortController): Promise<void> {
  while (!signal.aborted) {
    await wait(clock, (leaseSeconds * 1000) / 3, signal);
    if (signal.aborted) return;
    // What could not be asked is taken for lost: to tell twice is better than to tell in another's place.
    const isOurs = await store.heartbeat({ ...lease, leaseSeconds }).catch(() => false);
    if (!isOurs) end.abort();
  }
}

/** Ends the session where something is to be told again that is not yet. */
async function watchReplay(
  store: WebhookStore,
  name: string,
  known: string | undefined,
  clock: Clock,
  signal: AbortSignal,
  end: AbortController,
): Promise<void> {
  while (!signal.aborted) {
    await wait(clock, lookMs, signal);
    if (signal.aborted) return;
    const asked = parseReplay(await store.bookmark(replayOf(name)).catch(() => undefined));
    if (asked !== undefined && asked.id !== known) end.abort();
  }
}

type Place = { readonly seq: number; readonly replay: string | undefined };

/** Where to begin: behind the bookmark, at what is to be told again, or, the first time, at what is written from now on. */
async function beginningOf(store: WebhookStore, name: string): Promise<Place> {
  const before = parsePlace(await store.bookmark(readerOf(name)));
  const asked = parseReplay(await store.bookmark(replayOf(name)));
  const isAsked = asked !== undefined && asked.id !== before?.replay;
  if (before !== undefined && !isAsked) return before;
  const seq = isAsked ? asked.seq : (await store.denials(Number.MAX_SAFE_INTEGER)).seq;
  const place = { seq, replay: asked?.id };
  await store.append([], { reader: readerOf(name), place: formatPlace(place.seq, place.replay) });
  return place;
}

function readerOf(name: string): string {
  return `webhook:${name}`;
}

function replayOf(name: string): string {
  return `webhook:${name}:replay`;
}

function formatPlace(seq: number, replay: string | undefined): string {
  return replay === undefined ? String(seq) : `${seq} ${replay}`;
}

function parsePlace(text: string | undefined): Place | undefined {
  const [, seq, replay] = /^(\d{1,15})(?: (\S+))?$/.exec(text ?? '') ?? [];
  return seq === undefined ? undefined : { seq: Number(seq), replay };
}

function parseReplay(text: string | undefined): { readonly id: string; readonly seq: number } | undefined {
  const [, id, seq] = /^(\S+) (\d{1,15})$/.exec(text ?? '') ?? [];
  return id === undefined ? undefined : { id, seq: Number(seq) };
}
