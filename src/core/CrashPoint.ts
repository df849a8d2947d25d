/**
 * The instants at which a process may be killed without harm: before and after everything that is made durable and everything that is
 * sent. Each has a name; a part that is handed an observer tells it when one is reached, and a test may kill the process there.
 *
 * What is written to a file or a server has two points, `<part>.<operation>.written` and `<part>.<operation>.committed`; the other points are named
 * `<part>.<what>.<how far>`.
 *
 * @see docs/decisions/0013-crash-points.md
 */

/** What is written in one transaction, by part and operation. */
export const writes = {
  /** The seller's store, in a file, a database or a server. */
  store: {
    migrate: 'The tables of a new file, or of an older version.',
    claim: 'A use is claimed, and its payment stands in the ledger as received.',
    heartbeat: 'A claim is held for longer.',
    commit: 'The use is used up, and the sale stands in the ledger as earned or repeated.',
    deliver: 'The answer arrived whole and is never given again.',
    undelivered: 'The answer did not arrive whole and may be asked for again.',
    release: 'The use is given back, or used up where it was given back too often.',
    count: 'A counter has grown.',
    credit: 'There is something to spend in an account.',
    reserve: 'Something is off its accounts for a while, which are open from now on, and their payments stand in the ledger as received.',
    extend: 'What was reserved is held for longer.',
    settle: 'What was reserved is spent, and what it earned stands in the ledger.',
    cancel: 'What was reserved or spent is given back.',
    deny: 'A token, payment or key is refused from now on.',
    append: 'Sales of passes stand in the ledger.',
    prune: 'What has expired is forgotten.',
  },
  /** The buyer's store, in a file, a database or a server. */
  journal: {
    migrate: 'The tables, where they were not there.',
    reserve: 'Money is set aside for a payment; the wallet knows nothing of it.',
    dispatch: 'The wallet may be called: from here on the payment may have been made.',
    extend: 'A call is still at work on its payment.',
    settle: 'The payment was made; its credential is kept.',
    fail: 'The payment was not made and never will be; its money is free.',
    doubt: 'It is not known whether the payment was made; its money stays set aside.',
    take: 'A call has a kept credential to itself.',
    bind: 'The one answer that a credential buys has begun: it is good for that request alone.',
    redeem: 'The credential has bought an answer.',
    reject: 'The seller refuses the credential; it is set aside.',
    release: 'A call has let go of a credential that was not used up.',
    allow: 'Spending goes on after a person has looked.',
    stop: 'Nothing is paid until a person allows it.',
    budget: 'A budget stands in the store, or stands there no more.',
  },
  /** The books of the sandbox. */
  sandbox: {
    migrate: 'The tables of a new file.',
    node: 'A node is open, with its channel.',
    funds: 'A channel has grown.',
    invoice: 'An invoice can be paid.',
    payment: 'A payment was refused, is under way, or has moved the money.',
    settle: 'A payment under way has moved the money, or came too late and was given back.',
    fail: 'A payment under way was given back.',
  },
} as const;

/** Everything that is sent, and every turn that follows from it. */
export const turns = {
  'paywall.invoice.asking': 'The node is about to be asked for an invoice.',
  'paywall.invoice.answered': 'The node has made an invoice, and nobody has seen it.',
  'gateway.answer.sending': 'A whole answer of the gateway (a challenge, a refusal, a kept answer) is ready, and nothing of it has gone out.',
  'gateway.answer.sent': 'It has gone out.',
  'gateway.upstream.sending': 'A use is claimed, where one is sold, and the upstream knows nothing of the request.',
  'gateway.upstream.sent': 'The request is on its way to the upstream, which may be at work.',
  'gateway.head.received': 'The upstream has answered; nothing is decided, and nothing has gone to the client.',
  'gateway.head.decided': 'What follows from the head is durable; nothing has gone to the client.',
  'gateway.first-byte.sending': 'The head, and what has come of the body, is about to go to the client.',
  'gateway.first-byte.sent': 'The client may have the head, and, where the answer is short, all of it.',
  'gateway.last-byte.sending': 'All of the answer but its end has gone to the client.',
  'gateway.last-byte.sent': 'The whole answer has gone to the client, and the store does not know.',
  'gateway.exchange.over': 'Client, upstream and store have been told everything.',
  'client.request.sending': 'A request without a credential is about to go out.',
  'client.request.answered': 'The head of its answer is here.',
  'client.wallet.calling': 'The payment is written down, and the wallet is about to be called.',
  'client.wallet.answered': 'The wallet has said how the payment ended, and nothing of it is written down.',
  'client.lookup.asking': 'The wallet is about to be asked what became of a payment.',
  'client.lookup.answered': 'It has said so, and nothing of it is written down.',
  'client.credential.sending': 'The credential is written down, and the request is about to go out with it.',
  'client.credential.answered': 'The head of the answer to a credential is here, and nothing of it is written down.',
  'client.answer.ready': 'The caller is about to be handed the answer.',
  'sandbox.call.received': 'Somebody asks the sandbox for something, and nothing of it is done.',
  'sandbox.reply.sending': 'It is done, and nobody has been told.',
  'sandbox.reply.sent': 'The reply has gone out.',
} as const;

/** A part that keeps a file. */
export type WritingPart = keyof typeof writes;

/** What one part writes in a transaction of its own. */
export type Operation<Part extends WritingPart> = keyof (typeof writes)[Part] & string;

type WritePoint = { [Part in WritingPart]: `${Part}.${Operation<Part>}.${'written' | 'committed'}` }[WritingPart];

/**
 * A point. `written`: the work is done in a transaction that is still open, or decided and not sent, so that a process that dies here has done nothing.
 * `committed`: the transaction is on disk, and nobody has been told.
 */
export type CrashPoint = WritePoint | keyof typeof turns;

/** Told that a point is reached, before anything else happens. What it throws is thrown there. */
export type Reached = (point: CrashPoint) => void;

/** Watches nothing. */
export const unwatched: Reached = () => {};

/** Every point with what is durable or sent at that instant. */
export function crashPoints(): ReadonlyMap<CrashPoint, string> {
  const all = new Map<CrashPoint, string>();
  for (const [part, operations] of Object.entries(writes)) {
    for (const [operation, what] of Object.entries(operations)) {
      all.set(`${part}.${operation}.written` as CrashPoint, `Not yet on disk: ${what}`);
      all.set(`${part}.${operation}.committed` as CrashPoint, `On disk, and nobody was told: ${what}`);
    }
  }
  for (const [point, what] of Object.entries(turns)) all.set(point as CrashPoint, what);
  return all;
}
