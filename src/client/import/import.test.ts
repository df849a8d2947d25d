import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import * as Identifier from '../../core/Identifier.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import * as Preimage from '../../core/Preimage.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { answer } from '../../testing/LyingServer.ts';
import { openShop } from '../../testing/Shop.ts';
import { decodeApertureToken, importLnget, importLoop } from '../import.ts';
import { createMemoryClientStore, paymentOf } from '../index.ts';
import { listReceipts } from '../receipts.ts';

const root = mkdtempSync(join(tmpdir(), 'farebox-import-'));
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => rmSync(root, { recursive: true }));

type FileOptions = { readonly isPending?: boolean; readonly work?: Uint8Array; readonly caveats?: readonly string[]; readonly boundTo?: Preimage.PaymentHash };

/** A token file, written by the letter of the format and not by our reader. */
function fileOf(word: number, { isPending = false, work = new Uint8Array(), caveats = ['services=loop:0'], boundTo }: FileOptions = {}) {
  const preimage = Preimage.fromBytes(new Uint8Array(32).fill(word));
  const paymentHash = Preimage.hash(preimage);
  const identifier = Identifier.create(boundTo ?? paymentHash, '00000000', 1, new Uint8Array(Identifier.randomLength));
  const macaroon = Macaroon.encode(Macaroon.mint(Uint8Array.of(1), Identifier.encode(identifier), caveats));
  const numbers = Buffer.alloc(24);
  numbers.writeBigUInt64BE(1_000_000n, 0);
  numbers.writeBigUInt64BE(1_500n, 8);
  numbers.writeBigInt64BE(1_700_000_000_123_456_789n, 16);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(macaroon.length);
  const proof = isPending ? Buffer.alloc(32) : Buffer.from(preimage, 'hex');
  const bytes = Buffer.concat([length, macaroon, Buffer.from(paymentHash, 'hex'), proof, numbers, work]);
  return { bytes, preimage, paymentHash, token: Buffer.from(macaroon).toString('base64') };
}

function folderOf(name: string, files: { readonly [path: string]: Uint8Array }): string {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(root, name, path, '..'), { recursive: true });
    writeFileSync(join(root, name, path), bytes);
  }
  return join(root, name);
}

describe('a token file', () => {
  it('is read to the last byte, in its old form and in the one with room for a proof of work', () => {
    const { bytes, preimage, paymentHash, token } = fileOf(1);
    const expected = { token, paymentHash, preimage, paidMsat: 1_000_000n, feeMsat: 1500n, createdAt: 1_700_000_000 };
    expect(decodeApertureToken(bytes)).toEqual(expected);
    expect(decodeApertureToken(new Uint8Array([...bytes, ...new Uint8Array(12)]))).toEqual(expected);
    expect(decodeApertureToken(fileOf(1, { isPending: true }).bytes)).toEqual({ ...expected, preimage: undefined });
  });

  const { bytes } = fileOf(1);
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['an endless macaroon', Buffer.from('ffffffff', 'hex')],
    ['half of it', bytes.subarray(0, bytes.length / 2)],
    ['all but its last byte', bytes.subarray(0, -1)],
    ['a byte too much', Buffer.concat([bytes, Buffer.alloc(1)])],
    ['a proof of work', fileOf(1, { work: new Uint8Array(12).fill(1) }).bytes],
    ['another payment than its macaroon', fileOf(1, { boundTo: fileOf(2).paymentHash }).bytes],
    ['a preimage that proves nothing', Buffer.concat([bytes.subarray(0, -56), Buffer.alloc(32, 9), bytes.subarray(-24)])],
    ['more money than there is', Buffer.concat([bytes.subarray(0, -24), Buffer.alloc(8, 0xff), bytes.subarray(-16)])],
    ['a time before time', Buffer.concat([bytes.subarray(0, -8), Buffer.alloc(8, 0xff)])],
    ['a text', Buffer.from('{"macaroon":"AGIAJEem","preimage":"00"}'.repeat(9))],
  ])('with %s is refused', (_, wrong) => {
    expect(() => decodeApertureToken(wrong)).toThrow(expect.objectContaining({ code: 'IMPORT_MALFORMED' }));
  });

  it('of whatever bytes is read or refused, and never believed without its proof', () => {
    const damaged = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)).map(([at, byte]) => Uint8Array.from(bytes, (old, index) => (index === at ? byte : old)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (any) => {
        try {
          const { preimage, paymentHash } = decodeApertureToken(any);
          if (preimage !== undefined) expect(Preimage.proves(preimage, paymentHash)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'IMPORT_MALFORMED' });
        }
      }),
    );
  });
});

describe('an import', () => {
  it('of lnget takes each host’s token, once, and leaves the files as they are', async () => {
    const [paid, pending] = [fileOf(1), fileOf(2, { isPending: true })];
    const files = {
      'api.example.com/l402.token': paid.bytes,
      'localhost_8081/lsat.token': fileOf(3).bytes,
      'b.example.com_8443/l402.token.pending': pending.bytes,
      'c.example.com/l402.token': Buffer.from('nonsense'),
      'c.example.com/other.txt': Buffer.from('x'),
      'not a host/l402.token': fileOf(4).bytes,
      'readme.txt': Buffer.from('x'),
    };
    const folder = folderOf('lnget', files);
    const store = createMemoryClientStore();
    const options = { store, folder, network: 'bitcoin' } as const;
    const kinds = async () => Object.fromEntries((await importLnget(options)).map(({ origin, kind }) => [origin, kind]));
    expect(await kinds()).toEqual({
      '': 'unreadable',
      'https://api.example.com': 'imported',
      'https://b.example.com:8443': 'unpaid',
      'https://c.example.com': 'unreadable',
      'http://localhost:8081': 'imported',
    });
    expect(await kinds()).toMatchObject({ 'https://api.example.com': 'known', 'http://localhost:8081': 'known' });
    expect(await store.get(paid.paymentHash)).toMatchObject({ state: 'settled', usable: true, owner: '', token: paid.token, preimage: paid.preimage });
    expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: 0n, stoppedBy: undefined });
    expect(await listReceipts(store)).toEqual([]);
    for (const [path, bytes] of Object.entries(files)) expect(readFileSync(join(folder, path)).equals(bytes)).toBe(true);
    await expect(importLnget({ ...options, folder: join(folder, 'nowhere') })).rejects.toMatchObject({ code: 'IMPORT_MALFORMED' });
  });

  it.each<[string, 'dispatch' | 'step']>([
    ['its word that it begins', 'dispatch'],
    ['that was to be the end of it', 'step'],
  ])('that ends at %s is taken up by the next', async (_, moment) => {
    const store = createMemoryClientStore();
    const { bytes, paymentHash, preimage } = fileOf(7);
    const folder = folderOf(`broken-${moment}`, { 'l402.token': bytes });
    const gone = { ...store, [moment]: () => Promise.reject(new Error('the process is gone')) };
    const options = { folder, network: 'bitcoin', origin: 'https://swap.example.com' } as const;
    const clock = FixedClock.create();
    await expect(importLoop({ ...options, store: gone, clock })).rejects.toThrow('gone');
    clock.advance(15_000);
    expect(await importLoop({ ...options, store, clock })).toMatchObject([{ kind: 'imported' }]);
    expect(await store.get(paymentHash)).toMatchObject({ state: 'settled', usable: true, owner: '', preimage });
    expect(await importLoop({ ...options, store, clock })).toMatchObject([{ kind: 'known' }]);
  });

  it('of Loop’s token is shown to its server instead of a payment, whatever is asked for there', async () => {
    const shop = await openShop();
    closing.push(shop.close);
    const { bytes, paymentHash, preimage, token } = fileOf(5);
    const folder = folderOf('loop', { 'l402.token': bytes });
    expect(await importLoop({ store: shop.store, folder, network: 'sandbox', origin: `${shop.server.origin}/x` })).toMatchObject([{ kind: 'imported' }]);
    shop.server.handle(({ headers }, response) => (headers.authorization === `LSAT ${token}:${preimage}` ? answer(response) : shop.server.challenge(response)));
    for (const [path, method] of [
      ['/looprpc/terms', 'POST'],
      ['/looprpc/quote', 'GET'],
      ['/v1/translate?text=hello', 'GET'],
    ] as const) {
      const response = await shop.fetch(`${shop.server.origin}${path}`, { method });
      expect([response.status, paymentOf(response)]).toEqual([200, { paymentHash, amountMsat: 0n, feeMsat: 0n, reused: true }]);
    }
    expect(shop.payer.paid).toEqual([]);
    await expect(importLoop({ store: shop.store, folder, network: 'sandbox', origin: 'swap.example.com' })).rejects.toThrow(RangeError);
  });
});
