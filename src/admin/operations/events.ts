/**
 * What happens, as it happens.
 */
import { z } from 'zod';
import type { PaywallEvent } from '../../server/Events.ts';
import type { Change } from '../../store/Store.ts';
import { createInbox } from '../books/Inbox.ts';
import * as Fields from '../Fields.ts';
import { defineStream } from '../Operation.ts';

const kinds = ['settled', 'received', 'earned', 'reversed', 'repeated', 'denied', 'challenged', 'given', 'refused', 'left-out', 'back', 'trouble'] as const;

const item = z.object({
  kind: z.enum(kinds).describe('A kind of entry in the ledger; `denied`: something was revoked; the others are told by this process alone, and not kept.'),
  at: Fields.at,
  seq: z.int().nullable().describe('Of an entry or a revocation: its number, to go on behind.'),
  paymentHash: Fields.digest.nullable(),
  amountMsat: Fields.msat.nullable(),
  service: z.string().nullable(),
  route: z.string().nullable(),
  note: z.string().describe('A word on why: a status, a code, an upstream.'),
});

/** `events.follow` */
export const followEvents = defineStream({
  name: 'events.follow',
  scope: 'read',
  form: 'events',
  summary: 'Tell what happens, as it happens.',
  description:
    'Entries of the ledger and revocations, of every process, within a second and each once; beside them what this process asks for, refuses and gives away.',
  input: z.object({
    after: z.int().min(0).optional().describe('Begin behind the entry with this number; default: with what comes from now on.'),
    ledgerOnly: z.boolean().optional().describe('Nothing but entries of the ledger.'),
  }),
  output: item,
  items: async function* ({ after, ledgerOnly = false }, { store, events, signal, clock }) {
    const inbox = createInbox<z.input<typeof item>>(signal);
    const stop = ledgerOnly ? () => {} : events.on((event) => fromEvent(event, inbox.put));
    try {
      if (store !== undefined) {
        const query = { ...(after === undefined ? {} : { after }), ...(ledgerOnly && { kind: 'ledger' as const }), signal };
        const changes = store.changes(query);
        void follow(changes, (change) => inbox.putSafely(fromChange(change, Math.floor(clock.nowMs() / 1000)))).then(inbox.end, inbox.fail);
      }
      yield* inbox.items();
    } finally {
      stop();
      inbox.end();
    }
  },
});

async function follow(changes: AsyncIterable<Change>, put: (change: Change) => Promise<void>): Promise<void> {
  for await (const change of changes) await put(change);
}

const nothing = { seq: null, paymentHash: null, amountMsat: null, service: null, route: null, note: '' };

function fromChange(change: Change, at: number): z.input<typeof item> {
  if (change.kind === 'denial') return { ...nothing, kind: 'denied', at, seq: change.seq, note: `${change.denial.kind} ${change.denial.value}` };
  const { amountMsat, paymentHash, kind, seq, service, route, note, at: then } = change.row;
  return { kind, at: then, seq, paymentHash, amountMsat: String(amountMsat), service, route, note };
}

/** What the store's changes do not tell. */
function fromEvent(event: PaywallEvent, put: (one: z.input<typeof item>) => void): void {
  const at = Math.floor(event.at / 1000);
  switch (event.kind) {
    case 'challenged': {
      const { kind, paymentHash, amountMsat, service, route } = event;
      return put({ ...nothing, kind, at, paymentHash, amountMsat: String(amountMsat), service, route });
    }
    case 'given':
      return put({ ...nothing, kind: 'given', at, service: event.service, route: event.route });
    case 'refused':
      return put({ ...nothing, kind: 'refused', at, route: event.route, note: `${event.code} ${event.status}` });
    case 'left-out':
    case 'back':
      return put({ ...nothing, kind: event.kind, at, note: event.upstream });
    case 'trouble':
      return put({ ...nothing, kind: 'trouble', at, note: event.what });
  }
}
