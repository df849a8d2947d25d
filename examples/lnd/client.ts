/**
 * A program that buys out of an lnd node what a URL sells, within limits, and prints the answer.
 *
 * README.md beside it says what it needs. In a project of your own, `../../src/…` reads `farebox/client`, `farebox/client/sqlite` and
 * `farebox/lightning/lnd`.
 */
import { createFetch, paymentOf } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import { createLndPayer } from '../../src/lightning/lnd.ts';
import { inWords, kept, networkSetting, setting } from '../program.ts';

const url = process.argv[2] ?? 'http://127.0.0.1:3000/api/v1/translate';

// The wallet. The macaroon may pay: give it a node with no more in it than this program may lose.
const payer = createLndPayer({
  url: setting('LND_URL', 'the REST address of the node', 'https://127.0.0.1:8080'),
  certificatePath: process.env.LND_CERTIFICATE,
  macaroonPath: setting('LND_MACAROON', 'the file of a macaroon that may pay and look payments up'),
  network: networkSetting('LND_NETWORK'),
});

// What is paid stands in the store before the node is called, so that a crash never pays twice; what was bought is used again from there.
const store = createSqliteClientStore({ path: kept(`lnd-client-${payer.network}.db`) });
const fetch = createFetch({
  payer,
  store,
  // Fees count within both.
  maxPerRequest: setting('MAX_PER_REQUEST', 'the most that one call may cost', '60 sat'),
  maxTotal: setting('MAX_TOTAL', 'the most that all calls may cost together', '1000 sat'),
});

try {
  const response = await fetch(url);
  console.log(await response.text());
  console.log(inWords(response, paymentOf(response)));
} finally {
  await payer.close();
  await store.close();
}
