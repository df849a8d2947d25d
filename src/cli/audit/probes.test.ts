import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Group, groups, type Probe } from './Probe.ts';
import { probes } from './probes.ts';

/** The tables of docs/audit.md: where they differ, the failure shows what belongs there. */
function tableOf(group: Group): string {
  const row = ({ name, pays, asks, severity, means, mend }: Probe) => `| \`${name}\`${pays ? ' (pays)' : ''} | ${asks} | ${severity} | ${means} | ${mend} |`;
  const rows = probes.filter((probe) => probe.group === group).map(row);
  return [`### ${groups[group]}`, '', '| probe | asks | where it fails | it means | how to mend it |', '|---|---|---|---|---|', ...rows].join('\n');
}

test('docs/audit.md has every probe, as it is', () => {
  const page = readFileSync(new URL('../../../docs/audit.md', import.meta.url), 'utf8');
  const tables = page.slice(page.indexOf('### '), page.indexOf('\n## After'));
  expect(tables.trim()).toBe((Object.keys(groups) as Group[]).map(tableOf).join('\n\n'));
});

test('names are words with hyphens, and none is there twice', () => {
  const names = probes.map(({ name }) => name);
  expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

test('every probe says how to mend it in a sentence, and the rest without a full stop', () => {
  expect(probes.filter(({ mend }) => !/^[A-Z].*\.$/.test(mend)).map(({ name }) => name)).toEqual([]);
  expect(probes.filter(({ asks, means }) => /\.$/.test(asks) || /\.$/.test(means) || /\|/.test(asks + means)).map(({ name }) => name)).toEqual([]);
});

test('probes of one group stand together, so that each is told under one heading', () => {
  const order = probes.map(({ group }) => group).filter((group, index, all) => group !== all[index - 1]);
  expect(order).toEqual(Object.keys(groups));
});

test('every finding that a probe follows is a probe before it', () => {
  for (const [index, { follows = [] }] of probes.entries()) {
    const before = probes.slice(0, index).map(({ name }) => name);
    for (const name of follows) expect(before).toContain(name);
  }
});
