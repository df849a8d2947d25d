/**
 * The table of attacks: what must never work, a row each, numbered for good. A row has a test here (`NN-name.test.ts`), or waits for a
 * part that is still to come, or both: what can be tried today is tried, and the rest waits.
 *
 * Every row, in `docs/attacks.md` too; `npm run attacks` runs them.
 */

/** One row. */
export type Row = {
  readonly row: number;
  /** The attack, as one short sentence. */
  readonly what: string;
  /** Begins the names of the row's files here, such as `05-path-tricks`: `05-path-tricks.test.ts`, and the patches that take its defences out. */
  readonly test?: string;
  /** The program that tries it instead of a test here. */
  readonly triedBy?: string;
  /** The part of Farebox that the row, or the rest of it, waits for. */
  readonly waitsFor?: string;
};

const bulk = 'Selling in bulk, handing on, and state that many machines share';
const lightning = 'Lightning for real';
const hub = 'A directory of paid APIs';

/** Numbers that must all be in the table. */
export const lastRow = 50;

/** Every row, in order. */
export const rows: readonly Row[] = [
  { row: 1, what: "Terms of one's own, appended to a challenge that was not paid", test: '01-own-terms' },
  { row: 2, what: 'A token forged, corrupted, cut, stretched or a megabyte long', test: '02-forged-tokens' },
  { row: 3, what: 'A token without its preimage, with another one, or with the right one in another spelling', test: '03-preimages' },
  { row: 4, what: 'A cheap token on a dear route, another method, tenant or host', test: '04-another-route' },
  { row: 5, what: 'A path that is sold as one thing and read as another', test: '05-path-tricks' },
  { row: 6, what: 'A separator from a URL inside a caveat', test: '06-separators' },
  { row: 7, what: 'A caveat said twice, the second time wider', test: '07-repeated-caveats' },
  { row: 8, what: 'A time in the wrong unit', test: '08-units-of-time' },
  { row: 9, what: 'A token in another spelling, as if it were another token', test: '09-other-spellings' },
  { row: 10, what: 'One use asked for many times at the same instant, in one process and in several', test: '10-same-instant' },
  { row: 11, what: 'A use that is forgotten before its token expires', test: '11-replay-markers' },
  { row: 12, what: 'Two credentials in one request, one good and one forged', test: '12-two-credentials' },
  { row: 13, what: "A caveat of the bearer's own, reaching the upstream as the gateway's word", test: '13-bearers-words' },
  { row: 14, what: 'A price of zero, a changed price or a new capability that takes limits off tokens', test: '14-changed-offers' },
  { row: 15, what: "A session's opening, topping up or closing, used as a free request or twice", test: '15-top-ups', waitsFor: bulk },
  { row: 16, what: 'A payment for one account or amount, spent on another', test: '16-other-balances' },
  { row: 17, what: 'A failure of the upstream that burns the payment; a payment refunded and served', test: '17-burnt-payments', waitsFor: bulk },
  { row: 18, what: 'A crash between two steps of a sale', test: '18-lost-steps', triedBy: 'npm run crash, npm run crash:stores' },
  { row: 19, what: 'A usage report lost, sent twice or never settled', waitsFor: bulk },
  { row: 20, what: 'A price that changes between quote and redemption', waitsFor: bulk },
  { row: 21, what: 'A budget or store that is missing, read as "allowed"', test: '21-missing-stores', waitsFor: bulk },
  { row: 22, what: 'Garbage that costs a call to the node or the store', test: '22-garbage' },
  { row: 23, what: 'Strangers who have an invoice made for every request', test: '23-strangers' },
  { row: 24, what: 'An address that the client made up', test: '24-spoofed-addresses' },
  { row: 25, what: "A header of the client's that is believed", test: '25-believed-headers' },
  { row: 26, what: 'The credential, seen by the upstream', test: '26-leaked-credential' },
  { row: 27, what: 'A second request smuggled inside the first', test: '27-smuggling' },
  { row: 28, what: 'Bodies too large, heads and bodies too slow, connections that idle', test: '28-slow-and-large' },
  { row: 29, what: 'A change of configuration that stalls requests, or is stalled by one', test: '29-reloads' },
  { row: 30, what: 'An upstream that is not who it says', test: '30-upstream-tls', waitsFor: lightning },
  { row: 31, what: 'A request that the server is talked into sending to its own network', test: '31-own-network', waitsFor: hub },
  { row: 32, what: 'A secret in a log, an error, an event or a URL', test: '32-secrets' },
  { row: 33, what: "The operator's pages, reached by a stranger", test: '33-operators-pages' },
  { row: 34, what: 'An invoice that asks for more than was said', test: '34-dear-invoices' },
  { row: 35, what: 'Calls in parallel that overshoot a budget together', test: '35-parallel-budgets' },
  { row: 36, what: 'A redirect that takes the credential elsewhere', test: '36-redirects' },
  { row: 37, what: 'A payment whose proof is wrong, missing or late', test: '37-proofs' },
  { row: 38, what: 'A server that takes the money and asks again, fails or never ends', test: '38-greedy-servers' },
  { row: 39, what: 'A model that raises its own limit', test: '39-own-limits' },
  { row: 40, what: 'Bought with cheap inputs, redeemed with dear ones', test: '40-cheap-inputs' },
  { row: 41, what: 'Hanging up and provoking errors to be served for ever', test: '41-hanging-up' },
  { row: 42, what: "A part that learns its parent's secret, or shares a counter with its twin", test: '42-parts', waitsFor: bulk },
  { row: 43, what: "A stranger's top-up; counters made fresh by a new token", test: '43-strangers-top-ups' },
  { row: 44, what: 'A token bought on one network, presented on another', test: '44-other-networks' },
  { row: 45, what: 'Tokens hoarded at the floor of a surge; a surge driven by those who do not pay', waitsFor: bulk },
  { row: 46, what: 'A claim that is freed under an answer that is still going out', test: '46-running-claims' },
  { row: 47, what: 'A token served on after it was revoked; a good one refused because keys are exchanged', test: '47-revoked-tokens' },
  { row: 48, what: 'A tool call bought cheap and made dear, had for nothing, or made by a page', test: '48-paid-tools' },
  { row: 49, what: "An agent's wallet whose model does whatever it reads, reached by whoever likes", test: '49-obedient-agents' },
  { row: 50, what: "A payment page opened by somebody else's payment, or turned against whoever looks at it", test: '50-payment-pages' },
];
