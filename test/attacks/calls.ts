/**
 * Calls of gRPC for the thief: what a paid one comes to, in a shop that sells them.
 */
import { type Metadata, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { type Frame, flags, frames, openFrames } from '../gateway/frames.ts';
import { askOne, follow, metadataOf, type Outcome } from '../gateway/grpc.ts';
import { openGrpcShop } from '../gateway/grpcShop.ts';
import { type Closing, openRaw, openStage } from '../gateway/harness.ts';

type GrpcShop = Awaited<ReturnType<typeof openGrpcShop>>;

/** What a call was charged, as it says itself, wherever it says it. */
export function chargeOf({ metadata, trailers }: Outcome): readonly unknown[] {
  return [...metadata.get('l402-payment'), ...trailers.get('l402-payment')];
}

/** Statuses that say that the server failed; each before it brought anything, alone and behind metadata. */
const failures = [4, 8, 13, 14].flatMap((code) => [`fail ${code}`, `meta,fail ${code}`]);

/** A payment that buys one stream, of these words. */
function streams(shop: GrpcShop, authorization: string) {
  return (text: string) => follow(shop.stub.many({ text }, metadataOf({ authorization })));
}

async function buyStream(shop: GrpcShop): Promise<string> {
  return shop.pay(await follow(shop.stub.many({ text: 'a' })));
}

/** Row 17. */
export function testBurntCalls(closing: Closing): void {
  test('every failure, one after the other, on one payment: none is charged, and the answer at the end is, once', async () => {
    const shop = await openGrpcShop(closing);
    const ask = streams(shop, await buyStream(shop));
    for (const words of failures.flatMap((failure) => Array<string>(4).fill(failure))) {
      const got = await ask(words);
      expect([words, got.code, chargeOf(got)]).toEqual([words, Number(words.split(' ')[1]), ['not-charged']]);
    }
    expect(await ask('a')).toMatchObject({ code: status.OK, messages: ['a!'] });
    await shop.ended('delivered');
    expect((await ask('a')).details).toBe('payment required');
    expect(await shop.ledger()).toEqual(['received', 'earned']);
  });

  test('what the server refuses for a reason of the call is answered, and is not served as well', async () => {
    const shop = await openGrpcShop(closing);
    const ask = streams(shop, await buyStream(shop));
    const got = await ask('fail 5');
    expect([got.code, chargeOf(got)]).toEqual([status.NOT_FOUND, ['charged']]);
    expect((await ask('a')).details).toBe('payment required');
  });

  test.each(['a,fail 13', 'a,fail 14'])('a stream that breaks is given back, and what was given back is served whole once: %s', async (words) => {
    const shop = await openGrpcShop(closing);
    const ask = streams(shop, await buyStream(shop));
    expect((await ask(words)).messages).toEqual(['a!']);
    await Promise.race([shop.ended('released upstream-broke'), shop.ended('delivered')]);
    expect(shop.told).toContain('released upstream-broke');
    expect(await ask('a')).toMatchObject({ code: status.OK, messages: ['a!'] });
    await shop.ended('delivered');
    expect((await ask('a')).details).toBe('payment required');
    expect(await shop.ledger()).toEqual(['received', 'earned', 'reversed', 'earned']);
  });

  test('a page in place of an answer is none', async () => {
    const shop = await openGrpcShop(closing, { upstream: await openPage(closing) });
    const authorization = await shop.buy();
    for (let i = 0; i < 4; i++) expect(chargeOf(await askOne(shop.stub, 'a', { authorization }))).toEqual(['not-charged']);
    expect(await shop.ledger()).toEqual(['received']);
  });
}

/** An upstream that speaks HTTP/2 and no gRPC. */
async function openPage(closing: Closing): Promise<number> {
  const { createServer } = await import('node:http2');
  const server = createServer((_, response) => response.end('<p>Hello</p>'));
  const sessions = new Set<{ destroy: () => void }>();
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

/** Row 22. */
export function testGarbageCalls(closing: Closing): void {
  test('metadata that is no credential costs neither an invoice nor a look into the books', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await shop.buy();
    const before = shop.invoices();
    await shop.store.close();
    const forged = (name: string, value: string) => [name, value] as const;
    const [, token = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(authorization) ?? [];
    const macaroon = Buffer.from(token, 'base64').toString('hex');
    for (const [name, value] of [
      forged('authorization', `L402 ${token}:${'00'.repeat(32)}`),
      forged('authorization', `L402 ${token}`),
      forged('authorization', `LSAT x:${preimage}`),
      forged('macaroon', macaroon),
      forged('macaroon', 'zz'),
      forged('grpc-metadata-macaroon', `${macaroon}00`),
      forged('token', macaroon),
      forged('token', '0201ffff'),
    ]) {
      const got = await askOne(shop.stub, 'a', { [name]: value });
      expect([name, value, got.code, got.trailers.get('www-authenticate').length]).toEqual([name, value, status.UNAUTHENTICATED, 1]);
      expect(got.trailers.get('www-authenticate')[0]).toMatch(/^L402 error="(?:CREDENTIAL|MACAROON)_[A-Z]+"$/);
    }
    expect([shop.invoices(), shop.server.seen.length]).toEqual([before, 0]);
  });
}

/** Row 26. */
export function testLeakedCalls(closing: Closing): void {
  test.each(['authorization', 'macaroon', 'token', 'grpc-metadata-macaroon', 'l402-authorization'])(
    'a credential in the metadata of a call: %s',
    async (name) => {
      const shop = await openGrpcShop(closing);
      const authorization = await shop.buy();
      const [, token = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(authorization) ?? [];
      const macaroon = Buffer.from(Macaroon.encode(Macaroon.attenuate(Macaroon.parse(token), [`preimage=${preimage}`]))).toString('hex');
      expect((await askOne(shop.stub, 'a', { [name]: name.endsWith('authorization') ? authorization : macaroon, 'x-own': '1' })).code).toBe(status.OK);
      const seen = shop.server.seen[0]?.metadata as Metadata;
      expect(seen.get('x-own')).toEqual(['1']);
      const said = JSON.stringify(seen.toJSON());
      for (const secret of [token, preimage, macaroon, macaroon.slice(0, 60)]) expect(said).not.toContain(secret);
      expect(said).not.toMatch(/l402|lsat|macaroon/i);
    },
  );
}

/** Row 41. */
export function testCutRequests(closing: Closing): void {
  test('a body that is cut off never ends, to an upstream over HTTP/2, as if it were whole', async () => {
    const seen: Frame[] = [];
    const begun = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const upstream = await openFrames(closing, (_, frame) => {
      seen.push(frame);
      if (frame.type === frames.data) begun.resolve();
      if (frame.type === frames.reset) over.resolve();
    });
    const stage = await openStage(closing, { upstream: 0, service: { upstream: { url: `http://127.0.0.1:${upstream.port}`, protocol: 'h2' } } });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n');
    await begun.promise;
    client.socket.destroy();
    await over.promise;
    expect(seen.filter(({ type, flags: flag }) => (type === frames.headers || type === frames.data) && (flag & flags.endStream) !== 0)).toEqual([]);
  });
}

/** Row 41. */
export function testCancelledCalls(closing: Closing): void {
  test('a call that is cancelled before it brought anything is given back three times, and no more', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await buyStream(shop);
    for (let time = 1; time <= 4; time++) {
      const call = shop.stub.many({ text: 'wait' }, metadataOf({ authorization }));
      call.on('error', () => {});
      const seen = await shop.server.call(time);
      call.cancel();
      await seen.cancelled;
      await (time <= 3 ? shop.ended('released client-left', time) : shop.ended('charged'));
    }
    expect((await streams(shop, authorization)('a')).details).toBe('payment required');
  });

  test('a deadline that passes at the server is the caller’s doing, three times and no more', async () => {
    const shop = await openGrpcShop(closing);
    const authorization = await buyStream(shop);
    const deadline = Date.now() + 3_600_000;
    for (let time = 1; time <= 4; time++) {
      const got = await follow(shop.stub.many({ text: 'fail 4' }, metadataOf({ authorization }), { deadline }));
      expect([got.code, chargeOf(got)]).toEqual([status.DEADLINE_EXCEEDED, [time <= 3 ? 'not-charged' : 'charged']]);
    }
    expect((await streams(shop, authorization)('a')).details).toBe('payment required');
  });
}
