/** The barest server of `node:http` that can be flooded: a kilobyte for every request, and nothing else. What it takes is what Node takes. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collected } from '../harness/Heap.ts';
import { serve } from '../harness/Program.ts';

const body = JSON.stringify({ text: 'x'.repeat(1000) });

serve(async () => {
  const server = createServer({ keepAliveTimeout: 65_000 }, (_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { ready: { port: (server.address() as AddressInfo).port }, answer: collected, close: () => server.closeAllConnections() };
});
