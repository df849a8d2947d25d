/**
 * gRPC on both ends of a gateway, by `@grpc/grpc-js` with a generated service: a server that does as its words say, and a client.
 *
 * Words of a call: `fail 5` ends it with that status, `wait` leaves it open until it is cancelled, `meta` sends metadata ahead, and every other one
 * is said back with an exclamation mark.
 */
import type { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Closing } from './harness.ts';

/** A message. */
export type Text = { readonly text: string; readonly data?: Buffer };

/** A client of the service. */
export type Stub = grpc.Client & {
  readonly one: (word: Text, metadata: grpc.Metadata, options: object, done: (error: grpc.ServiceError | null, answer: Text) => void) => grpc.ClientUnaryCall;
  readonly many: (words: Text, metadata?: grpc.Metadata, options?: object) => grpc.ClientReadableStream<Text>;
  readonly collect: (
    metadata: grpc.Metadata,
    options: object,
    done: (error: grpc.ServiceError | null, answer: Text) => void,
  ) => grpc.ClientWritableStream<Text>;
  readonly talk: (metadata?: grpc.Metadata, options?: object) => grpc.ClientDuplexStream<Text, Text>;
};

/** A call as its server saw it. */
export type SeenCall = { readonly kind: string; readonly metadata: grpc.Metadata; readonly deadline: grpc.Deadline; readonly cancelled: Promise<void> };

/** A server that listens. */
export type Translator = {
  readonly port: number;
  readonly seen: SeenCall[];
  /** Resolves with the call of that number, from 1. */
  readonly call: (number: number) => Promise<SeenCall>;
  readonly stop: () => void;
};

const definition = loadSync(fileURLToPath(new URL('./translator.proto', import.meta.url)), { keepCase: true, defaults: true });
const service = definition['farebox.test.Translator'] as grpc.ServiceDefinition;

/** What was said in trailers by whoever ended a call. */
export const trailer = ['x-spent', '3 µs'] as const;

/** Starts a server. */
export async function openTranslator(closing: Closing, credentials = grpc.ServerCredentials.createInsecure()): Promise<Translator> {
  const seen: SeenCall[] = [];
  const watchers = new Set<() => void>();
  const see = (kind: string, call: EventEmitter & Pick<grpc.ServerUnaryCall<Text, Text>, 'metadata' | 'getDeadline'>) => {
    const cancelled = new Promise<void>((resolve) => call.on('cancelled', () => resolve()));
    seen.push({ kind, metadata: call.metadata, deadline: call.getDeadline(), cancelled });
    for (const watcher of watchers) watcher();
  };
  const ending = () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-spent-bin', Buffer.from(trailer[1]));
    metadata.set('x-plain', 'yes');
    return metadata;
  };
  /** Does what a word says; false: nothing more is to be said. */
  const act = (word: string, call: grpc.ServerWritableStream<Text, Text> | grpc.ServerDuplexStream<Text, Text>): boolean => {
    const [verb, code] = word.split(' ');
    if (verb === 'fail') {
      call.emit('error', { code: Number(code), details: `failed: ${code} – as asked`, metadata: ending() });
      return false;
    }
    if (verb === 'wait') return false;
    if (verb === 'meta') call.sendMetadata(metadataOf({ 'x-early': '1' }));
    else call.write({ text: `${word}!` });
    return true;
  };
  const server = new grpc.Server();
  server.addService(service, {
    One: (call: grpc.ServerUnaryCall<Text, Text>, done: grpc.sendUnaryData<Text>) => {
      see('one', call);
      const { text, data } = call.request;
      const [verb, code] = text.split(' ');
      if (verb === 'fail') done({ code: Number(code), details: `failed: ${code} – as asked`, metadata: ending() });
      else if (verb !== 'wait') done(null, { text: `${text}!`, ...(data && { data }) }, ending());
    },
    Many: (call: grpc.ServerWritableStream<Text, Text>) => {
      see('many', call);
      for (const word of call.request.text.split(',')) if (!act(word, call)) return;
      call.end(ending());
    },
    Collect: async (call: grpc.ServerReadableStream<Text, Text>, done: grpc.sendUnaryData<Text>) => {
      see('collect', call);
      const parts: string[] = [];
      try {
        for await (const { text } of call as AsyncIterable<Text>) parts.push(text);
      } catch {
        return;
      }
      done(null, { text: parts.join('+') }, ending());
    },
    Talk: (call: grpc.ServerDuplexStream<Text, Text>) => {
      see('talk', call);
      call.on('error', () => {});
      call.on('data', ({ text }: Text) => act(text, call));
      call.on('end', () => call.end(ending()));
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  closing.push(() => server.forceShutdown());
  const call = (number: number) =>
    new Promise<SeenCall>((resolve) => {
      const look = () => {
        const one = seen[number - 1];
        if (one) resolve(one);
      };
      watchers.add(look);
      look();
    });
  return { port, seen, call, stop: () => server.forceShutdown() };
}

/** Opens a client of the service behind this port. */
export function openStub(
  closing: Closing,
  port: number,
  options: { readonly interceptors?: readonly grpc.Interceptor[]; readonly credentials?: grpc.ChannelCredentials } = {},
): Stub {
  const Client = grpc.makeGenericClientConstructor(service, 'farebox.test.Translator');
  const { credentials, interceptors = [] } = options;
  const channel = {
    // Of its own: others may lead to the same port later on.
    'grpc.use_local_subchannel_pool': 1,
    ...(credentials && { 'grpc.ssl_target_name_override': 'localhost' }),
  };
  const stub = new Client(`127.0.0.1:${port}`, credentials ?? grpc.credentials.createInsecure(), {
    interceptors: [...interceptors],
    ...channel,
  }) as unknown as Stub;
  closing.push(() => stub.close());
  return stub;
}

/** What came of a call, whole. */
export type Outcome = {
  readonly code: grpc.status;
  readonly details: string;
  readonly messages: readonly string[];
  /** Metadata ahead of the messages. */
  readonly metadata: grpc.Metadata;
  /** Metadata behind them. */
  readonly trailers: grpc.Metadata;
};

/** Follows a call to its end. */
export async function follow(call: grpc.ClientReadableStream<Text> | grpc.ClientDuplexStream<Text, Text>): Promise<Outcome> {
  const messages: string[] = [];
  let metadata = new grpc.Metadata();
  call.on('metadata', (received: grpc.Metadata) => {
    metadata = received;
  });
  call.on('data', ({ text }: Text) => messages.push(text));
  call.on('error', () => {});
  // Not by `once`, which an error ends.
  const status = await new Promise<grpc.StatusObject>((resolve) => call.once('status', resolve));
  return { code: status.code, details: status.details, messages, metadata, trailers: status.metadata };
}

/** A unary call to its end. */
export function askOne(stub: Stub, word: string | Text, given: Readonly<Record<string, string>> = {}, options: object = {}): Promise<Outcome> {
  const message = typeof word === 'string' ? { text: word } : word;
  return wholeOf((done) => stub.one(message, metadataOf(given), options, done));
}

/** Several messages as one call with one answer. */
export function collect(stub: Stub, words: readonly string[], given: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return wholeOf((done) => {
    const call = stub.collect(metadataOf(given), {}, done);
    for (const text of words) call.write({ text });
    call.end();
    return call;
  });
}

export function metadataOf(values: Readonly<Record<string, string>>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, name.endsWith('-bin') ? Buffer.from(value) : value);
  return metadata;
}

async function wholeOf(
  start: (done: (error: grpc.ServiceError | null, answer: Text) => void) => grpc.ClientUnaryCall | grpc.ClientWritableStream<Text>,
): Promise<Outcome> {
  const messages: string[] = [];
  let metadata = new grpc.Metadata();
  let status: grpc.StatusObject | undefined;
  await new Promise<void>((resolve) => {
    const call = start((error, answer) => {
      if (!error) messages.push(answer.text);
      setImmediate(resolve);
    });
    call.on('metadata', (received: grpc.Metadata) => {
      metadata = received;
    });
    call.on('status', (received: grpc.StatusObject) => {
      status = received;
    });
  });
  const { code, details, metadata: trailers } = status as unknown as grpc.StatusObject;
  return { code, details, messages, metadata, trailers };
}
