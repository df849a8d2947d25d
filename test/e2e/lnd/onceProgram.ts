/**
 * A buyer that buys once, with its journal in a file and an lnd node as its wallet, and ends: started again and again, killed in between.
 *
 *     node onceProgram.ts '{"url": …, "journal": …, "wallet": …, "certificatePath": …, "macaroonPath": …, "timeoutSeconds": 5}'
 *
 * It tells of each step in a line of JSON on standard output, and at the end how the call ended and what its journal has.
 */
import { createFetch, paymentOf } from '../../../src/client/index.ts';
import { createSqliteClientStore } from '../../../src/client/sqlite.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import { createLndPayer } from '../../../src/lightning/lnd.ts';

/** What it is started with. */
export type OnceOptions = {
  readonly url: string;
  readonly journal: string;
  /** lnd's REST address, which may be that of something in between. */
  readonly wallet: string;
  readonly certificatePath: string;
  readonly macaroonPath: string;
  /** How long the wallet may take. */
  readonly timeoutSeconds: number;
};

const { url, journal, wallet, certificatePath, macaroonPath, timeoutSeconds } = JSON.parse(process.argv[2] ?? '') as OnceOptions;
const store = createSqliteClientStore({ path: journal });
const payer = createLndPayer({ url: wallet, certificatePath, macaroonPath, network: 'regtest' });
const tell = (line: object) =>
  void process.stdout.write(`${JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`);
const paying = createFetch({ payer, store, maxPerRequest: '60 sat', paymentTimeoutSeconds: timeoutSeconds, onEvent: tell });

const said = await paying(url).then(
  async (response) => ({ said: response.status, body: await response.text(), reused: paymentOf(response)?.reused === true }),
  (error: unknown) => ({ said: FareboxError.is(error) ? error.code : String(error) }),
);
const { spentMsat, heldMsat } = await store.spending();
tell({ kind: 'ended', ...said, spentMsat, heldMsat, payments: (await store.list()).map(({ paymentHash, state }) => ({ paymentHash, state })) });
await payer.close();
await store.close();
