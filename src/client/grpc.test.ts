import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import * as Preimage from '../core/Preimage.ts';
import { shownBy } from '../testing/Offers.ts';
import { openShop, perRequest, type ShopOptions } from '../testing/Shop.ts';
import { createClient } from './createClient.ts';
import { createGrpcInterceptor } from './grpc.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const text = {
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: String,
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: String,
};
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/shop.Translator/${name}`,
  requestStream,
  responseStream,
  ...text,
});
const service = {
  one: method('one', false, false),
  many: method('many', false, true),
  collect: method('collect', true, false),
  talk: method('talk', true, true),
};

/** A paid server: each payment buys one call, and every call is asked for money by status and metadata. */
async function setup({ brokenBy, ...options }: ShopOptions & { readonly brokenBy?: grpc.status } = {}, terms: readonly string[] = perRequest) {
  const shop = await openShop(options);
  closing.push(shop.close);
  const seen: (string | undefined)[] = [];
  const used = new Set<string>();
  let isOpen = false;
  const gate: grpc.ServerInterceptor = (_, call) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next(
          new grpc.ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, proceed) => {
              const shown = shownBy(metadata.get('authorization')[0]?.toString());
              const paid = shown && Preimage.hash(shown.preimage);
              seen.push(paid);
              if (isOpen || (paid && !used.has(paid))) {
                if (paid && terms === perRequest) used.add(paid);
                return proceed(metadata);
              }
              const { token, invoice } = shop.server.offer({ caveats: terms });
              const asked = new grpc.Metadata();
              asked.add('www-authenticate', `LSAT macaroon="${token}", invoice="${invoice}"`);
              asked.add('www-authenticate', `L402 macaroon="${token}", invoice="${invoice}"`);
              call.sendStatus({ code: grpc.status.INTERNAL, details: 'payment required', metadata: asked });
            })
            .build(),
        ),
    });
  const server = new grpc.Server({ interceptors: [gate] });
  server.addService(service, {
    one: (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) =>
      call.request === 'broken' ? done({ code: brokenBy ?? grpc.status.NOT_FOUND, details: 'no such word' }) : done(null, `${call.request}!`),
    many: (call: grpc.ServerWritableStream<string, string>) => {
      for (const part of call.request.split(' ')) call.write(`${part}!`);
      call.end();
    },
    collect: async (call: grpc.ServerReadableStream<string, string>, done: grpc.sendUnaryData<string>) => {
      const parts: string[] = [];
      for await (const part of call) parts.push(part);
      done(null, parts.join('+'));
    },
    talk: (call: grpc.ServerDuplexStream<string, string>) => {
      call.on('data', (part: string) => call.write(`${part}!`));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  closing.push(() => server.forceShutdown());
  const client = createClient({ payer: shop.payer, clock: shop.clock, store: shop.store, maxPerRequest: '60 sat', ...options });
  const interceptor = createGrpcInterceptor(client, { origin: `http://127.0.0.1:${port}` });
  const Stub = grpc.makeGenericClientConstructor(service, 'shop.Translator');
  const stub = new Stub(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { interceptors: [interceptor] }) as unknown as Stub;
  closing.push(() => stub.close());
  const one = (word: string) =>
    new Promise<string>((resolve, reject) => stub.one(word, (error: grpc.ServiceError | null, answer: string) => (error ? reject(error) : resolve(answer))));
  return { ...shop, stub, one, seen, open: () => (isOpen = true) };
}

type Stub = grpc.Client & {
  readonly one: (word: string, done: (error: grpc.ServiceError | null, answer: string) => void) => grpc.ClientUnaryCall;
  readonly many: (words: string) => grpc.ClientReadableStream<string>;
  readonly collect: (done: (error: grpc.ServiceError | null, answer: string) => void) => grpc.ClientWritableStream<string>;
  readonly talk: () => grpc.ClientDuplexStream<string, string>;
};

async function all(stream: AsyncIterable<string>): Promise<string[]> {
  const parts: string[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe('the interceptor', () => {
  it('buys a unary call, with two attempts', async () => {
    const { one, seen, payer } = await setup();
    expect(await one('hello')).toBe('hello!');
    expect(seen).toEqual([undefined, payer.paid[0]?.paymentHash]);
  });

  it.each([
    [grpc.status.CANCELLED, 'spent'],
    [grpc.status.NOT_FOUND, 'spent'],
    [grpc.status.DEADLINE_EXCEEDED, 'given back'],
    [grpc.status.RESOURCE_EXHAUSTED, 'given back'],
    [grpc.status.INTERNAL, 'given back'],
    [grpc.status.UNAVAILABLE, 'given back'],
  ])('takes what status %i has cost for %s, as a gateway does', async (brokenBy, outcome) => {
    const { one, seen, payer } = await setup({ brokenBy });
    await expect(one('broken')).rejects.toMatchObject({ code: brokenBy });
    const paid = payer.paid[0]?.paymentHash;
    await one('broken').catch(() => {});
    expect(seen.slice(0, 3)).toEqual([undefined, paid, outcome === 'spent' ? undefined : paid]);
  });

  it('leaves what is free as it is, and the caller’s errors too', async () => {
    const { one, open, payer } = await setup();
    open();
    expect(await one('hello')).toBe('hello!');
    await expect(one('broken')).rejects.toMatchObject({ code: grpc.status.NOT_FOUND, details: 'no such word' });
    expect(payer.paid.length).toBe(0);
  });

  it('buys a stream of answers', async () => {
    const { stub, payer } = await setup();
    expect(await all(stub.many('a b c'))).toEqual(['a!', 'b!', 'c!']);
    expect(payer.paid.length).toBe(1);
  });

  it('buys a stream of questions, which are sent again', async () => {
    const { stub, payer } = await setup();
    const answer = await new Promise((resolve, reject) => {
      const call = stub.collect((error, said) => (error ? reject(error) : resolve(said)));
      for (const part of ['a', 'b', 'c']) call.write(part);
      call.end();
    });
    expect([answer, payer.paid.length]).toEqual(['a+b+c', 1]);
  });

  it('buys a conversation, question by question', async () => {
    const { stub, payer } = await setup();
    const call = stub.talk();
    const answers = call[Symbol.asyncIterator]();
    for (const word of ['a', 'b', 'c']) {
      call.write(word);
      expect((await answers.next()).value).toBe(`${word}!`);
    }
    call.end();
    expect((await answers.next()).done).toBe(true);
    expect(payer.paid.length).toBe(1);
  });

  it('shows a pass that is kept', async () => {
    const { one, seen, payer } = await setup({}, ['services=shop:0', 'shop_path=/shop.Translator/*', 'shop_valid_until=1800086400', 'shop_terms=pass']);
    await one('a');
    await one('b');
    expect([seen.map((paid) => paid !== undefined), payer.paid.length]).toEqual([[false, true, true], 1]);
  });

  it('ends a call with what the client says, and pays nothing then', async () => {
    const { one, payer } = await setup({ maxPerRequest: '10 sat' });
    await expect(one('hello')).rejects.toMatchObject({ code: grpc.status.FAILED_PRECONDITION, details: expect.stringContaining('50 sat') });
    const error = await one('hello').catch((thrown: grpc.ServiceError) => thrown);
    expect((error as grpc.ServiceError).metadata.get('farebox-error')).toEqual(['BUDGET_EXCEEDED']);
    expect(payer.paid.length).toBe(0);
  });

  it('refuses to buy what it could not send again', async () => {
    const { stub, payer } = await setup({ maxBodyBytes: 10 });
    const call = stub.talk();
    call.write('x'.repeat(11));
    await expect(all(call)).rejects.toMatchObject({ code: grpc.status.FAILED_PRECONDITION });
    expect(payer.paid.length).toBe(0);
  });

  it('lets go when the caller cancels', async () => {
    const { stub, payer } = await setup();
    const ended = new Promise((resolve) => {
      const call = stub.one('hello', (error) => resolve(error?.code));
      call.cancel();
    });
    expect(await ended).toBe(grpc.status.CANCELLED);
    expect(payer.paid.length).toBe(0);
  });
});
