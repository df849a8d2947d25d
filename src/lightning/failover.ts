/**
 * Several wallets of one owner as one that is paid: an invoice comes from the first that makes it, so that sales go on while a node is away.
 *
 * A wallet that failed three times in a row is set aside: the others are asked first, and it is asked who it is, by and by and behind the
 * buyers' backs, until it answers. Where all are set aside, all are asked as if none were. What became of an invoice, every wallet is
 * asked: one of them made it, and "never seen" is the answer of all of them or of none.
 */
import { type Clock, systemClock, within } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { watchesNothing } from './Driving.ts';
import type { CreatedInvoice, InvoiceRequest, InvoiceState, Receiver, ReceiverCapabilities } from './Lightning.ts';

/** How patient one is with a wallet. */
export type FailoverOptions = {
  /** How long a wallet may take for an invoice before the next is asked, in milliseconds; default 3,000. The last one has all the time there is. */
  readonly patienceMs?: number | undefined;
  /** How long after it was set aside a wallet is asked again who it is, in milliseconds; default 10,000. */
  readonly restMs?: number | undefined;
  readonly clock?: Clock | undefined;
};

/** So many failures in a row set a wallet aside. */
const maxFailures = 3;

/** A wallet, and how it has done lately. */
type Candidate = {
  readonly receiver: Receiver;
  /** In a row. */
  failures: number;
  /** It failed a moment ago, or is being asked: not to be asked whether it is back. */
  isLeftAlone: boolean;
  /** Calls off the end of that. */
  cancelRest: () => void;
};

/**
 * The wallets as one, in the order in which they are asked. It can do what all of them can, but for watching: watch each of them. Closing it
 * closes them. Nothing is sent before the first call.
 * @throws RangeError – no wallet, wallets of several networks, a length of time that is none
 * @example withFailover([createLndReceiver(…), createLnurlReceiver({ to: 'you@wallet.com' })])
 */
export function withFailover(receivers: readonly Receiver[], options: FailoverOptions = {}): Receiver {
  const { patienceMs = 3000, restMs = 10_000, clock = systemClock } = options;
  const [first] = receivers;
  if (first === undefined) throw new RangeError('withFailover takes one wallet at least');
  const { network } = first;
  if (receivers.some((one) => one.network !== network)) throw new RangeError('the wallets are not all on one network');
  for (const [name, value] of Object.entries({ patienceMs, restMs })) if (!(value > 0)) throw new RangeError(`${name} is more than 0, not ${value}`);
  const candidates = receivers.map((receiver): Candidate => ({ receiver, failures: 0, isLeftAlone: false, cancelRest: () => {} }));
  const closing = new AbortController();
  const patience = { clock, ms: patienceMs, late: () => new FareboxError('LIGHTNING_UNAVAILABLE', 'The wallet did not answer in time.') };

  const failed = (candidate: Candidate) => {
    candidate.failures += 1;
    if (candidate.failures < maxFailures) return;
    candidate.isLeftAlone = true;
    candidate.cancelRest();
    // By a timer: the time of day may be set back meanwhile.
    candidate.cancelRest = clock.after(restMs, () => {
      candidate.isLeftAlone = false;
    });
  };
  /** Asks a wallet that was set aside whether it is back; nobody waits for it. */
  const probe = async (candidate: Candidate): Promise<void> => {
    candidate.isLeftAlone = true;
    try {
      await within({ ...patience, signal: closing.signal }, (signal) => candidate.receiver.info(signal));
      candidate.failures = 0;
      candidate.isLeftAlone = false;
    } catch {
      if (!closing.signal.aborted) failed(candidate);
    }
  };
  const inOrder = (): readonly Candidate[] => {
    const aside = candidates.filter(({ failures }) => failures >= maxFailures);
    for (const one of aside) if (!one.isLeftAlone) void probe(one);
    return aside.length === 0 ? candidates : [...candidates.filter((one) => !aside.includes(one)), ...aside];
  };
  const createInvoice = async (request: InvoiceRequest, signal?: AbortSignal): Promise<CreatedInvoice> => {
    const order = inOrder();
    for (const [index, candidate] of order.entries()) {
      const isLast = index === order.length - 1;
      const ask = (either: AbortSignal | undefined) => candidate.receiver.createInvoice(request, either);
      try {
        const made = isLast ? await ask(signal) : await within({ ...patience, signal }, ask);
        candidate.failures = 0;
        return made;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof TypeError || error instanceof RangeError) throw error;
        failed(candidate);
        if (isLast) throw error;
      }
    }
    throw new TypeError('there is no wallet');
  };

  return {
    name: receivers.map(({ name }) => name).join('+'),
    network,
    capabilities: { ...common(receivers.map(({ capabilities }) => capabilities)), watch: false },
    createInvoice,
    lookupInvoice: (paymentHash, signal) => lookAll(receivers.map((one) => one.lookupInvoice(paymentHash, signal))),
    watchSettlements: () => watchesNothing('several wallets together'),
    info: async (signal) => firstOf(receivers.map((one) => one.info(signal))),
    canSpend: async (signal) => {
      const each = await Promise.all(receivers.map((one) => one.canSpend?.(signal)));
      return each.includes(true) ? true : each.includes(undefined) ? undefined : false;
    },
    close: async () => {
      closing.abort();
      for (const { cancelRest } of candidates) cancelRest();
      await Promise.all(receivers.map((one) => one.close()));
    },
  };
}

/** What all of them can. */
function common(each: readonly ReceiverCapabilities[]): ReceiverCapabilities {
  const all = (name: keyof ReceiverCapabilities) => each.every((one) => one[name]);
  return { lookup: all('lookup'), history: all('history'), watch: all('watch'), cancel: all('cancel'), msat: all('msat'), memo: all('memo') };
}

/** What the one that made the invoice says; `absent` where every one has never seen it. */
async function lookAll(asked: readonly Promise<InvoiceState>[]): Promise<InvoiceState> {
  const answers = await Promise.allSettled(asked);
  let trouble: unknown;
  for (const answer of answers) {
    if (answer.status === 'rejected') trouble ??= answer.reason;
    else if (answer.value.kind !== 'absent') return answer.value;
  }
  if (trouble !== undefined) throw trouble;
  return { kind: 'absent' };
}

/** The first in order that answers. @throws what the first threw, where none does */
async function firstOf<T>(asked: readonly Promise<T>[]): Promise<T> {
  const answers = await Promise.allSettled(asked);
  for (const answer of answers) if (answer.status === 'fulfilled') return answer.value;
  throw (answers[0] as PromiseRejectedResult).reason;
}
