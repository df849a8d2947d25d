/**
 * A buyer that is killed: a paying `fetch` with its journal in a file and an lnd node as its wallet, eight purchases at a time, until it is asked to
 * end. Started again, it first finds out what became of the payments that it left behind.
 *
 *     node buyerProgram.ts '{"url": …, "journal": …, "wallet": …, "certificatePath": …, "macaroonPath": …, "atOnce": 8}'
 *
 * It tells of each answer in a line of JSON on standard output. SIGTERM: begins nothing more, uses up what was paid for, and ends with its journal.
 */
import { createFetch, resumePayments } from '../../../src/client/index.ts';
import { createSqliteClientStore } from '../../../src/client/sqlite.ts';
import { createLndPayer } from '../../../src/lightning/lnd.ts';

/** What it is started with. */
export type BuyerOptions = {
  readonly url: string;
  readonly journal: string;
  /** lnd's REST address, which may be that of something in between. */
  readonly wallet: string;
  readonly certificatePath: string;
  readonly macaroonPath: string;
  readonly atOnce: number;
};

const { url, journal, wallet, certificatePath, macaroonPath, atOnce } = JSON.parse(process.argv[2] ?? '') as BuyerOptions;
const store = createSqliteClientStore({ path: journal });
const payer = createLndPayer({ url: wallet, certificatePath, macaroonPath, network: 'regtest' });
const paying = createFetch({ payer, store, maxPerRequest: '60 sat' });
let isEnding = false;
process.on('SIGTERM', () => {
  isEnding = true;
});

const tell = (line: object) =>
  void process.stdout.write(`${JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Finds out what became of what an earlier process left behind. The wallet may be out of reach for the moment. */
async function resume(): Promise<void> {
  for (;;) {
    const resumed = await resumePayments({ payer, store }).catch(() => undefined);
    if (resumed !== undefined) return;
    await pause(200);
  }
}

/** Whatever is not at its end: payments whose end is not known, and credentials that were paid for and not used. */
async function open() {
  return (await store.list()).filter(
    ({ state, usable }) => state === 'reserved' || state === 'dispatched' || state === 'unknown' || (state === 'settled' && usable),
  );
}

/** Each purchase is for something of its own: what one of them does not know keeps no other from going on. */
let count = 0;
const nextUrl = () => `${url}/translate/${process.pid}-${count++}`;

async function work(): Promise<void> {
  while (!isEnding) {
    try {
      const response = await paying(nextUrl());
      const body = await response.text();
      tell({ kind: 'answer', status: response.status, whole: body === '{"translation":"hola"}' });
    } catch (error) {
      tell({ kind: 'failed', code: (error as { code?: string }).code ?? (error as Error).name });
      // Whoever is away needs a moment.
      await pause(100);
    }
  }
}

await resume();
tell({ kind: 'started' });
await Promise.all(Array.from({ length: atOnce }, work));
// A wallet that has never seen a payment has said the last word once the invoice cannot be paid any more.
for (let turn = 0; turn < 120; turn++) {
  await resume();
  const left = await open();
  if (left.length === 0) break;
  for (const { state, origin, path } of left) {
    if (state !== 'settled') continue;
    const response = await paying(origin + path).catch(() => undefined);
    await response?.arrayBuffer().catch(() => undefined);
  }
  await pause(1000);
}
const payments = await store.list();
tell({
  kind: 'journal',
  payments: payments.map(({ paymentHash, state, amountMsat, spentMsat, usable, note }) => ({ paymentHash, state, amountMsat, spentMsat, usable, note })),
});
await payer.close();
await store.close();
