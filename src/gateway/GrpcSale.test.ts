import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { askOne, collect, follow, metadataOf } from '../../test/gateway/grpc.ts';
import { openGrpcShop } from '../../test/gateway/grpcShop.ts';
import { type Closing, closeAll } from '../../test/gateway/harness.ts';
import { createClient } from '../client/createClient.ts';
import { createGrpcInterceptor } from '../client/grpc.ts';
import * as Macaroon from '../core/Macaroon.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

describe('a call that is sold', () => {
  test('is asked for money by status 13, with the challenge as metadata, and served to who paid, once', async () => {
    const shop = await openGrpcShop(closing);
    const refused = await askOne(shop.stub, 'a');
    expect([refused.code, refused.details]).toEqual([status.INTERNAL, 'payment required']);
    const challenge = refused.trailers.get('www-authenticate').join(', ');
    expect(challenge).toMatch(/^LSAT macaroon="[^"]+", invoice="lnbcrt[^"]+", L402 macaroon="[^"]+", invoice="[^"]+", version="0", token="[^"]+"$/);
    expect(refused.trailers.get('l402-price')).toEqual(['1 sat']);
    expect(shop.server.seen).toEqual([]);
    const authorization = await shop.pay(refused);
    const got = await askOne(shop.stub, 'a', { authorization });
    expect([got.code, got.messages, got.metadata.get('l402-payment')]).toEqual([status.OK, ['a!'], ['charged']]);
    expect(got.metadata.get('payment-receipt')).toHaveLength(1);
    expect((await askOne(shop.stub, 'a', { authorization })).details).toBe('payment required');
    expect(await shop.ledger()).toEqual(['received', 'earned']);
  });

  test('an answer of trailers alone says there what was charged', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await shop.buy();
    const failed = await askOne(shop.stub, 'fail 14', { authorization });
    expect([failed.code, failed.trailers.get('l402-payment'), failed.trailers.get('payment-receipt')]).toEqual([status.UNAVAILABLE, ['not-charged'], []]);
    const got = await askOne(shop.stub, 'fail 5', { authorization });
    expect([got.code, got.trailers.get('l402-payment')]).toEqual([status.NOT_FOUND, ['charged']]);
  });

  test('every other refusal has a status of its own, and no invoice', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await shop.buy();
    const before = shop.invoices();
    const forged = await askOne(shop.stub, 'a', { authorization: authorization.replace(/[0-9a-f]{64}$/, '00'.repeat(32)) });
    expect([forged.code, forged.trailers.get('farebox-error')]).toEqual([status.UNAUTHENTICATED, ['CREDENTIAL_UNPAID']]);
    expect(forged.trailers.get('www-authenticate')).toEqual(['L402 error="CREDENTIAL_UNPAID"']);
    const malformed = await askOne(shop.stub, 'a', { authorization: 'L402 x' });
    expect([malformed.code, malformed.trailers.get('farebox-error')]).toEqual([status.UNAUTHENTICATED, ['CREDENTIAL_MALFORMED']]);
    const narrowed = narrow(authorization, 'method=GET');
    expect((await askOne(shop.stub, 'a', { authorization: narrowed })).code).toBe(status.PERMISSION_DENIED);
    expect([shop.invoices(), shop.server.seen.length]).toEqual([before, 0]);
    expect((await askOne(shop.stub, 'a', { authorization })).code).toBe(status.OK);
  });

  test('over a limit on minting: 8, and when to come back', async () => {
    const shop = await openGrpcShop(closing, { mintLimits: { perClientPerMinute: 2, perMinute: 100 } });
    for (let i = 0; i < 2; i++) expect((await askOne(shop.stub, 'a')).details).toBe('payment required');
    const got = await askOne(shop.stub, 'a');
    expect([got.code, got.trailers.get('retry-after').length, got.trailers.get('www-authenticate')]).toEqual([status.RESOURCE_EXHAUSTED, 1, []]);
  });

  test('without its store: 14, and nothing reaches the server', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await shop.buy();
    await shop.store.close();
    const got = await askOne(shop.stub, 'a', { authorization });
    expect([got.code, got.trailers.get('farebox-error'), shop.server.seen.length]).toEqual([status.UNAVAILABLE, ['STORE_UNAVAILABLE'], 0]);
  });

  test.each(['macaroon', 'token', 'grpc-metadata-macaroon'])('the credential may be a macaroon in hex: %s', async (name) => {
    const shop = await openGrpcShop(closing);
    const [, token = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(await shop.buy()) ?? [];
    const hex = Buffer.from(Macaroon.encode(Macaroon.attenuate(Macaroon.parse(token), [`preimage=${preimage}`]))).toString('hex');
    expect((await askOne(shop.stub, 'a', { [name]: hex })).code).toBe(status.OK);
    expect(shop.server.seen[0]?.metadata.getMap()).not.toHaveProperty(name);
  });

  test('while one call runs, the other is told to wait: 14, and when to come back', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await shop.buy('wait');
    const call = shop.stub.one({ text: 'wait' }, metadataOf({ authorization }), {}, () => {});
    const seen = await shop.server.call(1);
    const other = await askOne(shop.stub, 'a', { authorization });
    expect([other.code, other.trailers.get('retry-after'), other.trailers.get('farebox-error')]).toEqual([status.UNAVAILABLE, ['1'], ['CREDENTIAL_IN_USE']]);
    call.cancel();
    await seen.cancelled;
    await shop.ended('released client-left');
    expect((await askOne(shop.stub, 'a', { authorization })).code).toBe(status.OK);
  });
});

/** A credential with one caveat more. */
function narrow(authorization: string, caveat: string): string {
  const [, token = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(authorization) ?? [];
  return `L402 ${Macaroon.format(Macaroon.attenuate(Macaroon.parse(token), [caveat]))}:${preimage}`;
}

describe('our own client', () => {
  test('buys calls of every kind', async () => {
    const shop = await openGrpcShop(closing);
    const client = createClient({ payer: shop.payer, maxPerRequest: '60 sat' });
    const stub = shop.stubWith(createGrpcInterceptor(client, { origin: shop.stage.url }));
    expect(await askOne(stub, 'a')).toMatchObject({ code: status.OK, messages: ['a!'] });
    expect(await collect(stub, ['a', 'b'])).toMatchObject({ code: status.OK, messages: ['a+b'] });
    expect(await follow(stub.many({ text: 'a,b' }))).toMatchObject({ code: status.OK, messages: ['a!', 'b!'] });
    const talk = stub.talk();
    const outcome = follow(talk);
    for (const text of ['a', 'b']) talk.write({ text });
    talk.end();
    expect(await outcome).toMatchObject({ code: status.OK, messages: ['a!', 'b!'] });
    expect((await shop.ledger()).filter((kind) => kind === 'earned')).toHaveLength(4);
  });

  test('uses a pass for all its calls, and hears of a server that is away', async () => {
    const shop = await openGrpcShop(closing, { routes: [{ path: '/*', price: '1 sat', terms: 'pass 1h' }] });
    const client = createClient({ payer: shop.payer, maxPerRequest: '60 sat' });
    const stub = shop.stubWith(createGrpcInterceptor(client, { origin: shop.stage.url }));
    for (let i = 0; i < 3; i++) expect((await askOne(stub, 'a')).code).toBe(status.OK);
    expect((await shop.ledger()).filter((kind) => kind === 'received').length).toBeLessThanOrEqual(1);
    shop.server.stop();
    const got = await askOne(stub, 'a');
    expect([got.code, got.trailers.get('farebox-error')]).toEqual([status.UNAVAILABLE, ['UPSTREAM_UNREACHABLE']]);
  });
});
