/**
 * The buyer of a sale: a paying `fetch` with its journal in a file.
 */
import { createFetch, type Payment, paymentOf, resolvePayment, resumePayments, type Spending } from '../../../src/client/index.ts';
import { createSqliteClientStore } from '../../../src/client/sqlite.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import { createSandboxPayer } from '../../../src/lightning/sandbox.ts';
import { type Actor, idle, type Surroundings, stoodAround } from './Surroundings.ts';

/** Where it keeps its journal and finds its wallet. */
export type BuyerPlace = {
  readonly path: string;
  readonly sandbox: { readonly url: string; readonly token: string };
};

/** What is to be bought. */
export type Errand = {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly body?: string;
  /** Shown instead of what the buyer has: what somebody handed to it. */
  readonly authorization?: string;
  /** Told apart by it in `hangUp`. */
  readonly name: string;
};

/** What came of an errand. */
export type Brought =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** `L402-Payment` as the seller said it. */
      readonly charge: string | null;
      readonly paymentHash: string | undefined;
      readonly body: string;
      /** False: it broke off. */
      readonly whole: boolean;
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly paymentHash: string | undefined };

/** What the runner asks of it. */
export type BuyerActor = Actor & {
  readonly buy: (errand: Errand) => Promise<Brought>;
  /** Breaks off the errand of this name. */
  readonly hangUp: (name: string) => Promise<void>;
  /** Finds out what became of what an earlier process left behind. */
  readonly resume: () => Promise<void>;
  readonly journal: () => Promise<{ readonly payments: readonly Payment[]; readonly spending: Spending }>;
  /** What a person does after an overshoot, or after `stop`. */
  readonly allow: () => Promise<void>;
  /** What a person does who wants nothing to be paid. */
  readonly stop: () => Promise<void>;
  /** Puts a wide budget into the store, or takes it away. */
  readonly stand: (isThere: boolean) => Promise<void>;
  /** What a person does where the wallet cannot say: the proof from elsewhere. */
  readonly resolve: (paymentHash: string, preimage: string, feeMsat: bigint) => Promise<void>;
};

/** Opens the journal. */
export async function openBuyer({ path, sandbox }: BuyerPlace, { clock, reached, tell, around }: Surroundings): Promise<BuyerActor> {
  const store = stoodAround(createSqliteClientStore({ path, reached }), 'journal', ['reserve', 'dispatch', 'step', 'stopSpending', 'allowSpending'], around);
  const payer = stoodAround(createSandboxPayer({ ...sandbox, node: 'buyer', clock }), 'payer', ['pay', 'trackPayment'], around);
  const paying = createFetch({
    payer,
    maxPerRequest: '50 sat',
    store,
    clock,
    reached,
    onEvent: (event) => {
      if (event.kind === 'waiting') tell({ kind: 'waiting', ms: event.ms });
    },
    fetch: (url, init) => (around ? around('fetch.send', () => fetch(url, init)) : fetch(url, init)),
  });
  const errands = new Map<string, AbortController>();
  return {
    url: async () => '',
    idle,
    buy: async ({ url, method, body, authorization, name }) => {
      const stop = new AbortController();
      errands.set(name, stop);
      try {
        const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
        const response = await paying(url, { method, headers, ...(body === undefined ? {} : { body }), signal: stop.signal });
        const read = await readWhole(response);
        const charge = response.headers.get('L402-Payment');
        return { kind: 'answered', status: response.status, charge, paymentHash: paymentOf(response)?.paymentHash, ...read };
      } catch (error) {
        return failed(error);
      } finally {
        errands.delete(name);
      }
    },
    hangUp: async (name) => errands.get(name)?.abort(),
    resume: async () => void (await resumePayments({ payer, store, clock, reached })),
    journal: async () => ({ payments: await store.list(), spending: await store.spending() }),
    allow: () => store.allowSpending(),
    stop: () => store.stopSpending('Nothing is paid for a while.'),
    stand: async (isThere) => {
      if (isThere) await store.budgets.put({ name: 'house', limits: [{ per: 'day', max: '1 BTC' }] });
      else await store.budgets.remove('house');
    },
    resolve: async (paymentHash, preimage, fee) => void (await resolvePayment(store, paymentHash, { kind: 'settled', preimage, fee: fee as never }, clock)),
    close: async () => {
      await payer.close();
      await store.close();
    },
  };
}

/** The body, or as much of it as came. */
async function readWhole(response: Response): Promise<{ readonly body: string; readonly whole: boolean }> {
  const chunks: Uint8Array[] = [];
  const text = () => Buffer.concat(chunks).toString();
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk as Uint8Array);
    return { body: text(), whole: true };
  } catch {
    return { body: text(), whole: false };
  }
}

function failed(error: unknown): Brought {
  if (FareboxError.is(error)) {
    const { paymentHash } = error.details;
    return { kind: 'failed', code: error.code, message: error.message, paymentHash: typeof paymentHash === 'string' ? paymentHash : undefined };
  }
  const { name, message, cause } = error as Error & { cause?: { code?: string } };
  return { kind: 'failed', code: name === 'AbortError' ? 'HUNG_UP' : 'CONNECTION', message: `${message} ${cause?.code ?? ''}`, paymentHash: undefined };
}
