import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { checkDecisions, checkErrors, checkForbidden, checkLinks, listTexts, type TextFile } from './docs.ts';

const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

const messages = (findings: readonly { readonly message: string }[]) => findings.map((each) => each.message);

describe('docs/errors.md', () => {
  const page = (text: string): TextFile => ({ path: 'docs/errors.md', text });
  const whole =
    '# Errors\n\n## Tokens\n\n### A_B\n\nStatus 401. It broke.\n\nWhat to do: mend it.\n\n## Rest\n\n### C_D\n\nNo status. It broke.\n\nWhat to do: mend it.\n';

  test('agrees with the codes', () => {
    expect(checkErrors(page(whole), { A_B: 401, C_D: 0 })).toEqual([]);
  });

  test.each([
    ['a code without a section', whole, { A_B: 401, C_D: 0, E_F: 0 }, 'E_F has no section.'],
    ['a section without a code', whole, { A_B: 401 }, 'C_D has a section and is not a code.'],
    ['another status', whole, { A_B: 402, C_D: 0 }, 'The section of A_B does not begin with "Status 402."'],
    ['nothing to do', whole.replace('What to do: mend it.\n\n## Rest', '## Rest'), { A_B: 401, C_D: 0 }, 'The section of A_B does not say what to do.'],
    ['a section twice', `${whole}\n### A_B\n\nStatus 401.\n\nWhat to do: x.\n`, { A_B: 401, C_D: 0 }, 'A_B has two sections.'],
  ])('is found to have %s', (_, text, codes, message) => {
    expect(messages(checkErrors(page(text), codes))).toEqual([message]);
  });
});

describe('links', () => {
  function check(text: string) {
    const root = mkdtempSync(join(tmpdir(), 'farebox-docs-'));
    trees.push(root);
    mkdirSync(join(root, 'docs'));
    writeFileSync(join(root, 'docs', 'a.md'), text);
    writeFileSync(join(root, 'b.md'), '# Two words, & more\n');
    return messages(checkLinks(root, listTexts(root)));
  }

  test('that lead somewhere are fine', () => {
    const text =
      '# Top\n[b](../b.md) [b](../b.md#two-words--more) [top](#top) [web](https://example.com/x) [ref]\n\n[ref]: ../b.md\n\n`[x](y)`\n\n```\n[x](y)\n```\n';
    expect(check(text)).toEqual([]);
  });

  test('that lead nowhere are found', () => {
    const found = check('[c](../c.md) [b](../b.md#three) [ref]\n\n[ref]: d.md\n');
    expect(found).toEqual(['The link ../c.md leads nowhere.', 'The link ../b.md#three names a heading that is not there.', 'The link d.md leads nowhere.']);
  });
});

describe('decision records', () => {
  const list = { path: 'docs/decisions/README.md', text: '- [One](0001-one.md)\n- [Two](0002-two.md)\n' };
  const one = { path: 'docs/decisions/0001-one.md', text: '# 0001 One\n' };

  test('are numbered and listed', () => {
    expect(checkDecisions([list, one, { path: 'docs/decisions/0002-two.md', text: '# 0002 Two\n' }])).toEqual([]);
  });

  test.each([
    ['a gap', { path: 'docs/decisions/0003-two.md', text: '# 0003 Two\n' }],
    ['no number in its title', { path: 'docs/decisions/0002-two.md', text: '# Two\n' }],
    ['no place in the list', { path: 'docs/decisions/0002-other.md', text: '# 0002 Other\n' }],
  ])('are found with %s', (_, record) => {
    expect(checkDecisions([list, one, record])).toHaveLength(1);
  });
});

describe('text that must not be published', () => {
  const check = (text: string) => checkForbidden([{ path: 'a.ts', text }]);
  const slash = '/';

  test.each([
    `see ${slash}root/x`,
    `'${slash}work/x'`,
    `${slash}home/ann/x`,
    `(${slash}Users/Ann/x)`,
    `https:/${slash}${['registry', 'example', 'org'].join('.')}/x`,
  ])('%s is found', (text) => {
    expect(check(`first line\n${text}`)).toMatchObject([{ file: 'a.ts:2' }]);
  });

  test.each([`https:/${slash}example.com/work/x`, './root/x', 'src/work/x', `~${slash}work/x`, 'the npm registry'])('%s is not', (text) => {
    expect(check(text)).toEqual([]);
  });
});
