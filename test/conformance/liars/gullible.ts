/**
 * A client that believes everything: the price that is named most cheaply, every word of the wallet, every redirect. What does not work is
 * paid for once more. Whoever is not robbed here cannot rob anybody.
 */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import type { FixedClock } from '../../../src/testing/FixedClock.ts';
import type { Liars, Way } from '../../../src/testing/index.ts';
import { patiently } from './buyer.ts';

/** How it pays: the last word of a wallet, if it says one. */
export type Paying = (request: {
  readonly invoice: string;
  readonly maxFeeMsat: string;
  readonly timeoutSeconds: number;
}) => Promise<{ readonly kind: string; readonly preimage?: string } | undefined>;

/** Takes it through all steps of a way. It pays from the liars' wallet where it is given no other. */
export async function robGullible(way: Way, liars: Liars, clock: FixedClock, pay: Paying = (request) => callWallet(request, liars, clock)): Promise<void> {
  for (const step of way.steps) {
    if (step.kind === 'later') clock.advance(step.seconds * 1000);
    else await patiently(buy(`${liars.url}/${way.name}/${step.path}`, pay, clock), liars, () => clock.timers() > 0 && clock.advance(100));
  }
}

type Answer = { readonly status: number; readonly headers: { readonly [name: string]: string | readonly string[] | undefined }; readonly body: string };

const mostTries = 3;
const mostHops = 70;
const patienceMs = 60_000;

async function buy(url: string, pay: Paying, clock: FixedClock): Promise<void> {
  for (let tries = 0; tries < mostTries; tries++) {
    const bare = await follow(url, {}, clock);
    const invoice = bare && invoiceIn(bare);
    if (!invoice || believedSat(bare, invoice) > 60n) continue;
    const preimage = await order(invoice, pay);
    const answer = preimage && (await follow(url, { authorization: `L402 ${tokenIn(bare)}:${preimage}` }, clock));
    if (answer && answer.status === 200 && answer.body === '{"ok":true}') return;
  }
}

/** Follows wherever it is sent, with all that it has. */
async function follow(url: string, headers: Record<string, string>, clock: FixedClock): Promise<Answer | undefined> {
  let at = url;
  for (let hops = 0; hops < mostHops; hops++) {
    const answer = await get(at, headers, clock).catch(() => undefined);
    const location = answer?.headers.location ?? /url=(.*)/.exec(String(answer?.headers.refresh))?.[1];
    if (typeof location !== 'string') return answer;
    at = new URL(location, at).href;
  }
  return undefined;
}

/** Reads to the end, however far that is. An answer in paid requests may be endless: that one is cut where no offer is that long. */
function get(url: string, headers: Record<string, string>, clock: FixedClock): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers, agent: false, insecureHTTPParser: true, maxHeaderSize: 64 * 1024 * 1024 }, (response) => {
      let [body, length] = ['', 0];
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length < 100_000) body += chunk.toString('latin1');
        if (response.statusCode === 200 && length > 100_000) request.destroy(new Error('enough'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: { ...hints, ...response.headers, ...response.trailers }, body }));
      response.on('error', reject);
    });
    let hints = {};
    request.on('information', ({ headers: early }) => {
      hints = { ...hints, ...early };
    });
    const callOff = clock.after(patienceMs, () => request.destroy(new Error('too late')));
    request.on('error', (error: Error & { readonly rawPacket?: Buffer }) => (error.rawPacket ? resolve(headIn(error.rawPacket)) : reject(error)));
    request.on('close', callOff);
    request.end();
  });
}

/** What it makes of a head that is none. */
function headIn(bytes: Buffer): Answer {
  const text = bytes.toString('latin1');
  const challenge = /WWW-Authenticate: (.*invoice="[^"]*")/is.exec(text)?.[1];
  return { status: 402, headers: { 'www-authenticate': challenge }, body: '' };
}

function invoiceIn({ headers, body }: Answer): string | undefined {
  return /invoice="?([^",\s]*)/.exec(String(headers['www-authenticate']))?.[1] ?? /"invoice":"([^"]*)"/.exec(body)?.[1];
}

function tokenIn({ headers }: Answer): string {
  return (/macaroon="?([^",\s]*)/.exec(String(headers['www-authenticate']))?.[1] ?? '').replace(/[^!-~]/g, '');
}

/** The lowest price that anything names; nothing where nothing does. */
function believedSat({ headers, body }: Answer, invoice: string): bigint {
  const named = [/"amount":(\d+)/.exec(body)?.[1], /^(\d+) sat/.exec(String(headers['l402-price']))?.[1]].flatMap((text) => (text ? [BigInt(text)] : []));
  const invoices = [...String(headers['www-authenticate']).matchAll(/invoice="([^"]*)"/g)].map(([, text = '']) => text);
  const prices = [...named, ...[invoice, ...invoices].map(satIn)];
  return prices.reduce((least, price) => (price < least ? price : least));
}

/** As 64 bits hold it, and satoshis where there is no multiplier. */
function satIn(invoice: string): bigint {
  const [, digits = '0', multiplier = ''] = /^ln[a-z]+?(\d*)([munp]?)1[^1]*$/.exec(invoice) ?? [];
  const msat = { '': 1000n, m: 100_000_000n, u: 100_000n, n: 100n, p: 1n }[multiplier] ?? 0n;
  return BigInt.asUintN(64, (BigInt(digits || '0') * msat) / (multiplier === 'p' ? 10n : 1n)) / 1000n;
}

/** Pays until the wallet says that it has; shows whatever it is given for a proof. */
async function order(invoice: string, pay: Paying): Promise<string | undefined> {
  for (let tries = 0; tries < mostTries; tries++) {
    const said = await pay({ invoice, maxFeeMsat: '10000', timeoutSeconds: 60 });
    if (said?.kind === 'settled') return said.preimage ?? '00'.repeat(32);
    // For certain: it takes another invoice.
    if (said?.kind === 'failed') return undefined;
  }
  return undefined;
}

/** The last word that comes over the connection. */
function callWallet(request: object, liars: Liars, clock: FixedClock): ReturnType<Paying> {
  const { hostname, port } = new URL(liars.wallet.url);
  const body = JSON.stringify({ node: { name: 'wallet' }, ...request });
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    const callOff = clock.after(patienceMs, () => socket.destroy());
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      callOff();
      const last = text.slice(text.lastIndexOf('{'));
      resolve(/^\{.*\}$/.test(last) ? JSON.parse(last) : undefined);
    });
    const head = ['POST /v1/pay HTTP/1.1', `Host: ${hostname}`, `Authorization: Bearer ${liars.wallet.token}`, 'Connection: close'];
    socket.write([...head, 'Content-Type: application/json', `Content-Length: ${body.length}`, '', body].join('\r\n'));
  });
}
