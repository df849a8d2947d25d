/**
 * An upstream that is not who it says: its certificate is verified, by authority, name, time and purpose, whatever the environment says and
 * whatever the client asks for. The node's certificate is verified with the drivers of real nodes.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { connect, createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { ask, type Closing, closeAll, openStage, portOf, recordSale, sellWith } from '../gateway/harness.ts';
import { openSecureServer } from '../gateway/secure.ts';
import { testCertificatesOnEveryWire } from './everyWireRows.ts';
import { codeOf } from './thief.ts';

type Certificates = {
  readonly [name in 'authority' | 'serverKey' | 'good' | 'otherHost' | 'expired' | 'notYet' | 'forClients' | 'selfSigned' | 'byServer']: string;
};
const certificates = JSON.parse(readFileSync(new URL('../vectors/tls.json', import.meta.url), 'utf8')) as Certificates;

const closing: Closing = [];
let authorities: string[];
beforeAll(() => {
  authorities = getCACertificates('default');
  setDefaultCACertificates([...authorities, certificates.authority]);
});
afterAll(() => setDefaultCACertificates(authorities));
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await closeAll(closing);
});

/** Node's own switch, which turns verification off for whoever does not ask for it by name. */
function turnOff(): void {
  // Node says so on the console, once.
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
}

/** An upstream over TLS that counts the requests that it was trusted with. */
async function openUpstream(certificate: keyof Certificates): Promise<{ port: number; requests: () => number }> {
  let requests = 0;
  const port = await openSecureServer(closing, { key: certificates.serverKey, cert: certificates[certificate] }, (_, response) => {
    requests++;
    response.end('ok');
  });
  return { port, requests: () => requests };
}

const refused = { status: 502, code: 'UPSTREAM_UNREACHABLE', told: ['unanswered upstream'] };
const served = { status: 200, code: '', told: ['head 200', 'end delivered'] };

describe.each([
  ['farebox', 'h1'],
  ['undici', 'h1'],
  ['farebox', 'h2'],
  ['farebox', 'auto'],
] as const)('by %s, over %s', (upstreamClient, protocol) => {
  /** Sells one request to the upstream at this address, and says what came of it. */
  async function sellFrom(upstream: string, host = '127.0.0.1', service: object = {}): Promise<{ status: number; code: string; told: readonly string[] }> {
    const sale = recordSale();
    const stage = await openStage(closing, {
      upstream: 0,
      check: sellWith(sale),
      service: { upstream: { url: upstream, protocol }, ...service },
      top: { upstreamClient },
    });
    const target = host === '127.0.0.1' ? '/a' : `http://${host}/a`;
    const got = await ask(stage.port, target);
    await stage.over(1);
    return { status: got.status, code: codeOf({ body: got.text }), told: sale.told };
  }

  describe('an upstream is trusted', () => {
    test.each(['127.0.0.1', 'localhost'])('whose certificate an authority has signed for %s', async (host) => {
      const { port, requests } = await openUpstream('good');
      expect(await sellFrom(`https://${host}:${port}`)).toEqual(served);
      expect(requests()).toBe(1);
    });
  });

  const bad: readonly (readonly [what: string, certificate: keyof Certificates])[] = [
    ['signed by itself', 'selfSigned'],
    ['signed by a server that is no authority', 'byServer'],
    ['for another host', 'otherHost'],
    ['expired', 'expired'],
    ['not valid yet', 'notYet'],
    ['for clients, not for servers', 'forClients'],
  ];

  describe.each([
    ['', () => {}],
    [' where the environment turns verification off', turnOff],
  ])('an upstream is not trusted%s', (_, prepare) => {
    test.each(bad)('whose certificate is %s', async (_what, certificate) => {
      prepare();
      const { port, requests } = await openUpstream(certificate);
      expect(await sellFrom(`https://127.0.0.1:${port}`)).toEqual(refused);
      expect(await sellFrom(`https://localhost:${port}`)).toEqual(refused);
      expect(requests()).toBe(0);
    });

    test('that speaks no TLS at all', async () => {
      prepare();
      let bytes = '';
      const server = createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', (chunk: Buffer) => {
          bytes += chunk.toString('latin1');
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        });
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      closing.push(() => new Promise((resolve) => server.close(resolve)));
      expect(await sellFrom(`https://127.0.0.1:${portOf(server)}`)).toEqual(refused);
      expect(bytes).not.toContain('GET /a');
    });

    test('that speaks TLS of the year 2006', async () => {
      prepare();
      const server = createTlsServer({
        key: certificates.serverKey,
        cert: certificates.good,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      server.on('tlsClientError', () => {}).on('secureConnection', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      closing.push(() => new Promise((resolve) => server.close(resolve)));
      expect(await sellFrom(`https://127.0.0.1:${portOf(server)}`)).toEqual(refused);
    });
  });

  describe('the name on the certificate is the one in the configuration', () => {
    test.each([
      ['', {}],
      [' where the client’s host is passed on', { preserveHost: true }],
    ])('and not the one that the client asks for%s', async (_, service) => {
      const { port, requests } = await openUpstream('otherHost');
      expect(await sellFrom(`https://127.0.0.1:${port}`, 'api.example', service)).toEqual(refused);
      expect(await sellFrom(`https://localhost:${port}`, 'api.example', service)).toEqual(refused);
      expect(requests()).toBe(0);
    });

    test('so that an honest upstream is reached, whatever host the client names', async () => {
      const { port, requests } = await openUpstream('good');
      expect(await sellFrom(`https://localhost:${port}`, 'shop.example', { preserveHost: true })).toEqual(served);
      expect(await sellFrom(`https://127.0.0.1:${port}`, 'shop.example', { preserveHost: true })).toEqual(served);
      expect(requests()).toBe(2);
    });
  });

  test('a redirect from the upstream to an address without TLS is the client’s to follow, not the gateway’s', async () => {
    let reached = 0;
    const plain = createTcpServer((socket) => {
      reached++;
      socket.destroy();
    });
    await once(plain.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => new Promise((resolve) => plain.close(resolve)));
    const port = await openSecureServer(closing, { key: certificates.serverKey, cert: certificates.good }, (_, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${portOf(plain)}/a` }).end();
    });
    expect((await sellFrom(`https://127.0.0.1:${port}`)).status).toBe(302);
    expect(reached).toBe(0);
  });
});

test('the switch in the environment does work, for whoever does not ask for verification by name', async () => {
  const { port } = await openUpstream('selfSigned');
  const tryOnce = async (): Promise<string> => {
    const socket = connect({ port, host: '127.0.0.1' });
    const outcome = await Promise.race([once(socket, 'secureConnect').then(() => 'trusted'), once(socket, 'close').then(() => 'closed')]).catch(
      () => 'refused',
    );
    socket.destroy();
    return outcome;
  };
  expect(await tryOnce()).toBe('refused');
  turnOff();
  expect(await tryOnce()).toBe('trusted');
});

describe('on every protocol', testCertificatesOnEveryWire);
