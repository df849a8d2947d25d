/**
 * A wallet of ln.bot: its calls, which all stand below its id, and what its answers have in common.
 *
 * Which wallet a key is of, ln.bot tells; it is asked once.
 *
 * @see ln.bot's API reference: GET /v1/me, GET /v1/wallets/{walletId}
 */
import { FareboxError } from '../../core/Errors.ts';
import { type Api, type Call, type Reply, refusal } from '../Api.ts';
import { Reading } from '../Reading.ts';

/** The product's name, as messages say it. */
export const product = 'ln.bot';

/** See the head of this file. */
export type Wallet = {
  /** A call below the wallet's id. */
  readonly call: (call: Call & { readonly signal: AbortSignal }) => Promise<Reply>;
  /** What it holds. @throws LIGHTNING_UNAVAILABLE – the wallet is not there */
  readonly state: (signal: AbortSignal) => Promise<Reading>;
  /** What there is at a path; undefined where the wallet is there and has none of it. */
  readonly find: (path: string, signal: AbortSignal) => Promise<Reading | undefined>;
  /** The entries of a list behind a number, in their order. */
  readonly listBehind: (path: string, number: bigint, signal: AbortSignal) => Promise<readonly Reading[]>;
};

/** Whether it is a key, by its looks. */
export function isKey(text: string): boolean {
  return /^(?:wk|uk)_[\x21-\x7e]{4,250}$/.test(text);
}

/** The wallet of the key that the API sends. */
export function createWallet(api: Api): Wallet {
  let known: string | undefined;
  const call: Wallet['call'] = async (asked) => {
    known ??= await idOf(api, asked.signal);
    return api.call({ ...asked, path: `/v1/wallets/${known}${asked.path}` });
  };
  const state: Wallet['state'] = async (signal) => {
    const reply = await call({ path: '', signal });
    if (reply.status !== 200) throw refusal(product, reply);
    return new Reading(product, reply.body);
  };
  return {
    call,
    state,
    find: async (path, signal) => {
      const reply = await call({ path, signal });
      if (reply.status === 200) return new Reading(product, reply.body);
      if (reply.status !== 404) throw refusal(product, reply);
      // Of a wallet that has gone, nothing is there either.
      await state(signal);
      return undefined;
    },
    listBehind: (path, number, signal) => listBehind(call, path, number, signal),
  };
}

/** The wallet that the key is of. An account has several, and its key may name none of them. */
async function idOf(api: Api, signal: AbortSignal): Promise<string> {
  const reply = await api.call({ path: '/v1/me', signal });
  if (reply.status !== 200) throw refusal(product, reply);
  const me = new Reading(product, reply.body);
  if (!me.has('walletId')) throw new FareboxError('LIGHTNING_UNAUTHORIZED', 'This key of ln.bot is of an account, not of a wallet. Use a wallet key (wk_…).');
  const id = me.text('walletId');
  if (!/^[\w-]{1,64}$/.test(id)) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'ln.bot names a wallet that cannot be asked for.');
  return id;
}

/** ln.bot lists by number, the newest first, so many at a time as it likes. */
async function listBehind(call: Wallet['call'], path: string, number: bigint, signal: AbortSignal): Promise<readonly Reading[]> {
  const found: Reading[] = [];
  for (let end: bigint | undefined; ; ) {
    // Most of the time there is nothing new, and the first of them shows it.
    const reply = await call({ path: `${path}?${end === undefined ? 'limit=10' : `limit=100&after=${end}`}`, signal });
    if (reply.status !== 200) throw refusal(product, reply);
    const page = new Reading(product, { page: reply.body }).list('page');
    for (const entry of page) {
      const at = entry.whole('number');
      if (end !== undefined && at >= end) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'ln.bot listed something out of order.');
      if (at <= number) return found.reverse();
      found.push(entry);
      end = at;
    }
    if (page.length === 0) return found.reverse();
  }
}
