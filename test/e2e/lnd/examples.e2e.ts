/**
 * `examples/lnd`, server and client as processes of their own: the server sells into bob's node, the client pays from alice's, over two channels.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openShop, type Shop } from '../../examples/desks.ts';
import { buildNodes } from './Binaries.ts';
import { balances, type Node, type Nodes, startNodes } from './Nodes.ts';

describe('examples/lnd', () => {
  let nodes: Nodes;
  let shop: Shop;

  beforeAll(async () => {
    nodes = await startNodes(buildNodes((line) => process.stderr.write(`${line}\n`)));
    const settings = async (node: Node, ...permissions: readonly string[]) => {
      const macaroon = join(nodes.folder, `${node.name}.macaroon`);
      writeFileSync(macaroon, Buffer.from(await node.bake(...permissions), 'hex'));
      return { LND_URL: node.url, LND_CERTIFICATE: node.certificatePath, LND_MACAROON: macaroon, LND_NETWORK: 'regtest' };
    };
    const sell = await settings(nodes.bob, 'info:read', 'invoices:read', 'invoices:write');
    shop = await openShop('lnd', sell, await settings(nodes.alice, 'info:read', 'offchain:read', 'offchain:write'));
  });

  afterAll(async () => {
    await shop?.close();
    await nodes?.stop();
  });

  const earned = async (work: () => Promise<unknown>) => {
    const before = await balances(nodes);
    await work();
    await Promise.all([nodes.alice.atRest(), nodes.carol.atRest(), nodes.bob.atRest()]);
    return (await balances(nodes)).bob - before.bob;
  };

  it('sells a translation, and the next one for another payment', async () => {
    const translated = ['{"translation":"hola","source":"en","target":"es"}', expect.stringMatching(/^200, paid 50 sat and a fee of \d+(\.\d+)? m?sat$/)];
    const both = async () => {
      expect(await shop.buy('/api/v1/translate')).toEqual(translated);
      expect(await shop.buy('/api/v1/translate')).toEqual(translated);
    };
    expect(await earned(both)).toBe(100_000n);
  });

  it('sells the words for an hour: bought once, used again, also after a new start of the server', async () => {
    const words = '{"hello":"hola","bread":"pan","water":"agua"}';
    const again = [words, '200, nothing paid: what was bought before is still good'];
    const all = async () => {
      expect(await shop.buy('/api/v1/words')).toEqual([words, expect.stringMatching(/^200, paid 40 sat/)]);
      expect(await shop.buy('/api/v1/words')).toEqual(again);
      await shop.startAgain();
      expect(await shop.buy('/api/v1/words')).toEqual(again);
    };
    expect(await earned(all)).toBe(40_000n);
  });

  it('pays nothing above its limits, and says so where none of them leaves room for the fee', async () => {
    const tight = async () => {
      expect((await shop.buy('/api/v1/translate', { MAX_PER_REQUEST: '49 sat' }))[0]).toContain('maxPerRequest');
      expect((await shop.buy('/api/v1/translate', { MAX_PER_REQUEST: '50 sat' }))[0]).toMatch(/no-route.*The limit left 0 sat for the fee/);
    };
    expect(await earned(tight)).toBe(0n);
  });
});
