/**
 * The terminal session of the guide to buying, typed as it stands there, against a seller on the sandbox. What varies from run to run (hashes, times,
 * ports) is left out of the comparison. `UPDATE_SESSION=1` writes what was printed into the guide.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { loadCommands } from '../../src/cli/commands.ts';
import { createProgram } from '../../src/cli/program.ts';
import { type Market, openMarket } from '../cli/market.ts';

const guide = join(import.meta.dirname, '..', '..', 'docs', 'guide', 'buying.md');
const registers = await loadCommands();
const before = process.cwd();
let market: Market | undefined;
afterEach(async () => {
  process.chdir(before);
  await market?.close();
  market = undefined;
});

const atlas = Buffer.alloc(3_000_000, 'the whole wide world, ');

/** What is sold: a word, and a file that breaks off in its middle when it is fetched for the first time. */
async function open(): Promise<Market> {
  let fetched = 0;
  let folder = '';
  const opened = await openMarket((request, response) => {
    if (request.url !== '/files/atlas.tar') return void response.end('hola\n');
    const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
    const head = { etag: '"1"', 'content-length': atlas.length - from };
    if (from > 0)
      return void response.writeHead(206, { ...head, 'content-range': `bytes ${from}-${atlas.length - 1}/${atlas.length}` }).end(atlas.subarray(from));
    if (fetched++ > 0) return void response.writeHead(200, head).end(atlas);
    response.writeHead(200, head).write(atlas.subarray(0, atlas.length / 2));
    const part = join(folder, 'atlas.tar.part');
    const breakOff = () => void ((statSync(part, { throwIfNoEntry: false })?.size ?? 0) < atlas.length / 2 ? setImmediate(breakOff) : response.destroy());
    return breakOff();
  });
  folder = opened.path('downloads');
  mkdirSync(folder);
  process.chdir(folder);
  return opened;
}

/** One command with what stands below it. */
type Step = { readonly command: string; readonly printed: string };

function stepsOf(text: string): readonly Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...lines] = part.split('\n');
      return { command, printed: lines.join('\n') };
    });
}

/** Without what is new in every run, and without regard to where a line is broken. */
function general(text: string): string {
  return text
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME')
    .replace(/\d+ s from now/g, 'N s from now')
    .replace(/\b[0-9a-f]{16,}\b/g, 'HEX')
    .replace(/\s+/g, ' ')
    .trim();
}

test('the session in the guide prints what it says', async () => {
  const opened = await open();
  market = opened;
  const text = readFileSync(guide, 'utf8');
  const [, session = ''] = /^```console\n([^`]*)^```$/m.exec(text) ?? [];
  const steps = stepsOf(session);
  expect(steps.map(({ command }) => command.split(' ').slice(0, 2).join(' '))).toEqual(
    expect.arrayContaining(['npm install', 'farebox wallet', 'farebox budget', 'farebox quote', 'farebox get', 'farebox receipts']),
  );
  const shown: string[] = [];
  for (const { command, printed } of steps) {
    const [program, ...words] = (command.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, '').replace('http://127.0.0.1:8402', opened.url));
    // What npm puts there is tried where the package is built.
    if (program === 'npm') {
      shown.push(`$ ${command}\n`);
      continue;
    }
    const ran = await type(opened, words);
    shown.push(`$ ${command}\n${ran.replaceAll(opened.url, 'http://127.0.0.1:8402').replaceAll(new URL(opened.url).host, '127.0.0.1:8402')}`);
    if (process.env.UPDATE_SESSION === undefined) expect([command, general(ran)]).toEqual([command, general(printed)]);
  }
  if (process.env.UPDATE_SESSION !== undefined)
    writeFileSync(
      guide,
      text.replace(session, () => shown.join('')),
    );
  expect(Buffer.compare(readFileSync('atlas.tar'), atlas)).toBe(0);
});

/** What stands on the screen when a command has ended, as the program itself writes it. */
async function type(opened: Market, words: readonly string[]): Promise<string> {
  const ran = await opened.run(
    (program, context) => {
      for (const command of createProgram(context, registers).commands) program.addCommand(command);
    },
    words,
    { interactive: true, columns: 96, environment: { TERM: 'dumb' } },
  );
  return `${ran.screen()}${ran.error === '' ? '' : `${ran.error.replace(' ', '  ')}\n`}`;
}
