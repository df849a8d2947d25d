import type { LookupFunction } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FareboxError } from '../../core/Errors.ts';
import { isPublic } from '../../http/NodeAddresses.ts';
import { answer, type LyingServer } from '../../testing/LyingServer.ts';
import { openShop } from '../../testing/Shop.ts';
import { createPublicFetch, type Reach } from './publicFetch.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(): Promise<{ server: LyingServer; port: string }> {
  const shop = await openShop();
  closing.push(shop.close);
  shop.server.handle((_, response) => answer(response));
  return { server: shop.server, port: new URL(shop.server.origin).port };
}

/** Every name leads to these addresses. */
function leadingTo(...addresses: readonly string[]): LookupFunction {
  return (_, options, callback) => {
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };
}

/** The status, or why it was refused. */
async function outcomeOf(url: string, reach: Reach, lookup?: LookupFunction): Promise<number | string> {
  try {
    return (await createPublicFetch(reach, lookup && { lookup })(url)).status;
  } catch (error) {
    const cause = error instanceof Error && FareboxError.is(error.cause) ? error.cause : error;
    return FareboxError.is(cause, 'ADDRESS_REFUSED') ? String(cause.details.why) : String((cause as Error).message);
  }
}

describe('an address', () => {
  it.each(['1.1.1.1', '100.63.255.255', '100.128.0.0', '172.15.0.1', '172.32.0.1', '192.167.1.1', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::101:101'])(
    '%s is public',
    (address) => expect(isPublic(address)).toBe(true),
  );

  it.each([
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.0.1', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.168.0.1', '198.18.0.1'],
    ...['224.0.0.1', '240.0.0.1', '255.255.255.255', '192.0.0.8', '192.0.2.1', '203.0.113.9', '198.51.100.1'],
    ...[
      '::',
      '::1',
      'fe80::1',
      'fe80::1%eth0',
      'fc00::1',
      'fd12:3456::1',
      'fec0::1',
      'ff02::1',
      '::ffff:127.0.0.1',
      '::ffff:a00:1',
      '::127.0.0.1',
      '::ffff:0:1',
    ],
    ...[
      '64:ff9b::7f00:1',
      '64:ff9b::a9fe:a9fe',
      '64:ff9b:1::1',
      '2002:7f00:1::',
      '2001::1',
      '2001:db8::1',
      '100::1',
      '3fff::1',
      '4000::1',
      '',
      'localhost',
      '127.1',
    ],
  ])('%s is not', (address) => expect(isPublic(address)).toBe(false));
});

describe('a fetch for addresses that somebody else has chosen', () => {
  it.each([
    ...['127.0.0.1', 'localhost', '[::1]', '127.1', '0x7f000001', '2130706433', '0177.0.0.1', '0.0.0.0', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '127.0.0.1.'],
    ...['LOCALHOST', '①②⑦.⓪.⓪.①'],
  ])('asks nothing of %s', async (host) => {
    const { server, port } = await start();
    expect(await outcomeOf(`http://${host}:${port}/`, {})).toBe('private');
    expect(server.requests).toEqual([]);
  });

  it('asks nothing of a public name that leads to a private address, or to that beside a public one', async () => {
    const { server, port } = await start();
    for (const lookup of [leadingTo('127.0.0.1'), leadingTo('1.1.1.1', '127.0.0.1'), leadingTo('::1'), leadingTo('::ffff:127.0.0.1'), leadingTo()]) {
      expect(await outcomeOf(`http://api.example:${port}/`, {}, lookup)).toBe('private');
    }
    expect(server.requests).toEqual([]);
  });

  it('checks the address that is connected to: a name that has led elsewhere before is looked up no second time', async () => {
    const { server, port } = await start();
    let asked = 0;
    // Public when it is first looked at, private from then on.
    const rebinding: LookupFunction = (hostname, options, callback) => leadingTo(asked++ === 0 ? '127.0.0.1' : '1.1.1.1')(hostname, options, callback);
    expect(await outcomeOf(`http://api.example:${port}/`, {}, rebinding)).toBe('private');
    expect([asked, server.requests.length]).toEqual([1, 0]);
  });

  it('asks a private host that is named, at that port alone where one is named', async () => {
    const { port } = await start();
    const { port: other } = await start();
    expect(await outcomeOf(`http://127.0.0.1:${port}/`, { allowPrivate: [`127.0.0.1:${port}`] })).toBe(200);
    expect(await outcomeOf(`http://127.0.0.1:${other}/`, { allowPrivate: [`127.0.0.1:${port}`] })).toBe('private');
    expect(await outcomeOf(`http://inside.example:${port}/`, { allowPrivate: ['inside.example'] }, leadingTo('127.0.0.1'))).toBe(200);
    expect(await outcomeOf(`http://outside.example:${port}/`, { allowPrivate: ['inside.example'] }, leadingTo('127.0.0.1'))).toBe('private');
    expect(await outcomeOf(`http://any.example:${port}/`, { allowPrivate: ['*'] }, leadingTo('127.0.0.1'))).toBe(200);
  });

  it('asks no host but those that are allowed, and none that is denied', async () => {
    const { server, port } = await start();
    const at = `127.0.0.1:${port}`;
    expect(await outcomeOf(`http://${at}/`, { allowPrivate: ['*'], allow: ['api.example'] })).toBe('host');
    expect(await outcomeOf(`http://${at}/`, { allowPrivate: ['*'], deny: ['127.0.0.1'] })).toBe('host');
    expect(await outcomeOf(`http://${at}/`, { allowPrivate: ['*'], allow: ['127.0.0.1'], deny: ['127.0.0.1:1'] })).toBe(200);
    expect(server.requests.length).toBe(1);
  });
});
