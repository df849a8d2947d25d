/**
 * An upstream that speaks gRPC in the clear and costs as little as it can: every unary call gets the same message of a kilobyte.
 */
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { serve } from '../harness/Program.ts';
import { grpcMessage } from './grpcMessage.ts';

const message = grpcMessage(1024);

serve(async () => {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(message);
    });
  });
  server.on('session', (session) => session.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { ready: { port: (server.address() as AddressInfo).port } };
});
