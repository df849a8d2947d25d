/**
 * WebSockets over HTTP/2 to a server that others wrote, Hypercorn: from clients over HTTP/1.1 and HTTP/2, in the clear and over TLS.
 *
 * @see RFC 8441
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Closing, closeAll, openStage, recordSale, sellWith } from '../../gateway/harness.ts';
import { hashOf, long, openWebSocketOf, type Protocol, protocols, sendBack, writeCertificates } from '../../gateway/matrix.ts';
import * as Hypercorn from './Hypercorn.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));
const folders: Closing = [];
afterAll(() => closeAll(folders));

const python = Hypercorn.environment();

describe.skipIf(python === undefined)('Hypercorn', () => {
  const folder = writeCertificates(folders);
  const pair = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') };

  async function open(into: Protocol, out: 'h2' | 'h2c' | 'auto') {
    const port = await Hypercorn.start(closing, python as string, out === 'h2c' ? undefined : pair);
    const upstream =
      out === 'h2c' ? { url: `http://127.0.0.1:${port}`, protocol: 'h2' } : { url: `https://localhost:${port}`, protocol: out, ca: join(folder, 'ca.pem') };
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: 0, check: sellWith(sale), service: { upstream }, ...(into === 'h2' && { top: { tls: pair } }) });
    return { stage, sale };
  }

  describe.each(['h2', 'h2c', 'auto'] as const)('over %s', (out) => {
    test.each(protocols)('in %s: messages come back, and the close goes through', async (into) => {
      const { stage, sale } = await open(into, out);
      const back = await sendBack(await openWebSocketOf(closing, into, stage.port));
      expect(back).toEqual({ hash: hashOf(long), texts: ['first', 'last'], closed: ['4001', 'bye'] });
      expect(await sale.hears(/^end/)).toBe('end delivered');
    });
  });

  test('is reached by CONNECT, and its refusal is the answer', async () => {
    const { stage, sale } = await open('h1', 'h2c');
    const socket = new WebSocket(`${stage.url.replace('http', 'ws')}/live`);
    closing.push(() => socket.terminate());
    const [[response]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
    expect(response.headers['x-came-over']).toBe('2');
    socket.close();
    const refused = new WebSocket(`${stage.url.replace('http', 'ws')}/refused`);
    refused.on('error', () => {});
    const [, { statusCode }] = await once(refused, 'unexpected-response');
    expect(statusCode).toBe(403);
    expect(await sale.hears(/^head 403$/)).toBe('head 403');
  });
});
