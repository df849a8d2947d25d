import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { connect, createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { systemRandom } from '../../core/Clock.ts';
import { selfSigned } from './SelfSigned.ts';

const hosts = ['localhost', '127.0.0.1', '::1', 'fe80::1:2', '2001:db8:0:0:1:0:0:1'];

test('reads as what it says', () => {
  const { certificate, key } = selfSigned(hosts, Date.UTC(2026, 4, 3), systemRandom);
  const read = new X509Certificate(certificate);
  expect(read.subject).toBe('CN=farebox self-signed');
  expect(read.issuer).toBe(read.subject);
  expect(read.subjectAltName).toBe(
    'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:FE80:0:0:0:0:0:1:2, IP Address:2001:DB8:0:0:1:0:0:1',
  );
  expect(read.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(new Date(read.validFrom).toISOString()).toBe('2026-05-02T23:00:00.000Z');
  expect(new Date(read.validTo).toISOString()).toBe('2027-05-03T00:00:00.000Z');
  expect(read.verify(read.publicKey)).toBe(true);
  expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----/);
});

test('beyond 2049 as well', () => {
  expect(new Date(new X509Certificate(selfSigned(hosts, Date.UTC(2049, 11, 1), systemRandom).certificate).validTo).getUTCFullYear()).toBe(2050);
});

test('is believed by whoever is told to, for the hosts that it names alone', async () => {
  const { certificate, key } = selfSigned(['localhost', '127.0.0.1'], Date.now(), systemRandom);
  const server = createServer({ cert: certificate, key }, (socket) => socket.on('error', () => {}).end('hello'));
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    for (const servername of ['localhost', 'example.com']) {
      const client = connect({ socket: connectTcp(port, '127.0.0.1'), servername, ca: certificate });
      const outcome = await new Promise((resolve) => {
        client.on('secureConnect', () => resolve('believed')).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
      });
      expect(outcome).toBe(servername === 'localhost' ? 'believed' : 'ERR_TLS_CERT_ALTNAME_INVALID');
      client.destroy();
    }
  } finally {
    server.close();
  }
});
