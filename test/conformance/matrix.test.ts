/**
 * Every protocol in, every protocol out: bodies by their hashes, trailers, and WebSockets, through the gateway between servers and clients that are not
 * ours. A paid request goes the same way as a free one.
 */
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { askOne, collect, follow, openStub, openTranslator } from '../gateway/grpc.ts';
import { type Closing, closeAll, letThrough, openStage, recordSale, sellWith } from '../gateway/harness.ts';
import {
  certificates,
  expected,
  hashOf,
  kinds,
  long,
  openClientOf,
  openUpstreamBy,
  openWebSocketOf,
  protocols,
  sendBack,
  writeCertificates,
} from '../gateway/matrix.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** A gateway, over TLS where that is how requests come. */
function openGateway(protocol: string, upstream: object | string, folder: string, check = letThrough) {
  const tls = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') };
  return openStage(closing, { upstream: 0, check, service: { upstream }, ...(protocol === 'h2' && { top: { tls } }) });
}

describe.each(protocols)('in %s', (into) => {
  describe.each(protocols)('out %s', (out) => {
    test.each(kinds)('%s', async (kind) => {
      const folder = writeCertificates(closing);
      const upstream = await openUpstreamBy(closing, out, join(folder, 'ca.pem'));
      for (const sale of [undefined, recordSale()]) {
        const stage = await openGateway(into, upstream, folder, sale ? sellWith(sale) : letThrough);
        const ask = openClientOf(closing, into, stage.port);
        // Three at once, and one behind them.
        for (const one of [...(await Promise.all([ask(kind), ask(kind), ask(kind)])), await ask(kind)]) expect(one).toEqual(expected(kind));
        if (sale === undefined) continue;
        await stage.over(4);
        expect(sale.told.filter((told) => told === 'end delivered')).toHaveLength(4);
      }
    });

    test('upgrade', async () => {
      const folder = writeCertificates(closing);
      const upstream = await openUpstreamBy(closing, out, join(folder, 'ca.pem'));
      for (const sale of [undefined, recordSale()]) {
        const stage = await openGateway(into, upstream, folder, sale ? sellWith(sale) : letThrough);
        const back = await sendBack(await openWebSocketOf(closing, into, stage.port));
        expect(back).toEqual({ hash: hashOf(long), texts: ['first', 'last'], closed: ['4001', 'bye'] });
        if (sale !== undefined) expect(await sale.hears(/^end/)).toBe('end delivered');
      }
    });
  });
});

describe.each(['h2', 'h2c'] as const)('gRPC, in %s', (into) => {
  describe.each(['h2', 'h2c'] as const)('out %s', (out) => {
    async function open() {
      const folder = writeCertificates(closing);
      const pair = { cert_chain: Buffer.from(certificates.good as string), private_key: Buffer.from(certificates.serverKey as string) };
      const server = await openTranslator(closing, out === 'h2' ? grpc.ServerCredentials.createSsl(null, [pair]) : undefined);
      const url = `${out === 'h2' ? 'https' : 'http'}://localhost:${server.port}`;
      const stage = await openGateway(into, { url, protocol: 'h2', ...(out === 'h2' && { ca: join(folder, 'ca.pem') }) }, folder, sellWith(recordSale()));
      const credentials = into === 'h2' ? grpc.credentials.createSsl(Buffer.from(certificates.authority as string)) : undefined;
      return openStub(closing, stage.port, credentials && { credentials });
    }

    test('plain', async () => {
      const got = await askOne(await open(), { text: 'a', data: Buffer.alloc(1_000_000, 'y') });
      expect(got).toMatchObject({ code: grpc.status.OK, messages: ['a!'] });
      expect(got.trailers.get('x-spent-bin').map(String)).toEqual(['3 µs']);
    });

    test('upload stream', async () => {
      const words = Array.from({ length: 500 }, (_, index) => `word ${index}`);
      const got = await collect(await open(), words);
      expect(got).toMatchObject({ code: grpc.status.OK, messages: [words.join('+')] });
      expect(got.trailers.get('x-plain')).toEqual(['yes']);
    });

    test('download stream', async () => {
      const words = Array.from({ length: 500 }, (_, index) => `word ${index}`);
      const got = await follow((await open()).many({ text: words.join(',') }));
      expect(got).toMatchObject({ code: grpc.status.OK, messages: words.map((word) => `${word}!`) });
      expect(got.trailers.get('x-plain')).toEqual(['yes']);
    });

    test('both', async () => {
      const talk = (await open()).talk();
      const outcome = follow(talk);
      const words = Array.from({ length: 500 }, (_, index) => `word ${index}`);
      for (const text of words) talk.write({ text });
      talk.end();
      const got = await outcome;
      expect(got).toMatchObject({ code: grpc.status.OK, messages: words.map((word) => `${word}!`) });
      expect(got.trailers.get('x-plain')).toEqual(['yes']);
    });
  });
});
