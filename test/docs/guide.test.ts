/**
 * The configuration that the documentation prints is one that Farebox takes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/gateway/index.ts';
import { rows } from '../conformance/selling/rows.ts';

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

test('every row of the guide to selling is tried as its configuration stands, and every configuration has its row', () => {
  const tables = readFileSync(join(root, 'docs', 'guide', 'selling.md'), 'utf8').match(/^\|.*$/gm) ?? [];
  const shown = tables.flatMap((row) => /\]\(\.\.\/\.\.\/examples\/([\w/-]+)\.yaml\)/.exec(row)?.[1] ?? []);
  expect(rows.map(({ file }) => file)).toEqual(shown);
  const there = ['selling', 'handing-on'].flatMap((folder) => readdirSync(join(root, 'examples', folder)).map((file) => `${folder}/${file}`));
  expect(there.filter((file) => file.endsWith('.yaml')).sort()).toEqual(shown.map((file) => `${file}.yaml`).sort());
  for (const file of shown) {
    const path = `examples/${file}.yaml`;
    expect(() => parseConfig(readFileSync(join(root, path), 'utf8'), { file: path, folder: root, environment: {} }), path).not.toThrow();
  }
});
