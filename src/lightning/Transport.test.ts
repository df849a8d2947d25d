/**
 * Whom a pinned certificate lets us speak to, when files are read, and what is sent again.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { createServer as createPlain } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createRaw, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Exchange, NotSent, type Send } from './Api.ts';
import { createTransport, type TransportOptions } from './Transport.ts';

type Certificate = 'authority' | 'good' | 'otherHost' | 'expired' | 'selfSigned' | 'byServer';
const tls = JSON.parse(readFileSync(join(import.meta.dirname, '../../test/vectors/tls.json'), 'utf8')) as Readonly<Record<Certificate | 'serverKey', string>>;

const closing: (() => void)[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'transport-'));
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

async function listening(server: Server | ReturnType<typeof createPlain> | ReturnType<typeof createRaw>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A node that shows this certificate, and answers with the secret that it was shown. */
async function openNode(shown: Certificate): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer({ key: tls.serverKey, cert: tls[shown] }, (request, response) => void response.end(String(request.headers.secret)));
  return { url: `https://127.0.0.1:${await listening(server)}/`, server };
}

function transportOf(options: Partial<TransportOptions> = {}): Send {
  return createTransport({ product: 'it', secret: { name: 'word', text: 'open sesame' }, headers: (bytes) => ({ secret: bytes.toString() }), ...options });
}

const get = (url: string, more: Partial<Exchange> = {}): Exchange => ({ method: 'GET', url, headers: {}, body: undefined, isRepeatable: true, ...more });

async function ask(send: Send, exchange: Exchange): Promise<string> {
  let text = '';
  for await (const part of (await send(exchange, new AbortController().signal)).body) text += Buffer.from(part).toString();
  return text;
}

describe('a certificate that is pinned', () => {
  test.each<[string, Certificate, Certificate]>([
    ['shown itself, under a name that it does not have', 'selfSigned', 'selfSigned'],
    ['shown itself, though somebody else signed it', 'otherHost', 'otherHost'],
    ['of an authority, which signed what is shown', 'authority', 'otherHost'],
  ])('%s is believed', async (_, pinned, shown) => {
    const { url } = await openNode(shown);
    expect(await ask(transportOf({ certificate: tls[pinned] }), get(url))).toBe('open sesame');
  });

  test.each<[string, Certificate, Certificate]>([
    ['another', 'selfSigned', 'good'],
    ['another of the same authority', 'good', 'otherHost'],
    ['one that has expired', 'authority', 'expired'],
    ['one that a server signed, who may not', 'good', 'byServer'],
  ])('%s is not, and is shown no secret', async (_, pinned, shown) => {
    const { url, server } = await openNode(shown);
    let asked = 0;
    server.on('request', () => {
      asked += 1;
    });
    await expect(ask(transportOf({ certificate: tls[pinned] }), get(url))).rejects.toBeInstanceOf(NotSent);
    expect(asked).toBe(0);
  });

  test('that is not shown, or none where nobody vouches for the one that is, is said in words', async () => {
    const { url } = await openNode('selfSigned');
    await expect(ask(transportOf({ certificate: tls.good }), get(url))).rejects.toThrow('it shows another certificate than the one that is pinned');
    await expect(ask(transportOf(), get(url))).rejects.toThrow('it shows a certificate that nobody vouches for, and none is pinned');
  });

  test('in a file is read again once the node shows another, so that a new one needs no restart', async () => {
    const file = join(folder, 'tls.cert');
    writeFileSync(file, tls.selfSigned);
    const { url } = await openNode('good');
    const send = transportOf({ certificatePath: file });
    await expect(ask(send, get(url))).rejects.toBeInstanceOf(NotSent);
    writeFileSync(file, tls.good);
    expect(await ask(send, get(url))).toBe('open sesame');
  });
});

test('a secret in a file is read at the first call, and again after it could not be', async () => {
  const path = join(folder, 'secret');
  const { url } = await openNode('selfSigned');
  const send = transportOf({ certificate: tls.selfSigned, secret: { name: 'word', path } });
  await expect(ask(send, get(url))).rejects.toThrow('the file of its word cannot be read (ENOENT)');
  writeFileSync(path, '');
  await expect(ask(send, get(url))).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
  writeFileSync(path, 'from a file');
  expect(await ask(send, get(url))).toBe('from a file');
});

describe('a connection that had been idle and ends as it is used', () => {
  /** Answers the first request of a connection, and ends it at the second; counts what it read. */
  async function openTired() {
    const read: string[] = [];
    const serve = (socket: Socket) => {
      let requests = 0;
      socket
        .on('error', () => {})
        .on('data', (data) => {
          read.push(String(data).split('\r\n', 1)[0] ?? '');
          requests += 1;
          if (requests > 1) socket.resetAndDestroy();
          else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        });
    };
    return { url: `http://127.0.0.1:${await listening(createRaw(serve))}`, read };
  }

  test('is followed by a new one where asking twice does no harm', async () => {
    const { url, read } = await openTired();
    const send = transportOf();
    expect(await ask(send, get(`${url}/first`))).toBe('ok');
    expect(await ask(send, get(`${url}/second`))).toBe('ok');
    expect(read).toEqual(['GET /first HTTP/1.1', 'GET /second HTTP/1.1', 'GET /second HTTP/1.1']);
  });

  test('is an error where it could do harm: a payment goes out once', async () => {
    const { url, read } = await openTired();
    const send = transportOf();
    await ask(send, get(`${url}/first`));
    const failed = ask(send, get(`${url}/pay`, { method: 'POST', body: '{}', isRepeatable: false }));
    await expect(failed).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(failed).rejects.not.toBeInstanceOf(NotSent);
    expect(read.filter((line) => line.includes('/pay'))).toHaveLength(1);
  });
});

test.each<[string, Partial<TransportOptions>]>([
  ['no secret', { secret: { name: 'word' } }],
  ['two secrets', { secret: { name: 'word', text: 'x', path: 'y' } }],
  ['two certificates', { certificate: tls.good, certificatePath: 'tls.cert' }],
  ['a certificate that is none', { certificate: 'x' }],
])('%s is refused before anything is sent', (_, options) => {
  expect(() => transportOf(options)).toThrow(RangeError);
});
