/**
 * The API that the demo sells: a small translation service that knows nothing of payments.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The demo's API, running. */
export type DemoApi = { readonly url: string; readonly close: () => Promise<void> };

/** Starts it on loopback, on any port that is free. */
export async function startApi(): Promise<DemoApi> {
  const server = createServer(answer);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const words: { readonly [target: string]: { readonly [text: string]: string } } = {
  de: { hello: 'hallo', world: 'Welt', 'thank you': 'danke', bread: 'Brot', water: 'Wasser' },
  es: { hello: 'hola', world: 'mundo', 'thank you': 'gracias', bread: 'pan', water: 'agua' },
  fr: { hello: 'bonjour', world: 'monde', 'thank you': 'merci', bread: 'pain', water: 'eau' },
};

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://api');
  const text = searchParams.get('text') ?? 'hello';
  const target = searchParams.get('target') ?? 'es';
  const known = words[target];
  if (pathname === '/api/v1/translate') {
    if (!known) return send(response, 400, { error: `no such language: ${target}; this API knows ${Object.keys(words).join(', ')}` });
    const translation = known[text.toLowerCase()];
    return translation === undefined
      ? send(response, 404, { error: `no translation for "${text}"` })
      : send(response, 200, { translation, source: 'en', target });
  }
  if (pathname === '/api/v1/premium') {
    const all = Object.fromEntries(Object.entries(words).map(([language, table]) => [language, table[text.toLowerCase()] ?? null]));
    return send(response, 200, { text, translations: all, quality: 'higher' });
  }
  const language = /^\/api\/v1\/words\/([a-z]{2})$/.exec(pathname)?.[1];
  if (language !== undefined && words[language]) return send(response, 200, words[language]);
  if (pathname === '/api/expensive-service') return send(response, 200, { data: 'worth every satoshi' });
  send(response, 404, { error: 'not found' });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
