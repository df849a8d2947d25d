import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Outgoing from './Outgoing.ts';

const address = fc
  .tuple(
    fc.constantFrom('http://', 'https://', 'HTTP://', 'ftp://', ''),
    fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.constantFrom(
        'localhost',
        'LOCALHOST',
        '127.1',
        '0x7f.1',
        '[::1]',
        'a.b.',
        'xn--p1ai',
        'xn--a.com',
        'user@host',
        'u:p@host',
        'a_b.com',
        '1.2.3.4.5',
        '010.0.0.1',
      ),
    ),
    fc.constantFrom('', ':80', ':443', ':8080', ':0', ':00080', ':65536', ':99999', ':', ':x'),
    fc.oneof(
      fc.webPath(),
      fc.constantFrom('/a/b.c', '/a/./b', '/a/%2e%2e/b', '/.a/b', '/a/..', '/a//b', '/a/...', '/a\\b', '/a?b/../c', '/a\u0000'),
      fc.webQueryParameters().map((query) => `?${query}`),
      fc.constantFrom('', '\\x', '/a b', '/a\tb', '/%zz', '/../x', '#top', '/x#top', '/ä'),
    ),
  )
  .map((parts) => parts.join(''));

test('the origin read from a text is the one that URL reads, and what is sent there leads to the same place', async () => {
  await fc.assert(
    fc.asyncProperty(address, async (text) => {
      const expected = read(() => new Request(text));
      // Origins that were asked before are known by their text: this one, and those that this text is nearly one of.
      for (const before of [expected && new URL(expected.url).origin, text.slice(0, -1), text.split('/', 3).join('/')]) {
        if (before !== undefined) await Promise.allSettled([Outgoing.from(before, undefined, 0)]);
      }
      const outgoing = read(() => Outgoing.from(text, undefined, 0));
      if (expected === undefined) {
        // Where it took no `Request` to tell, `fetch` is the one to refuse it.
        if (outgoing !== undefined && !(outgoing instanceof Promise)) expect(URL.parse(outgoing.href)).toBeNull();
        else await expect(outgoing).rejects.toThrow(TypeError);
        return;
      }
      const { origin, pathname, url, href } = (await outgoing) as Outgoing.Outgoing;
      const plain = new URL(expected.url);
      plain.hash = '';
      expect([origin, pathname, url.href, new URL(href).href]).toEqual([plain.origin, plain.pathname, plain.href, plain.href]);
    }),
    { numRuns: 2000 },
  );
});

function read<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
