/**
 * `examples/cln`, server and client as processes of their own, with a double of each one's `clnrest` in place of a node.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { findDoors } from '../../scripts/exports.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { openDesk } from '../e2e/processes.ts';
import { cln, runes } from '../lightning/cln.ts';
import { openDouble } from '../lightning/Double.ts';
import { createNodes } from '../lightning/Node.ts';
import { openShop } from './desks.ts';

const root = join(import.meta.dirname, '..', '..');
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Two nodes that can pay each other, behind an API each, and a folder with the rune of each. */
async function openNodes() {
  // Server and client are processes that go by the machine's clock.
  const nodes = createNodes(FixedClock.create(Math.floor(Date.now() / 1000)));
  closing.push(nodes.close);
  const folder = await mkdtemp(join(tmpdir(), 'farebox-cln-'));
  closing.push(() => rm(folder, { recursive: true }));
  const open = async (node: typeof nodes.seller, rune: 'sell' | 'pay') => {
    const api = await openDouble(cln(node));
    closing.push(api.close);
    const file = join(folder, `${rune}.rune`);
    await writeFile(file, `${runes[rune]}\n`);
    return { CLN_URL: api.url, CLN_RUNE: file, CLN_NETWORK: 'regtest' };
  };
  return { nodes, sell: await open(nodes.seller, 'sell'), pay: await open(nodes.buyer, 'pay') };
}

async function openExample() {
  const { nodes, sell, pay } = await openNodes();
  const shop = await openShop('cln', sell, pay);
  closing.push(shop.close);
  return { ...shop, nodes, sell, pay };
}

describe('examples/cln', () => {
  test('sells a translation, and the next one for another payment', async () => {
    const { buy, server, nodes } = await openExample();
    const before = await nodes.seller.balanceMsat();
    const translated = ['{"translation":"hola","source":"en","target":"es"}', '200, paid 50 sat and a fee of 1 sat'];
    expect(await buy('/api/v1/translate')).toEqual(translated);
    expect(await buy('/api/v1/translate')).toEqual(translated);
    expect((await nodes.seller.balanceMsat()) - before).toBe(100_000n);
    const { code, stdout, stderr } = await server.stop();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.match(/^sold GET \/api\/v1\/translate for 50 sat$/gm)).toHaveLength(2);
  });

  test('sells the words for an hour: bought once, used again, also after a new start of the server', async () => {
    const { buy, startAgain, nodes } = await openExample();
    const words = '{"hello":"hola","bread":"pan","water":"agua"}';
    expect(await buy('/api/v1/words')).toEqual([words, '200, paid 40 sat and a fee of 1 sat']);
    const before = await nodes.seller.balanceMsat();
    const again = [words, '200, nothing paid: what was bought before is still good'];
    expect(await buy('/api/v1/words')).toEqual(again);
    await startAgain();
    expect(await buy('/api/v1/words')).toEqual(again);
    expect(await nodes.seller.balanceMsat()).toBe(before);
  });

  test('its client pays nothing above its limits', async () => {
    const { buy, nodes } = await openExample();
    const before = await nodes.seller.balanceMsat();
    expect((await buy('/api/v1/translate', { MAX_PER_REQUEST: '50 sat' }))[0]).toMatch(/50 sat.*maxPerRequest/);
    expect((await buy('/api/v1/translate', { MAX_TOTAL: '10 sat' }))[0]).toMatch(/maxTotal/);
    expect(await nodes.seller.balanceMsat()).toBe(before);
  });

  test.each([
    ['no rune', { CLN_RUNE: '' }, 'CLN_RUNE is not set: the file of a rune that may make and look up invoices.'],
    ['a rune that is not there', { CLN_RUNE: 'nowhere.rune' }, 'clnrest cannot be asked: the file of its rune cannot be read (ENOENT).'],
    ['a network that is none', { CLN_NETWORK: 'mainnet' }, 'CLN_NETWORK is "mainnet": write bitcoin, testnet, signet or regtest.'],
    ['a port that is none', { PORT: 'http' }, 'PORT is "http": write a number, such as 3000.'],
    ['no node', { CLN_URL: 'http://127.0.0.1:1' }, 'clnrest cannot be asked: ECONNREFUSED.'],
  ])('its server says what is wrong with %s', async (_, wrong, said) => {
    const { sell } = await openNodes();
    const desk = openDesk({ program: join(root, 'examples', 'run.ts'), environment: { ...sell, ...wrong } });
    closing.push(desk.close);
    expect(await desk.run('cln/server')).toEqual({ code: 1, signal: null, stdout: '', stderr: `${said}\n` });
  });
});

test('every example imports Farebox by its doors', () => {
  const doors = findDoors(root).map(({ source }) => source);
  const files = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const imported = files.flatMap((file) => [...readFileSync(join(root, 'examples', file), 'utf8').matchAll(/from '(?:\.\.\/)+(src\/[^']+)'/g)]);
  expect(imported.length).toBeGreaterThan(10);
  for (const [, file] of imported) expect(doors).toContain(file);
});
