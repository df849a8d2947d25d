/**
 * TLS in front of a gateway: what is offered, what is shown, and how it is exchanged while requests go on.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { type RequestOptions, request as send } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { type Closing, closeAll, openStage, openUpstream, read, valuesOf } from '../../test/gateway/harness.ts';
import { askHttp2 } from '../../test/gateway/http2.ts';
import { createConfig } from './Config.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/tls.json', import.meta.url), 'utf8')) as Record<string, string>;

/** A folder with a pair of files. */
function openFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-tls-'));
  closing.push(() => rmSync(folder, { recursive: true }));
  const write = (certificate = '', key = vectors.serverKey ?? '') => {
    writeFileSync(join(folder, 'a.pem'), certificate);
    writeFileSync(join(folder, 'a.key'), key);
  };
  write(vectors.good);
  return { write, tls: { certificate: join(folder, 'a.pem'), key: join(folder, 'a.key') } };
}

/** Opens a connection without asking who is there. */
async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  closing.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

async function askHttps(port: number, options: RequestOptions = {}) {
  const request = send({ host: '127.0.0.1', port, path: '/a', agent: false, rejectUnauthorized: false, ...options });
  request.end();
  const [response] = await once(request, 'response');
  return read(response);
}

const subjectOf = (socket: TLSSocket) => socket.getPeerX509Certificate()?.fingerprint256;
const fingerprintOf = async (port: number) => {
  const socket = await shake(port);
  const found = subjectOf(socket);
  socket.destroy();
  return found;
};

describe('both protocols', () => {
  test('by ALPN, and the upstream is told that it was TLS', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { tls: openFiles().tls } });
    expect(stage.url).toBe(`https://127.0.0.1:${stage.port}`);
    expect((await shake(stage.port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).toBe('h2');
    expect((await shake(stage.port, { ALPNProtocols: ['http/1.1'] })).alpnProtocol).toBe('http/1.1');
    expect((await shake(stage.port)).alpnProtocol).toBe(false);

    const session = connectHttp2(stage.url, { rejectUnauthorized: false });
    closing.push(() => session.destroy());
    expect(await askHttp2(session, {})).toMatchObject({ status: 200, text: 'ok' });
    expect(await askHttps(stage.port)).toMatchObject({ status: 200, text: 'ok' });
    for (const { lines } of upstream.seen) expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['https']);
    expect(upstream.seen).toHaveLength(2);
  });

  test('a client that offers neither is refused, and so is one below TLS 1.2, or without any', async () => {
    const stage = await openStage(closing, { upstream: 0, top: { tls: openFiles().tls } });
    await expect(shake(stage.port, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow(/no application protocol/);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(shake(stage.port, old)).rejects.toThrow();
    expect((await shake(stage.port, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    const plain = connectTcp(stage.port, '127.0.0.1');
    closing.push(() => plain.destroy());
    let answer = '';
    plain
      .on('error', () => {})
      .on('data', (chunk) => {
        answer += chunk.toString('latin1');
      });
    plain.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(plain, 'close');
    expect(answer).not.toMatch(/HTTP/);
  });

  test('connections that have not shaken hands, idle ones and sessions do not hold up its end', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { tls: openFiles().tls } });
    const silent = connectTcp(stage.port, '127.0.0.1');
    await once(silent, 'connect');
    closing.push(() => silent.destroy());
    const idle = await shake(stage.port);
    const session = connectHttp2(stage.url, { rejectUnauthorized: false });
    closing.push(() => session.destroy());
    expect((await askHttp2(session, {})).status).toBe(200);
    const ended = Promise.all([once(silent.resume(), 'close'), once(idle.resume(), 'close'), once(session, 'close')]);
    await stage.close();
    await ended;
  });
});

describe('a certificate that is renewed', () => {
  test('is shown once it has stood still, and what runs goes on', async () => {
    const upstream = await openUpstream(closing);
    const { write, tls } = openFiles();
    const stage = await openStage(closing, { upstream: upstream.port, top: { tls } });
    const session = connectHttp2(stage.url, { rejectUnauthorized: false });
    closing.push(() => session.destroy());
    expect((await askHttp2(session, {})).status).toBe(200);
    const before = await fingerprintOf(stage.port);
    write(vectors.selfSigned);
    const after = await passing(stage.clock, async () => {
      const shown = await fingerprintOf(stage.port);
      return shown === before ? undefined : shown;
    });
    expect(after).toBeTypeOf('string');
    expect((await askHttp2(session, {})).status).toBe(200);
    expect(stage.troubles).toEqual([]);
  });

  test.each([
    ['that is none', 'nonsense', undefined, /holds none/],
    ['that is half there', (vectors.good ?? '').slice(0, 300), undefined, /cannot be used/],
    ['with the key of another', vectors.good, 'other', /not that of the certificate/],
    ['whose key is none', vectors.good, 'nonsense', /key cannot be used/],
  ])('%s leaves the old one, and is told', async (_, certificate, key, expected) => {
    const { write, tls } = openFiles();
    const stage = await openStage(closing, { upstream: 0, top: { tls } });
    const before = await fingerprintOf(stage.port);
    const { generateKeyPairSync } = await import('node:crypto');
    const other = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    write(certificate, key === 'other' ? other() : key);
    const told = await passing(stage.clock, async () => stage.troubles[0] as Error | undefined);
    expect(told).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(expected) });
    expect(await fingerprintOf(stage.port)).toBe(before);
  });

  test('is told at the start where it cannot be used', async () => {
    const { write, tls } = openFiles();
    write('nonsense');
    await expect(openStage(closing, { upstream: 0, top: { tls } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(openStage(closing, { upstream: 0, top: { tls: { ...tls, certificate: '/nowhere/a.pem' } } })).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });
});

describe('a certificate that signs itself', () => {
  test('is made for this machine, and good for whoever is told to believe it', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { tls: 'self-signed' } });
    const certificate = (await shake(stage.port)).getPeerX509Certificate();
    expect(certificate?.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate?.checkIP('::1')).toBeDefined();
    expect(certificate?.checkHost('localhost')).toBe('localhost');
    expect(certificate?.checkHost('example.com')).toBeUndefined();
    expect(certificate?.ca).toBe(false);
    await expect(askHttps(stage.port, { rejectUnauthorized: true })).rejects.toThrow();
  });

  test('is not for several processes', () => {
    const services = [{ name: 'api', upstream: 'http://localhost:3000', routes: [{ path: '/a', price: '1 sat' }] }];
    expect(() => createConfig({ tls: 'self-signed', workers: 2, services })).toThrow(/certificate of its own/);
    expect(() => createConfig({ tls: { certificate: 'a.pem' }, services })).toThrow(/`key` is missing/);
    expect(() => createConfig({ tls: 'letsencrypt', services })).toThrow(/self-signed/);
    expect(createConfig({ services }).tls).toBeUndefined();
  });
});

/** Lets seconds pass until something is there. */
async function passing<T>(clock: { advance: (ms: number) => void }, look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
    const found = await look();
    if (found !== undefined) return found;
  }
}
