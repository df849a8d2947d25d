import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pages } from '../http/App.ts';
import { createPages } from './createPages.ts';

let folder: string;
let pages: Pages;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-pages-'));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Farebox</title>');
  writeFileSync(join(folder, 'assets', 'main-1a2b.js'), 'console');
  writeFileSync(join(folder, 'secret.key'), 'secret');
  pages = createPages(folder);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  pages(path, new Request(`http://127.0.0.1:8406${path}`, { headers, method }));

test('the page and its files, each with its type; what has its content’s digest in its name is kept', async () => {
  const page = await ask('/');
  expect([await page?.text(), page?.headers.get('content-type'), page?.headers.get('cache-control')]).toEqual([
    '<!doctype html><title>Farebox</title>',
    'text/html; charset=utf-8',
    'no-cache',
  ]);
  expect((await ask('/assets/main-1a2b.js'))?.headers.get('cache-control')).toContain('immutable');
});

test('nothing runs in line, nobody else is asked, and no other page may hold this one', async () => {
  const policy = (await ask('/'))?.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|\*/);
});

test.each(['/secret.key', '/assets/../index.html', '/../../package.json', '/assets', '/v1/nothing'])('%s is not there', async (path) => {
  expect(await pages(path, new Request('http://127.0.0.1:8406/'))).toBeUndefined();
});

test('made smaller for those who read it so', async () => {
  const small = await ask('/', { 'accept-encoding': 'br, gzip' });
  expect(small?.headers.get('content-encoding')).toBe('gzip');
  expect(gunzipSync(new Uint8Array((await small?.arrayBuffer()) ?? new ArrayBuffer(0))).toString()).toContain('Farebox');
  expect((await ask('/', { 'accept-encoding': 'gzip;q=0' }))?.headers.get('content-encoding')).toBeNull();
});
