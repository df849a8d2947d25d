/**
 * A newcomer's path from `docs/wallets.md`, with real nodes: what the guide prints is what is typed, and every step of it does what it says.
 */
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk } from '../processes.ts';
import { buildNodes } from './Binaries.ts';
import { type Newcomer, withNodes } from './Newcomer.ts';
import { type Nodes, startNodes } from './Nodes.ts';

describe('the guide', () => {
  let nodes: Nodes;
  let api: Server;
  let desk: Desk;
  let newcomer: Newcomer;

  beforeAll(async () => {
    nodes = await startNodes(buildNodes((line) => process.stderr.write(`${line}\n`)));
    api = createServer((_, response) => void response.end('an API of my own'));
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    desk = openDesk();
    newcomer = withNodes({ desk, api: `http://127.0.0.1:${(api.address() as AddressInfo).port}` }, nodes.bob, nodes.alice);
  });

  afterAll(async () => {
    await desk?.close();
    await new Promise((resolve) => api?.close(resolve));
    await nodes?.stop();
  });

  const printedBy = (beginning: string) => [...newcomer.printed].find(([name]) => name.startsWith(beginning))?.[1];

  it('leads from nothing to the first sale', async () => {
    for (const { run } of newcomer.steps) await run();
    expect(printedBy('farebox get')).toMatchObject({
      stdout: expect.stringMatching(/^an API of my own\n*$/),
      stderr: expect.stringContaining('paid 10 sat, fee 1 sat'),
    });
  });

  it('promises of the doctor what it does: nothing is wrong, and what it cannot know it says how to let it', async () => {
    const [told] = (printedBy('farebox doctor')?.stdout ?? '').split('\n');
    const { wallet, findings } = JSON.parse(told ?? '') as { wallet: string; findings: readonly { level: string; what: string; advice?: string }[] };
    expect([wallet, findings.map(({ level }) => level)]).toEqual(['Paid: lnd', ['good', 'good', 'good', 'unknown']]);
    expect(findings.at(-1)?.advice).toContain('offchain:read');
    const more = join(desk.folder, 'farebox-invoices.macaroon');
    await writeFile(more, Buffer.from(await nodes.bob.bake('info:read', 'invoices:read', 'invoices:write', 'offchain:read'), 'hex'));
    const [paid, pays] = (await desk.run('doctor')).stdout.split('\n').map((line) => JSON.parse(line || '{}') as { findings: typeof findings });
    expect(paid?.findings.map(({ level, what }) => [level, what]).slice(-2)).toEqual([
      ['good', 'What lets us in cannot spend'],
      ['good', expect.stringMatching(/^Can be paid \d+ sat now$/)],
    ]);
    expect(pays?.findings.map(({ level }) => level)).toEqual(['good', 'good']);
  });

  it('is right that a node does not pay its own invoices: it is said, and nothing is spent', async () => {
    await writeFile(join(desk.folder, 'own.macaroon'), Buffer.from(await nodes.bob.bake('info:read', 'offchain:read', 'offchain:write'), 'hex'));
    const { url, certificatePath } = nodes.bob;
    const connecting = ['--url', url, '--certificate', certificatePath, '--macaroon', 'own.macaroon', '--network', 'regtest', '--name', 'own'];
    expect((await desk.run('wallet', 'connect', 'lnd', ...connecting)).code).toBe(0);
    const address = newcomer
      .gateway()
      ?.lines()
      .find(({ kind }) => kind === 'listening')?.url as string;
    const got = await desk.run('get', `${address}/`, '--max', '12 sat', '--wallet', 'own');
    expect([got.code, got.stdout]).toEqual([4, '']);
    expect(got.stderr).toMatch(/nothing was spent.*self-payment/);
  });
});
