/**
 * `examples/grpc`, as processes of their own, the way its README starts them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type DeskOptions, openDesk } from '../e2e/processes.ts';

const root = join(import.meta.dirname, '..', '..');
const program = join(root, 'examples', 'run.ts');
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function open(options: DeskOptions = {}) {
  const desk = openDesk(options);
  closing.push(desk.close);
  return desk;
}

test('sells a call and a stream, and buys both', { timeout: 120_000 }, async () => {
  const home = join(open().folder, 'home');
  const environment = { FAREBOX_HOME: home, PORT: '0' };
  const server = open({ program, environment }).start('grpc/server');
  const [, upstream = ''] = await server.prints(/^A translator that speaks gRPC: (http:\S+)$/);
  const desk = open({ environment });
  const file = join(desk.folder, 'farebox.yaml');
  const text = readFileSync(join(root, 'examples/grpc/farebox.yaml'), 'utf8');
  writeFileSync(file, text.replace('http://127.0.0.1:50051', upstream).replace('127.0.0.1:8402', '127.0.0.1:0'));
  const gateway = desk.start('serve', '--config', file);
  const listening = await gateway.says(({ kind }) => kind === 'listening');
  const { code, stdout, stderr } = await open({ program, environment }).run('grpc/client', String(listening.url));
  expect([code, stderr, stdout]).toEqual([0, '', 'paid\nhola mundo\npaid\nhola\nadiós\n']);
});
