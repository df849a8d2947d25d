/**
 * The service of `translator.proto`, as `@grpc/grpc-js` takes it.
 */
import { fileURLToPath } from 'node:url';
import type * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** What goes both ways. */
export type Sentence = { readonly text: string };

/** Its methods. */
export const service = loadSync(fileURLToPath(new URL('./translator.proto', import.meta.url)), { defaults: true })['shop.Translator'] as grpc.ServiceDefinition;

/** A client of it. */
export type Translator = grpc.Client & {
  readonly translate: (sentence: Sentence, done: (error: grpc.ServiceError | null, answer: Sentence) => void) => grpc.ClientUnaryCall;
  readonly follow: () => grpc.ClientDuplexStream<Sentence, Sentence>;
};
