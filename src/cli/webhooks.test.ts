import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import * as Amount from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { registerWebhooks } from './webhooks.ts';

const fakes: Fake[] = [];
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

async function open() {
  const cli = createFake(registerWebhooks);
  fakes.push(cli);
  const config = cli.path('farebox.yaml');
  const path = cli.path('farebox.db');
  writeFileSync(
    config,
    `store: ${path}
webhooks:
  - { name: books, url: 'https://hooks.example.com/services/T0P-SECRET', secret: hook.secret }
services: [{ name: api, upstream: 'http://127.0.0.1:3000', routes: [{ path: /a, price: 1 sat }] }]
`,
  );
  const store = await createSqliteStore({ path });
  for (const number of [1, 2, 3])
    await store.append([
      {
        kind: 'received',
        paymentHash: String(number).padStart(64, '0') as PaymentHash,
        nonce: '',
        amountMsat: Amount.fromSat(1),
        service: 'api',
        route: '/a',
        at: Date.UTC(2026, 10, number) / 1000,
        note: '',
      },
    ]);
  return { cli, config, store };
}

test('who is told, and how far; never where to', async () => {
  const { cli, config, store } = await open();
  await cli.run('webhooks', '--config', config);
  expect(cli.out()).toBe('books  https://hooks.example.com  not begun\n');
  await store.append([], { reader: 'webhook:books', place: '1' });
  await cli.run('webhooks', 'list', '--config', config);
  expect(cli.out()).toContain('books  https://hooks.example.com  2 behind\n');
  await cli.run('webhooks', 'list', '--config', config, '--json');
  expect(JSON.parse(cli.out().trim().split('\n').at(-1) ?? '')).toMatchObject({ kind: 'webhook', name: 'books', told: 1, left: 2, isAsked: false });
  expect(cli.screen()).not.toContain('T0P-SECRET');
  await store.close();
});

test('a replay from a time on, or of everything; of a webhook that there is', async () => {
  const { cli, config, store } = await open();
  await cli.run('webhooks', 'replay', 'books', '--since', '2026-11-02', '--config', config, '--yes');
  expect(await store.bookmark('webhook:books:replay')).toMatch(/^[0-9a-f]{16} 1$/);
  await cli.run('webhooks', 'replay', 'books', '--since', '2026-11-09T12:00', '--config', config, '--yes');
  expect(await store.bookmark('webhook:books:replay')).toMatch(/ 3$/);
  await cli.run('webhooks', 'replay', 'books', '--all', '--config', config, '--yes');
  expect(await store.bookmark('webhook:books:replay')).toMatch(/ 0$/);
  await expect(cli.run('webhooks', 'replay', 'others', '--all', '--config', config, '--yes')).rejects.toThrow('There is no webhook "others"');
  await expect(cli.run('webhooks', 'replay', 'books', '--config', config)).rejects.toThrow('From when on?');
  await expect(cli.run('webhooks', 'replay', 'books', '--since', 'monday', '--config', config)).rejects.toThrow('--since is a day or a time');
  await store.close();
});
