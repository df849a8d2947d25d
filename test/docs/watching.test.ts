import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { families } from '../../src/gateway/metrics/families.ts';

const guide = readFileSync(new URL('../../docs/guide/watching.md', import.meta.url), 'utf8');
const grafana = readFileSync(new URL('../../docs/grafana.json', import.meta.url), 'utf8');

test('the guide tells of each family what the code says of it', () => {
  const rows = families.map(({ name, type, labels, help }) => {
    const said = labels.length === 0 ? '-' : labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${said} | ${help} |`;
  });
  expect(guide.split('\n').filter((line) => line.startsWith('| `farebox_'))).toEqual(rows);
});

test('guide and dashboard ask for nothing that there is not', () => {
  const known = new Set<string>(families.flatMap(({ name, type }) => (type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name])));
  const dashboard = JSON.parse(grafana) as { readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[] };
  const asked = [...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)), guide.slice(guide.indexOf('## What to be woken by'))];
  const names = asked.flatMap((expression) => expression.match(/farebox_\w+/g) ?? []);
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(known).toContain(name);
});
