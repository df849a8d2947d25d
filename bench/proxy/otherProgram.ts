/**
 * Proxies of others, each in a process of its own, out of a folder into which they were installed for the measurement.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serve } from '../harness/Program.ts';

/** Which, and where. */
export type OtherProgramOptions = { readonly name: string; readonly folder: string; readonly upstreamPort: number };

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

serve(async ({ name, folder, upstreamPort }: OtherProgramOptions) => {
  const target = `http://127.0.0.1:${upstreamPort}`;
  const { resolve } = createRequire(join(folder, 'package.json'));
  // biome-ignore lint/suspicious/noExplicitAny: packages that are not installed here have no types here
  const load = async (what: string): Promise<any> => import(pathToFileURL(resolve(what)).href);
  if (name === '@fastify/http-proxy') {
    const { default: fastify } = await load('fastify');
    const { default: proxy } = await load(name);
    const server = fastify();
    await server.register(proxy, { upstream: target, undici: { connections: 256, pipelining: 1 } });
    await server.listen({ port: 0, host: '127.0.0.1' });
    return { ready: { port: (server.server.address() as AddressInfo).port } };
  }
  const server = createServer(name === 'fast-proxy' ? await fastProxy(load, target) : await httpProxy(load, target));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { ready: { port: (server.address() as AddressInfo).port } };
});

// biome-ignore lint/suspicious/noExplicitAny: as above
async function fastProxy(load: (what: string) => Promise<any>, base: string): Promise<Handle> {
  const { default: create } = await load('fast-proxy');
  const { proxy } = create({ base, undici: { connections: 256, pipelining: 1 } });
  return (request, response) => proxy(request, response, request.url, {});
}

// biome-ignore lint/suspicious/noExplicitAny: as above
async function httpProxy(load: (what: string) => Promise<any>, target: string): Promise<Handle> {
  const { Agent } = await import('node:http');
  const { createProxyServer } = await load('http-proxy-3');
  const proxy = createProxyServer({ target, agent: new Agent({ keepAlive: true, maxSockets: 256 }) });
  return (request, response) => proxy.web(request, response);
}
