import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { SecureServerOptions } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openStage } from '../../test/gateway/harness.ts';
import { openSecureServer } from '../../test/gateway/secure.ts';
import { createConfig, parseConfig } from './Config.ts';
import { explain, toJson } from './Explain.ts';

const certificates = JSON.parse(readFileSync(new URL('../../test/vectors/tls.json', import.meta.url), 'utf8')) as Readonly<Record<string, string>>;
const closing: Closing = [];
afterEach(() => closeAll(closing));

const file = (upstream: object | string) => ({ services: [{ name: 'api', upstream, routes: [{ path: '/*', price: '1 sat' }] }] });
const upstreamOf = (upstream: object | string) => createConfig(file(upstream), { folder: '/etc/shop' }).routes[0]?.upstream;

describe('an upstream in the configuration', () => {
  test('an address, or an address with certificates whose paths stand beside the file', () => {
    expect(upstreamOf('https://a/v2')).toEqual({ origin: 'https://a', basePath: '/v2' });
    expect(upstreamOf({ url: 'https://a/v2' })).toEqual({ origin: 'https://a', basePath: '/v2' });
    expect(upstreamOf({ url: 'http://a', protocol: 'h2' })).toEqual({ origin: 'http://a', basePath: '', protocol: 'h2' });
    expect(upstreamOf({ url: 'https://a', protocol: 'auto' })).toEqual({ origin: 'https://a', basePath: '', protocol: 'auto' });
    expect(upstreamOf({ url: 'https://a', protocol: 'h1' })).toEqual({ origin: 'https://a', basePath: '' });
    expect(upstreamOf({ url: 'https://a', ca: 'ca.pem', certificate: '/x/me.pem', key: 'me.key' })).toEqual({
      origin: 'https://a',
      basePath: '',
      tls: { caPath: '/etc/shop/ca.pem', certificatePath: '/x/me.pem', key: { kind: 'file', path: '/etc/shop/me.key' } },
    });
  });

  test('what it speaks is said where it is not as usual', () => {
    const told = (upstream: object) => explain(createConfig(file(upstream)));
    expect(told({ url: 'http://a:1', protocol: 'h2' })).toContain('api -> http://a:1 over HTTP/2\n');
    expect(told({ url: 'https://a', protocol: 'auto' })).toContain('api -> https://a over HTTP/2 where it can\n');
    expect(told({ url: 'https://a', protocol: 'h1' })).toContain('api -> https://a\n');
  });

  test('a key out of the environment is not shown', () => {
    const text = `services:\n  - name: api\n    upstream: { url: "https://a", certificate: me.pem, key: "\${KEY}" }\n    routes: [{ path: /a, price: 1 sat }]\n`;
    const config = parseConfig(text, { environment: { KEY: 'a secret' }, folder: '/' });
    expect(config.routes[0]?.upstream.tls?.key).toEqual({ kind: 'text', text: 'a secret' });
    expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain('a secret');
  });

  test.each([
    [{ url: 'http://a', ca: 'ca.pem' }, 'certificates are for https'],
    [{ url: 'https://a', certificate: 'me.pem' }, 'write "key: <file>" as well'],
    [{ url: 'https://a', key: 'me.key' }, 'write "certificate: <file>" as well'],
    [{ url: 'https://a', cert: 'me.pem' }, 'unknown key `cert`'],
    [{ url: 'http://a', protocol: 'auto' }, 'write "h1" or "h2"'],
    [{ url: 'http://a', protocol: 'h3' }, '"h1"'],
    [{ ca: 'ca.pem' }, '`url` is missing'],
    [{ url: 'a' }, 'is not an address'],
    ['a', 'is not an address'],
  ])('%j: %s', (upstream, message) => {
    expect(() => createConfig(file(upstream))).toThrow(message);
  });
});

describe.each([
  ['farebox', 'h1'],
  ['undici', 'h1'],
  ['farebox', 'h2'],
  ['farebox', 'auto'],
] as const)('certificates, by %s, over %s', (upstreamClient, protocol) => {
  function folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'farebox-tls-'));
    closing.push(() => rmSync(path, { recursive: true }));
    const put = (name: string, text = '') => writeFileSync(join(path, name), text);
    put('ca.pem', certificates.authority);
    put('other.pem', certificates.selfSigned);
    put('me.pem', certificates.forClients);
    put('me.key', certificates.serverKey);
    return path;
  }

  async function openSecure(options: SecureServerOptions = {}) {
    const seen: boolean[] = [];
    const port = await openSecureServer(closing, { key: certificates.serverKey, cert: certificates.good, ...options }, (request, response) => {
      seen.push((request.socket as TLSSocket).authorized);
      response.end('ok');
    });
    return { origin: `https://localhost:${port}`, seen };
  }

  const statusOf = async (upstream: object) => {
    const stage = await openStage(closing, { upstream: 0, service: { upstream: { ...upstream, protocol } }, top: { upstreamClient } });
    return (await ask(stage.port, '/a')).status;
  };

  test('an authority of our own is believed, and nobody else', async () => {
    const path = folder();
    const { origin, seen } = await openSecure();
    expect(await statusOf({ url: origin })).toBe(502);
    expect(await statusOf({ url: origin, ca: join(path, 'other.pem') })).toBe(502);
    expect(seen).toEqual([]);
    expect(await statusOf({ url: origin, ca: join(path, 'ca.pem') })).toBe(200);
  });

  test('a certificate of ours is shown to an upstream that wants one', async () => {
    const path = folder();
    const { origin, seen } = await openSecure({ requestCert: true, rejectUnauthorized: true, ca: certificates.authority });
    const ca = join(path, 'ca.pem');
    expect(await statusOf({ url: origin, ca })).toBe(502);
    expect(await statusOf({ url: origin, ca, certificate: join(path, 'me.pem'), key: join(path, 'me.key') })).toBe(200);
    expect(seen).toEqual([true]);
  });

  test('routes with other certificates share no connection', async () => {
    const path = folder();
    const { origin, seen } = await openSecure({ requestCert: true, rejectUnauthorized: false, ca: certificates.authority });
    const ca = join(path, 'ca.pem');
    const routes = (at: string) => [{ path: at, price: '1 sat' }];
    const services = [
      { name: 'one', upstream: { url: origin, protocol, ca, certificate: join(path, 'me.pem'), key: join(path, 'me.key') }, routes: routes('/one') },
      { name: 'two', upstream: { url: origin, protocol, ca }, routes: routes('/two') },
    ];
    const stage = await openStage(closing, { upstream: 0, top: { upstreamClient, services } });
    for (const at of ['/one', '/two', '/one']) expect((await ask(stage.port, at)).status).toBe(200);
    expect(seen).toEqual([true, false, true]);
  });

  test.each([
    ['ca', { ca: 'missing.pem' }, /The authorities for https:\S+, \S+missing\.pem, cannot be read \(ENOENT\)\./],
    ['ca', { ca: 'me.key' }, /The authorities for .* cannot be read: it holds none\./],
    ['certificate', { certificate: 'me.key', key: 'me.key' }, /The certificate for .* cannot be used/],
    ['key', { certificate: 'me.pem', key: 'ca.pem' }, /The key for .* cannot be used/],
  ])('a file that is none ends the start: %s', async (_, files, message) => {
    const path = folder();
    const upstream = { url: 'https://localhost:1', ...Object.fromEntries(Object.entries(files).map(([name, at]) => [name, join(path, at)])) };
    await expect(openStage(closing, { upstream: 0, service: { upstream }, top: { upstreamClient } })).rejects.toThrow(message);
  });
});
