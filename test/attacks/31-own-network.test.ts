/**
 * A request that the server is talked into sending to its own network: by a webhook's address, by what its name leads to, by what the name leads to a moment
 * later, or by a redirect. Where the configuration lets a webhook be private, that one is, and none that it points at.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type LookupFunction, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../../src/core/Errors.ts';
import { createConfig } from '../../src/gateway/index.ts';
import { createSend } from '../../src/gateway/webhooks/createSend.ts';
import { type Closing, closeAll, portOf } from '../gateway/harness.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** Something in the operator's network, and how often anybody connected to it. */
async function openInside(): Promise<{ readonly port: number; readonly connections: () => number }> {
  let connections = 0;
  const server: Server = createTcpServer((socket) => {
    connections++;
    socket.destroy();
  });
  server.listen(0);
  await once(server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return { port: portOf(server as never), connections: () => connections };
}

const webhook = (url: string, allowPrivate = false) => {
  const [config] = createConfig({
    webhooks: [{ name: 'books', url, secret: '/dev/null', allowPrivate }],
    services: [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', free: true }] }],
  }).webhooks;
  return config as NonNullable<typeof config>;
};

const event = { headers: { 'content-type': 'application/json' }, body: '{}' };

/** A status, or why nothing was sent. */
async function tell(url: string, { lookup, allowPrivate = false, signal }: { lookup?: LookupFunction; allowPrivate?: boolean; signal?: AbortSignal } = {}) {
  const { send, close } = createSend(webhook(url, allowPrivate), lookup);
  closing.push(close);
  return outcomeOf(send(event, signal ?? new AbortController().signal));
}

async function outcomeOf(sent: Promise<{ readonly status: number }>): Promise<number | string> {
  try {
    return (await sent).status;
  } catch (error) {
    return FareboxError.is(error) ? error.code : String(error);
  }
}

/** Every name leads to these addresses. */
function leadingTo(...addresses: readonly string[]): LookupFunction {
  return (_, options, callback) => {
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };
}

describe('a webhook', () => {
  test.each(['127.0.0.1', '127.9.9.9', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '0.0.0.0', '[::]'])(
    'at %s is not told, and nobody there hears of it',
    async (host) => {
      const inside = await openInside();
      expect(await tell(`https://${host}:${inside.port}/hook`)).toBe('ADDRESS_REFUSED');
      expect(inside.connections()).toBe(0);
    },
  );

  test.each(['10.0.0.1', '172.16.9.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '[fd00::1]', '[fe80::1]'])('at %s is not told', async (host) => {
    expect(await tell(`https://${host}/hook`)).toBe('ADDRESS_REFUSED');
  });

  test('whose name leads inside is not told, also where another of its addresses is public', async () => {
    const inside = await openInside();
    for (const addresses of [['127.0.0.1'], ['::1'], ['8.8.8.8', '127.0.0.1'], ['127.0.0.1', '8.8.8.8'], ['::ffff:127.0.0.1']]) {
      const lookup = leadingTo(...addresses);
      expect(await tell(`https://hooks.example.com:${inside.port}/hook`, { lookup })).toBe('ADDRESS_REFUSED');
    }
    expect(await tell(`https://localhost:${inside.port}/hook`)).toBe('ADDRESS_REFUSED');
    expect(inside.connections()).toBe(0);
  });

  test('whose name leads elsewhere a moment later is looked at each time, and told where it was looked at', async () => {
    const inside = await openInside();
    const first = Promise.withResolvers<void>();
    let asked = 0;
    // The first answer never comes: nothing is sent to a public address from here.
    const lookup: LookupFunction = (...given) => (asked++ === 0 ? first.resolve() : leadingTo('127.0.0.1')(...given));
    const { send, close } = createSend(webhook(`https://hooks.example.com:${inside.port}/hook`), lookup);
    closing.push(close);
    void outcomeOf(send(event, new AbortController().signal));
    await first.promise;
    expect(await outcomeOf(send(event, new AbortController().signal))).toBe('ADDRESS_REFUSED');
    expect(asked, 'once each time: what was checked is what is used').toBe(2);
    expect(inside.connections()).toBe(0);
  });

  test('that may be private does not lead anywhere else: a redirect is an answer that nobody follows', async () => {
    const inside = await openInside();
    const redirecting = createServer((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, { Location: `http://127.0.0.1:${inside.port}/admin` }).end();
    });
    redirecting.listen(0, '127.0.0.1');
    await once(redirecting, 'listening');
    closing.push(() => redirecting.close());
    for (const status of [301, 302, 303, 307, 308])
      expect(await tell(`http://127.0.0.1:${portOf(redirecting)}/${status}`, { allowPrivate: true })).toBe(status);
    expect(inside.connections()).toBe(0);
  });

  test('without TLS, or with a name and a password in its address, is refused where it is written', () => {
    for (const url of ['http://127.0.0.1:8080/hook', 'http://hooks.example.com/hook', 'https://user:password@hooks.example.com/', 'ftp://hooks.example.com/'])
      expect(() => webhook(url)).toThrow(FareboxError);
  });
});
