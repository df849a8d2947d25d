/**
 * Buys calls of gRPC with play money: one sentence, and a stream of them. README.md beside it says what it needs.
 *
 * In a project of your own, `../../src/…` reads `farebox`, `farebox/client`, `farebox/client/grpc` and `farebox/lightning/sandbox`.
 */
import * as grpc from '@grpc/grpc-js';
import { createGrpcInterceptor } from '../../src/client/grpc.ts';
import { createClient } from '../../src/client/index.ts';
import { Amount } from '../../src/index.ts';
import { createSandboxPayer } from '../../src/lightning/sandbox.ts';
import { sandboxSetting } from '../program.ts';
import { type Sentence, service, type Translator } from './translator.ts';

const origin = process.argv[2] ?? 'http://127.0.0.1:8402';

const payer = createSandboxPayer({ ...sandboxSetting(), node: 'grpc', openingMsat: Amount.parse('1000 sat') });
const client = createClient({ payer, maxPerRequest: '30 sat', maxTotal: '100 sat', onEvent: (event) => event.kind === 'paid' && console.log('paid') });
const Client = grpc.makeGenericClientConstructor(service, 'shop.Translator');
const interceptors = [createGrpcInterceptor(client, { origin })];
const translator = new Client(new URL(origin).host, grpc.credentials.createInsecure(), { interceptors }) as unknown as Translator;

const { text } = await new Promise<Sentence>((resolve, reject) =>
  translator.translate({ text: 'hello world' }, (error, answer) => (error ? reject(error) : resolve(answer))),
);
console.log(text);

const stream = translator.follow();
for (const sentence of ['hello', 'goodbye']) stream.write({ text: sentence });
stream.end();
for await (const sentence of stream as AsyncIterable<Sentence>) console.log(sentence.text);

translator.close();
await payer.close();
