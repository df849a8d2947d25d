import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withEntry } from './jsonText.ts';

const entry = { command: 'npx', args: ['a, b', '{ "x": 1 } // no comment'] };

/** Texts of one value, with comments, spaces and commas wherever a lenient reader takes them. */
const noise = fc.constantFrom('', ' ', '\n', '\r\n  ', '// a "comment" {\n', '/* { "b": [ */', '\t');
function textOf(value: unknown, noises: Iterator<string>): string {
  const some = () => noises.next().value ?? '';
  const list = (items: readonly string[], open: string, close: string) =>
    `${open}${some()}${items.join(`${some()},${some()}`)}${items.length > 0 && some() === ' ' ? ',' : ''}${some()}${close}`;
  if (Array.isArray(value)) return list(value.map((item) => textOf(item, noises)), '[', ']');
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}${some()}:${some()}${textOf(item, noises)}`);
  return list(members, '{', '}');
}
const file = fc
  .tuple(
    fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
    fc.option(fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }), { nil: undefined }),
    fc.array(noise, { minLength: 1, maxLength: 30 }),
  )
  .map(([others, servers, noises]) => {
    const { mcpServers: _, ...rest } = others;
    function* endless() {
      for (;;) yield* noises;
    }
    return `${noises[0]}${textOf(servers === undefined ? rest : { ...rest, mcpServers: servers }, endless())}\n`;
  });

describe('a file', () => {
  it('has the entry and everything else that it had, and without the entry is what it was but for white space', () => {
    fc.assert(
      fc.property(file, (text) => {
        const written = withEntry(text, 'mcpServers', 'farebox', entry);
        if (written === undefined) throw new Error(`not understood: ${text}`);
        // One piece more, somewhere: all that stood before and behind it stands there still.
        const [was, is] = [text.replace(/\s/g, ''), written.replace(/\s/g, '')];
        let same = 0;
        while (same < was.length && was[same] === is[same]) same++;
        expect(is.endsWith(was.slice(same))).toBe(true);
        expect(withEntry(written, 'mcpServers', 'farebox', entry)).toBe(written);
        const undone = withEntry(written, 'mcpServers', 'farebox', undefined);
        expect(undone).toBeDefined();
        expect(undone).not.toContain('"farebox"');
        const bare = (said: string | undefined) => said?.replace(/[\s,]/g, '').replace('"mcpServers":{}', '');
        expect(bare(undone)).toBe(bare(text));
      }),
      { numRuns: 300 },
    );
  });

  it('that is no object, breaks off or says a name twice is not understood', () => {
    for (const text of ['[]', '"x"', '{', '{"mcpServers": []}', '{"mcpServers": 1}', '{"a": 1} {"b": 2}', '{a: 1}', "{'a': 1}", '/* {}', '{"a": "b', '{"mcpServers": {}, "mcpServers": {}}']) {
      expect([text, withEntry(text, 'mcpServers', 'farebox', entry)]).toEqual([text, undefined]);
    }
  });
});

it('looks like what was there', () => {
  const text = '{\n    // mine\n    "theme": "dark",\n    "mcpServers": {\n        "a": { "command": "x" }, // stays\n    },\n    "big": 12345678901234567890\n}\n';
  expect(withEntry(text, 'mcpServers', 'farebox', { command: 'npx' })).toBe(
    '{\n    // mine\n    "theme": "dark",\n    "mcpServers": {\n        "farebox": {\n            "command": "npx"\n        },\n        "a": { "command": "x" }, // stays\n    },\n    "big": 12345678901234567890\n}\n',
  );
  expect(withEntry('', 'mcpServers', 'farebox', { command: 'npx' })).toBe('{\n  "mcpServers": {\n    "farebox": {\n      "command": "npx"\n    }\n  }\n}\n');
});
