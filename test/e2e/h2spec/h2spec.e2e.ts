/**
 * h2spec against the gateway's listener, in the clear and over TLS: every case passes but those that docs/compatibility.md names, with their
 * reasons. A case that fails and is not named there is an error, and so is one that is named and passes.
 *
 * @see RFC 9113; RFC 7541
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Closing, closeAll, openStage, openUpstream } from '../../gateway/harness.ts';
import { buildH2spec } from './Program.ts';

const closing: Closing = [];
let program = '';
beforeAll(() => {
  program = buildH2spec((line) => process.stdout.write(`${line}\n`));
});
afterAll(() => closeAll(closing));

/** The cases that fail, by section and number: the first column of the table. */
function named(isSecure: boolean): readonly string[] {
  const page = readFileSync(new URL('../../../docs/compatibility.md', import.meta.url), 'utf8');
  const [, section = ''] = /## HTTP\/2, by h2spec\n([\s\S]*?)(?=\n## |$)/.exec(page) ?? [];
  const rows = [...section.matchAll(/^\| `([a-z0-9./]+)`( \(in the clear\))? \|/gm)];
  return rows.flatMap(([, name = '', inClear]) => (isSecure && inClear !== undefined ? [] : [name])).sort();
}

/** Runs all cases, and says which have failed and how many there were. */
async function runAll(port: number, ...flags: readonly string[]): Promise<{ failed: readonly string[]; count: number }> {
  const args = ['-h', '127.0.0.1', '-p', String(port), '-P', '/a', '-o', '2', '-S', ...flags, '-v'];
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 26 }).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  return readReport(stdout);
}

/** What h2spec prints: a heading a section, and a line a case, which is repeated among the failures below. */
function readReport(text: string): { failed: readonly string[]; count: number } {
  const [cases = ''] = text.split(/^Failures: *$/m);
  const [, count = '0'] = /^(\d+) tests, /m.exec(text) ?? [];
  const failed: string[] = [];
  let suite = '';
  let section = '';
  for (const line of cases.split('\n')) {
    const [, title] = /^(Generic tests|Hypertext Transfer Protocol|HPACK)/.exec(line) ?? [];
    if (title !== undefined) suite = { 'Generic tests': 'generic', HPACK: 'hpack' }[title] ?? 'http2';
    const [, heading] = /^\s+([\d.]+)\. [A-Z]/.exec(line) ?? [];
    if (heading !== undefined) section = heading;
    const [, number] = /× (\d+): /.exec(line) ?? [];
    if (number !== undefined) failed.push(`${suite}/${section}/${number}`);
  }
  return { failed: failed.sort(), count: Number(count) };
}

describe.each([
  ['in the clear', false],
  ['over TLS', true],
])('%s', (_, isSecure) => {
  test('every case passes but those that stand in docs/compatibility.md', async () => {
    const upstream = await openUpstream(closing, (_request, response) => {
      // Some cases are about streams that are not answered yet: an answer takes its time.
      setTimeout(() => response.end('hello from the upstream'), 100);
    });
    const stage = await openStage(closing, { upstream: upstream.port, ...(isSecure && { top: { tls: 'self-signed' } }) });
    const { failed, count } = await runAll(stage.port, ...(isSecure ? ['-t', '-k'] : []));
    expect(count).toBe(146);
    expect(failed).toEqual(named(isSecure));
  });
});
