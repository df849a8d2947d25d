/**
 * What lets one into a wallet, and what proves a payment, appears in no error of any driver, however it went wrong: not in its words, not in what it
 * was caused by, not in anything that hangs on it.
 */
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import { toHex } from '../../src/core/internal/bytes.ts';
import { parseHash } from '../../src/core/Preimage.ts';
import { conversationKey, sharedX } from '../../src/lightning/nwc/Encryption.ts';
import { publicKeyOf } from '../../src/lightning/nwc/Event.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import { runes } from './cln.ts';
import { keys } from './lnbits.ts';
import { walletKeys } from './lnbot.ts';
import { macaroons } from './lnd.ts';
import { createNodes } from './Node.ts';
import { secrets as connections } from './nwc.ts';
import { passwords } from './phoenixd.ts';
import { products } from './products.ts';
import { troubles } from './troubles.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const wrong: Readonly<Record<string, string>> = {
  lnd: 'deadbeef'.repeat(8),
  cln: 'c2VjcmV0'.repeat(8),
  lnbits: 'deadbeef'.repeat(4),
  phoenixd: 'a-password-that-was-guessed',
  lnbot: 'wk_guessed0123456789',
  nwc: 'deadbeef'.repeat(8),
};

/** What encrypts and decrypts with a connection's secret, in hex. */
function keysOf(secret: string): readonly string[] {
  const shared = sharedX(Buffer.from(secret, 'hex'), Buffer.from(publicKeyOf(Buffer.from(connections.wallet, 'hex')), 'hex'));
  return [shared, conversationKey(shared)].map(toHex);
}

describe.each(Object.entries(products))('%s', (name, product) => {
  const known = [
    ...Object.values(macaroons),
    ...Object.values(keys),
    ...Object.values(runes),
    ...Object.values(passwords),
    ...Object.values(walletKeys),
    ...Object.values(connections),
    ...[connections.sell, connections.pay, 'deadbeef'.repeat(8)].flatMap(keysOf),
    ...Object.values(wrong),
  ];
  const secrets = known.flatMap((secret) => [secret, Buffer.from(secret).toString('base64'), btoa(`:${secret}`)]).filter((secret) => secret.length > 4);

  /** Everything that its drivers say of a wallet in trouble. */
  async function saidBy(url: string, key: string | undefined, clock: FixedClock.FixedClock): Promise<string> {
    const place = { url, clock, network: 'regtest' } as const;
    const [receiver, payer] = [product.receiver(place, key), product.payer(place, key)];
    const { seller, close } = createNodes();
    closing.push(close, receiver.close, payer.close);
    const { text, paymentHash } = await seller.create(50_000n, 'x', 600);
    const hash = parseHash(paymentHash);
    const calls = [
      () => receiver.info(),
      () => receiver.createInvoice({ amountMsat: Amount.fromSat(50), description: 'x', expirySeconds: 600 }),
      () => receiver.lookupInvoice(hash),
      () => receiver.watchSettlements({ signal: new AbortController().signal })[Symbol.asyncIterator]().next(),
      () => receiver.canSpend?.(),
      () => receiver.receivable?.(),
      () => payer.pay({ invoice: text, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 5 }),
      () => payer.trackPayment(hash),
      () => payer.balance(),
    ];
    const said: string[] = [inspect(receiver, { depth: 10, showHidden: true }), inspect(payer, { depth: 10, showHidden: true })];
    for (const call of calls) {
      try {
        said.push(inspect(await call(), { depth: 10 }));
      } catch (error) {
        said.push(inspect(error, { depth: 20, showHidden: true }), String(error), JSON.stringify(error));
      }
    }
    return said.join('\n');
  }

  it.each([...troubles, 'nobody there', 'a key that lets nobody in'])('says no secret in the face of %s', async (trouble) => {
    const nodes = createNodes();
    const double = await product.open(
      nodes.seller,
      troubles.find((one) => one === trouble),
    );
    closing.push(nodes.close, double.close);
    if (trouble === 'nobody there') await double.setDown(true);
    const said = await saidBy(double.url, trouble === 'a key that lets nobody in' ? wrong[name] : undefined, nodes.clock);
    expect(said.length).toBeGreaterThan(500);
    for (const secret of secrets) expect(said).not.toContain(secret);
    if (trouble === 'nobody there') await double.setDown(false);
  });
});
