/**
 * The configuration that the documentation prints is one that Farebox takes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/gateway/index.ts';

const root = join(import.meta.dirname, '..', '..');
const services = 'services: [{ name: a, upstream: "http://localhost:3000", routes: [{ path: /*, price: 10 sat }] }]\n';

test.each(['README.md', 'docs/wallets.md'])('every piece of farebox.yaml in %s is read', (page) => {
  const pieces = [...readFileSync(join(root, page), 'utf8').matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, piece = '']) => piece);
  expect(pieces.length).toBeGreaterThan(1);
  for (const piece of pieces) {
    const text = /^services:/m.test(piece) ? piece : piece + services;
    expect(() => parseConfig(text, { file: page, folder: root, environment: {} }), piece).not.toThrow();
  }
});

test.each(readdirSync(join(root, 'examples', 'selling')))('examples/selling/%s is read, and the guide names it', (file) => {
  const path = `examples/selling/${file}`;
  expect(() => parseConfig(readFileSync(join(root, path), 'utf8'), { file: path, folder: root, environment: {} })).not.toThrow();
  expect(readFileSync(join(root, 'docs', 'guide', 'selling.md'), 'utf8')).toContain(`](../../${path})`);
});
