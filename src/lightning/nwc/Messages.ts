/**
 * What a client and a wallet write to each other, as events: a question, its answer, what the wallet says of itself, and what it tells unasked.
 *
 *     13194   the wallet's info: content its methods, tags `encryption` and `notifications`
 *     23194   a question: { method, params }, encrypted; tags `p` the wallet, `encryption`, `expiration`
 *     23195   its answer: { result_type, result } or { error: { code, message } }, encrypted; tags `p` the client, `e` the question
 *     23197   a notification: { notification_type, notification }, encrypted; tag `p` the client. 23196 where it is encrypted by NIP-04
 *
 * @see NIP-47, Events; NIP-40 for the tag `expiration`
 */
import { Reading } from '../Reading.ts';
import type { Connection } from './Connection.ts';
import type { Scheme } from './Encryption.ts';
import * as Event from './Event.ts';
import { type Answer, product, unavailable, wordsOf } from './product.ts';
import type { Filter } from './Relay.ts';

/** What a wallet says of itself. */
export type Info = {
  /** Unix seconds. */
  readonly createdAt: number;
  readonly methods: ReadonlySet<string>;
  /** The best way to encrypt that both know; undefined: there is none. */
  readonly scheme: Scheme | undefined;
  /** Whether it tells of payments that arrive. */
  readonly notifies: boolean;
};

/** The kinds of events. */
export const kinds = { info: 13194, question: 23194, answer: 23195, notification: { nip04: 23196, nip44_v2: 23197 } } as const;

/** What relays are asked for. `asked`: the questions that wait for an answer which may have come already. */
export function subscriptionsOf({ wallet, client }: Connection, asked: readonly string[], isWatched: boolean): Readonly<Record<string, readonly Filter[]>> {
  const ours = { authors: [wallet], '#p': [client] };
  const missed = asked.length === 0 ? [] : [{ kinds: [kinds.answer], ...ours, '#e': asked }];
  return {
    info: [{ kinds: [kinds.info], authors: [wallet], limit: 1 }],
    // What a relay has kept of other answers is of no use.
    answers: [{ kinds: [kinds.answer], ...ours, limit: 1 }, ...missed],
    ...(isWatched ? { notifications: [{ kinds: Object.values(kinds.notification), ...ours, limit: 1 }] } : {}),
  };
}

/**
 * Writes a question.
 * @param at - Unix seconds
 * @param goodForSeconds - from then on the wallet does nothing with it any more
 */
export function writeQuestion(connection: Connection, method: string, params: object, scheme: Scheme, at: number, goodForSeconds: number): Event.Event {
  const tags = [
    ['p', connection.wallet],
    ['encryption', scheme],
    ['expiration', String(at + goodForSeconds)],
  ];
  const content = connection.ciphers[scheme].encrypt(JSON.stringify({ method, params }));
  return connection.sign({ created_at: at, kind: kinds.question, tags, content });
}

/** What an info event says. A wallet that names no way to encrypt knows NIP-04 alone. */
export function readInfo(event: Event.Event): Info {
  const offered = wordsIn(Event.tagOf(event, 'encryption') ?? 'nip04');
  return {
    createdAt: event.created_at,
    methods: new Set(wordsIn(event.content)),
    scheme: (['nip44_v2', 'nip04'] as const).find((one) => offered.includes(one)),
    notifies: wordsIn(Event.tagOf(event, 'notifications') ?? '').includes('payment_received'),
  };
}

/** What an answer says. @throws LIGHTNING_UNAVAILABLE – it cannot be read, or answers something else */
export function readAnswer(connection: Connection, event: Event.Event, method: string, scheme: Scheme): Answer {
  const said = decrypted(connection, event, scheme);
  if (said.has('error')) {
    const error = said.object('error');
    const code = error.has('code') ? error.text('code') : '';
    return { kind: 'error', code: /^[A-Z_]{1,40}$/.test(code) ? code : 'OTHER', said: wordsOf(error.has('message') ? error.text('message') : '') };
  }
  if (said.text('result_type') !== method) throw unavailable('it answered another question');
  return { kind: 'result', result: said.object('result'), at: event.created_at };
}

/** A payment that a notification tells of; undefined: it tells of something else. @throws LIGHTNING_UNAVAILABLE – it cannot be read */
export function readNotification(connection: Connection, event: Event.Event, scheme: Scheme): Reading | undefined {
  const said = decrypted(connection, event, scheme);
  return said.text('notification_type') === 'payment_received' ? said.object('notification') : undefined;
}

/** A wallet may encrypt better than it was asked to, and not worse. */
function decrypted({ ciphers }: Connection, { content }: Event.Event, asked: Scheme): Reading {
  const scheme = asked === 'nip04' && content.includes('?iv=') ? 'nip04' : 'nip44_v2';
  const text = ciphers[scheme].decrypt(content);
  if (text === undefined) throw unavailable('what it says cannot be decrypted');
  return new Reading(product, parse(text));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function wordsIn(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}
