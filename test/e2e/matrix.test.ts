/**
 * Every protocol in and out, with nginx and curl at the ends: bodies by their hashes. What Node's own servers and clients, undici and grpc-js
 * are tried with, trailers among it, stands in `conformance/matrix.test.ts`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { askOne, collect, follow, openStub, openTranslator } from '../gateway/grpc.ts';
import { type Closing, closeAll, closedPort, openStage, recordSale, sellWith } from '../gateway/harness.ts';
import { expected, hashOf, type Kind, kinds, long, openClientOf, openUpstreamBy, type Protocol, protocols, writeCertificates } from '../gateway/matrix.ts';
import { nginx, openNginx } from './Nginx.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const curl = spawnSync('curl', ['--version'], { encoding: 'utf8' });
const hasCurl = curl.status === 0 && /^Features:.*HTTP2/m.test(curl.stdout);

/** A gateway that sells everything; over TLS where that is how requests come. */
function openGateway(protocol: Protocol, upstream: object | string, folder: string) {
  const tls = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') };
  return openStage(closing, { upstream: 0, check: sellWith(recordSale()), service: { upstream }, ...(protocol === 'h2' && { top: { tls } }) });
}

/** Without the trailer, which is not told by everybody. */
function bodyOf(kind: Kind) {
  const { status, bytes, hash } = expected(kind);
  return { status, bytes, hash };
}

describe.skipIf(!hasCurl)(hasCurl ? 'curl' : 'curl: NOT TRIED, there is none that speaks HTTP/2 on this machine', () => {
  const words: Readonly<Record<Protocol, readonly string[]>> = { h1: ['--http1.1'], h2: ['--http2'], h2c: ['--http2-prior-knowledge'] };

  async function ask(protocol: Protocol, port: number, folder: string, kind: Kind) {
    const origin = protocol === 'h2' ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
    writeFileSync(join(folder, 'body'), long);
    const upload = kind === 'up' || kind === 'both' ? ['-X', 'POST', '-T', join(folder, 'body'), '-H', 'Expect:'] : [];
    const secure = protocol === 'h2' ? ['--cacert', join(folder, 'ca.pem')] : [];
    const child = spawn('curl', [
      '-sS',
      ...(words[protocol] as string[]),
      ...secure,
      ...upload,
      '-w',
      '%{stderr}%{http_code} %{http_version}',
      `${origin}/${kind}`,
    ]);
    const [chunks, said]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    await new Promise((resolve) => child.on('close', resolve));
    const [status, version] = Buffer.concat(said).toString().split(' ');
    const body = Buffer.concat(chunks);
    return { status: Number(status), bytes: body.length, hash: hashOf(body), version };
  }

  describe.each(protocols)('in %s', (into) => {
    test.each(protocols)('out %s', async (out) => {
      const folder = writeCertificates(closing);
      const stage = await openGateway(into, await openUpstreamBy(closing, out, join(folder, 'ca.pem')), folder);
      for (const kind of kinds)
        expect([kind, await ask(into, stage.port, folder, kind)]).toEqual([kind, { ...bodyOf(kind), version: into === 'h1' ? '1.1' : '2' }]);
    });
  });
});

describe.skipIf(!nginx)(nginx ? 'nginx' : 'nginx: NOT TRIED, there is none with HTTP/2 on this machine', () => {
  /** nginx as an upstream: files of its own, and what goes on to a server behind it. */
  async function openUpstream(protocol: Protocol, folder: string, behind: number) {
    const port = await closedPort();
    const how: Readonly<Record<Protocol, string>> = {
      h1: `listen 127.0.0.1:${port};`,
      h2c: `listen 127.0.0.1:${port} http2;`,
      h2: `listen 127.0.0.1:${port} ssl http2; ssl_certificate ${folder}/own.pem; ssl_certificate_key ${folder}/own.key;`,
    };
    const locations = `root html; location = /down { default_type application/octet-stream; } location / { proxy_pass http://127.0.0.1:${behind}; }`;
    await openNginx(closing, port, `server { ${how[protocol]} ${locations} }`, { down: long });
    if (protocol === 'h1') return `http://127.0.0.1:${port}`;
    if (protocol === 'h2c') return { url: `http://127.0.0.1:${port}`, protocol: 'h2' };
    return { url: `https://localhost:${port}`, protocol: 'auto', ca: join(folder, 'ca.pem') };
  }

  describe.each(protocols)('as an upstream, over %s', (out) => {
    test.each(protocols)('in %s', async (into) => {
      const folder = writeCertificates(closing);
      const behind = String(await openUpstreamBy(closing, 'h1', ''));
      const stage = await openGateway(into, await openUpstream(out, folder, Number(new URL(behind).port)), folder);
      const ask = openClientOf(closing, into, stage.port);
      for (const kind of kinds) {
        for (const { status, bytes, hash } of await Promise.all([ask(kind), ask(kind), ask(kind)])) {
          expect([kind, { status, bytes, hash }]).toEqual([kind, bodyOf(kind)]);
        }
      }
    });
  });

  test('as a client, over HTTP/1.1', async () => {
    const folder = writeCertificates(closing);
    const stage = await openGateway('h1', await openUpstreamBy(closing, 'h2c', ''), folder);
    const port = await closedPort();
    await openNginx(closing, port, `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${stage.port}; } }`);
    const ask = openClientOf(closing, 'h1', port);
    for (const kind of kinds) {
      const { status, bytes, hash } = await ask(kind);
      expect([kind, { status, bytes, hash }]).toEqual([kind, bodyOf(kind)]);
    }
  });

  test.each(['h2', 'h2c'] as const)('gRPC through nginx, the gateway and nginx: in and out %s, every kind of call', async (protocol) => {
    const folder = writeCertificates(closing);
    const server = await openTranslator(closing);
    const [first, last] = [await closedPort(), await closedPort()];
    const secure = `ssl_certificate ${folder}/own.pem; ssl_certificate_key ${folder}/own.key;`;
    const listen = protocol === 'h2' ? `listen 127.0.0.1:${last} ssl http2; ${secure}` : `listen 127.0.0.1:${last} http2;`;
    await openNginx(closing, last, `server { ${listen} location / { grpc_pass grpc://127.0.0.1:${server.port}; } }`);
    const upstream = {
      url: `${protocol === 'h2' ? 'https' : 'http'}://localhost:${last}`,
      protocol: 'h2',
      ...(protocol === 'h2' && { ca: join(folder, 'ca.pem') }),
    };
    const stage = await openGateway(protocol, upstream, folder);
    const pass = `grpc_pass ${protocol === 'h2' ? 'grpcs' : 'grpc'}://127.0.0.1:${stage.port};`;
    await openNginx(closing, first, `server { listen 127.0.0.1:${first} http2; location / { ${pass} } }`);
    const stub = openStub(closing, first);
    const words = Array.from({ length: 200 }, (_, index) => `word ${index}`);
    const unary = await askOne(stub, { text: 'a', data: Buffer.alloc(500_000, 'y') });
    expect([unary.code, unary.messages, unary.trailers.get('x-spent-bin').map(String)]).toEqual([grpc.status.OK, ['a!'], ['3 µs']]);
    expect(await collect(stub, words)).toMatchObject({ code: grpc.status.OK, messages: [words.join('+')] });
    const answers = words.map((word) => `${word}!`);
    expect(await follow(stub.many({ text: words.join(',') }))).toMatchObject({ code: grpc.status.OK, messages: answers });
    const talk = stub.talk();
    const outcome = follow(talk);
    for (const text of words) talk.write({ text });
    talk.end();
    expect(await outcome).toMatchObject({ code: grpc.status.OK, messages: answers });
    expect(await askOne(stub, 'fail 5')).toMatchObject({ code: grpc.status.NOT_FOUND, details: 'failed: 5 – as asked' });
  });
});
