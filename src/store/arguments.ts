/**
 * What every store asks of its arguments before it touches anything, so that a caller's mistake is the same `TypeError` or `RangeError`
 * from all of them, and no store meets a value that its tables cannot hold.
 */
import { bookFirst } from './pieces.ts';
import type {
  CancelRequest,
  ClaimRef,
  ClaimRequest,
  CommitRequest,
  Credit,
  CreditRequest,
  Denial,
  LedgerEntry,
  LedgerQuery,
  ReleaseRequest,
  ReserveRequest,
  Spending,
  Store,
} from './Store.ts';

/** The store behind checks of its arguments. A mistake rejects the call; nothing has been written then. */
export function withCheckedArguments(store: Store): Store {
  return {
    ...store,
    claim: checked(assertClaim, store.claim),
    heartbeat: checked(assertHeartbeat, store.heartbeat),
    commit: checked(assertCommit, store.commit),
    deliver: checked(assertRef, store.deliver),
    undelivered: checked(assertRef, store.undelivered),
    claimState: checked((key) => assertName('key', key), store.claimState),
    release: checked(assertRelease, store.release),
    count: checked(assertCount, store.count),
    credit: checked(assertCredit, store.credit),
    reserve: checked(assertReserve, store.reserve),
    settle: checked(assertSettle, store.settle),
    extend: checked(assertExtend, store.extend),
    cancel: checked(assertCancel, store.cancel),
    balance: checked((account) => assertName('account', account), store.balance),
    deny: checked(assertDenial, store.deny),
    denials: async (after) => {
      if (after !== undefined) assertWhole('after', after);
      return store.denials(after);
    },
    append: async (entries, bookmark) => {
      entries.forEach(assertEntry);
      if (bookmark) {
        assertName('bookmark.reader', bookmark.reader);
        assertText('bookmark.place', bookmark.place);
      }
      return store.append(entries, bookmark);
    },
    bookmark: checked((reader) => assertName('reader', reader), store.bookmark),
    ledger: checked(assertQuery, store.ledger),
    import: (pieces) => store.import(bookFirst(pieces)),
    changes: (options) => {
      if (options.after !== undefined) assertWhole('after', options.after);
      return store.changes(options);
    },
  };
}

function checked<Request, Answer>(assert: (request: Request) => void, call: (request: Request) => Promise<Answer>): (request: Request) => Promise<Answer> {
  return async (request) => {
    assert(request);
    return call(request);
  };
}

function assertClaim(request: ClaimRequest): void {
  assertName('key', request.key);
  assertName('request', request.request);
  assertSeconds('leaseSeconds', request.leaseSeconds);
  assertWhole('expiresAt', request.expiresAt);
  assertWhole('repeat.limit', request.repeat.limit);
  assertWhole('repeat.withinSeconds', request.repeat.withinSeconds);
  if (request.entry) assertEntry(request.entry);
}

function assertRef(ref: ClaimRef): void {
  assertName('key', ref.key);
  assertWhole('fence', ref.fence);
}

function assertHeartbeat(request: Parameters<Store['heartbeat']>[0]): void {
  assertRef(request);
  assertSeconds('leaseSeconds', request.leaseSeconds);
}

function assertCommit(request: CommitRequest): void {
  assertRef(request);
  if (request.entry) assertEntry(request.entry);
  if (request.settles) assertSettle(request.settles);
  if (!request.answer) return;
  assertWhole('answer.status', request.answer.status);
  if (!(request.answer.body instanceof Uint8Array)) throw new TypeError('answer.body: expected bytes');
}

function assertRelease(request: ReleaseRequest): void {
  assertRef(request);
  assertName('reason', request.reason);
  if (request.limit !== undefined) assertWhole('limit', request.limit);
  if (request.entryIfReleased) assertEntry(request.entryIfReleased);
  if (request.entryIfCommitted) assertEntry(request.entryIfCommitted);
  if (request.cancels) assertCancel(request.cancels);
}

function assertCount(request: Parameters<Store['count']>[0]): void {
  assertName('key', request.key);
  assertWhole('by', request.by);
  assertWhole('ceiling', request.ceiling);
  assertWhole('expiresAt', request.expiresAt);
}

function assertCredit({ account, onlyOpen: _, ...credit }: CreditRequest): void {
  assertName('account', account);
  assertLot('', credit);
}

function assertLot(path: string, { source, units, expiresAt, entry }: Credit): void {
  assertName(`${path}source`, source);
  assertUnits(`${path}units`, units);
  assertWhole(`${path}expiresAt`, expiresAt);
  if (entry) assertEntry(entry);
}

function assertReserve(request: ReserveRequest): void {
  assertName('reservation', request.reservation);
  assertSeconds('leaseSeconds', request.leaseSeconds);
  if (request.debits.length === 0) throw new TypeError('debits: expected at least one');
  const accounts = new Set<string>();
  const sources = new Set<string>();
  for (const { account, units, opens, from, mostBehind } of request.debits) {
    if (from !== undefined) assertName('debits.from', from);
    if (from !== undefined && request.debits.filter((other) => other.from === from).length > 1)
      throw new TypeError('debits.from: one debit draws from a reservation');
    if (from === request.reservation) throw new TypeError('debits.from: a reservation is not drawn from itself');
    assertName('debits.account', account);
    assertUnits('debits.units', units);
    if (opens) assertLot('debits.opens.', opens);
    if (mostBehind !== undefined) assertWhole('debits.mostBehind', mostBehind);
    if (accounts.has(account) || (opens && sources.has(opens.source))) throw new TypeError(`debits: "${account}" or its source is named twice`);
    accounts.add(account);
    if (opens) sources.add(opens.source);
  }
}

function assertExtend({ reservation, leaseSeconds }: Parameters<Store['extend']>[0]): void {
  assertName('reservation', reservation);
  assertSeconds('leaseSeconds', leaseSeconds);
}

function assertSettle(request: Parameters<Store['settle']>[0]): void {
  assertName('reservation', request.reservation);
  if (request.units !== undefined) assertUnits('units', request.units);
  if (request.entry) assertSpending(request.entry);
}

function assertCancel(request: CancelRequest): void {
  assertName('reservation', request.reservation);
  assertName('reason', request.reason);
  if (request.to !== undefined) assertName('to', request.to);
  if (request.limit !== undefined) assertWhole('limit', request.limit);
  if (request.entry) assertSpending(request.entry);
}

/** How what is denied is spelt: in another spelling it would match nothing. */
const denialValues: { readonly [kind in Denial['kind']]: RegExp } = {
  token: /^[0-9a-f]{64}$/,
  part: /^[0-9a-f]{64}$/,
  payment: /^[0-9a-f]{64}$/,
  key: /^[0-9a-f]{8}$/,
  'minted-before': /^\d{1,10}$/,
};

const denialNames: { readonly [kind in Denial['kind']]: string } = {
  token: 'a token id: 64 lower-case hex digits',
  part: 'a part: 64 lower-case hex digits',
  payment: 'a payment hash: 64 lower-case hex digits',
  key: 'a fingerprint: 8 lower-case hex digits',
  'minted-before': 'whole Unix seconds',
};

function assertDenial(denial: Denial): void {
  assertOneOf('kind', denial.kind, ['token', 'part', 'payment', 'key', 'minted-before']);
  if (!denialValues[denial.kind].test(denial.value)) throw new TypeError(`value: a denial of ${denial.kind} names ${denialNames[denial.kind]}`);
  assertWhole('expiresAt', denial.expiresAt);
}

function assertEntry(entry: LedgerEntry): void {
  assertOneOf('entry.kind', entry.kind, ['settled', 'received', 'earned', 'reversed', 'repeated']);
  assertName('entry.paymentHash', entry.paymentHash);
  assertMsat('entry.amountMsat', entry.amountMsat);
  assertSpending(entry);
}

function assertSpending(entry: Spending): void {
  assertWhole('entry.at', entry.at);
  for (const name of ['nonce', 'service', 'route', 'note'] as const) assertText(`entry.${name}`, entry[name]);
}

function assertQuery({ after, before, limit, newestFirst, paymentHash }: LedgerQuery): void {
  if (after !== undefined) assertWhole('after', after);
  if (before !== undefined) assertWhole('before', before);
  assertWhole('limit', limit);
  if (newestFirst !== undefined && typeof newestFirst !== 'boolean') throw new TypeError(`newestFirst: expected true or false, not ${typeof newestFirst}`);
  if (paymentHash !== undefined) assertName('paymentHash', paymentHash);
}

function assertName(name: string, value: unknown): void {
  assertText(name, value);
  if (value === '') throw new TypeError(`${name}: expected a text that is not empty`);
}

/** A NUL would end the text in some databases, and be refused by others. */
function assertText(name: string, value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(`${name}: expected a text, not ${typeof value}`);
  if (value.includes('\0')) throw new TypeError(`${name}: expected a text without NUL`);
}

function assertOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw new TypeError(`${name}: expected one of ${allowed.join(', ')}, not ${value}`);
}

function assertSeconds(name: string, value: unknown): void {
  if (!(typeof value === 'number' && value > 0 && value < 2 ** 40)) throw new RangeError(`${name}: expected a length in seconds above 0, not ${value}`);
}

function assertWhole(name: string, value: unknown): void {
  if (!(Number.isSafeInteger(value) && (value as number) >= 0)) throw new RangeError(`${name}: expected a whole number from 0, not ${value}`);
}

/** More than any amount of money, and few enough to be multiplied by one in any store. */
const mostUnits = 10n ** 20n;

function assertUnits(name: string, value: unknown): void {
  if (typeof value !== 'bigint') throw new TypeError(`${name}: a number of units is a bigint, not ${typeof value}`);
  if (value < 0n || value > mostUnits) throw new RangeError(`${name}: a number of units lies between 0 and 10^20: ${value}`);
}

function assertMsat(name: string, value: unknown): void {
  if (typeof value !== 'bigint') throw new TypeError(`${name}: an amount in msat is a bigint, not ${typeof value}`);
  if (value < 0n) throw new RangeError(`${name}: an amount is not negative: ${value}`);
}
