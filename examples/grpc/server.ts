/**
 * A service of gRPC that knows nothing of money: the gateway before it sells its calls. README.md beside it says how.
 */
import * as grpc from '@grpc/grpc-js';
import { setting, untilStopped } from '../program.ts';
import { type Sentence, service } from './translator.ts';

const words: Readonly<Record<string, string>> = { hello: 'hola', world: 'mundo', goodbye: 'adiós' };
const translate = ({ text }: Sentence): Sentence => ({ text: text.replace(/\w+/g, (word) => words[word] ?? word) });

const server = new grpc.Server();
server.addService(service, {
  translate: (call: grpc.ServerUnaryCall<Sentence, Sentence>, done: grpc.sendUnaryData<Sentence>) => done(null, translate(call.request)),
  follow: (call: grpc.ServerDuplexStream<Sentence, Sentence>) => {
    call.on('data', (sentence: Sentence) => call.write(translate(sentence)));
    call.on('end', () => call.end());
  },
});
const port = await new Promise<number>((resolve, reject) =>
  server.bindAsync(`127.0.0.1:${setting('PORT', 'where to listen', '50051')}`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
    error ? reject(error) : resolve(bound),
  ),
);
console.log(`A translator that speaks gRPC: http://127.0.0.1:${port}`);
await untilStopped();
server.forceShutdown();
