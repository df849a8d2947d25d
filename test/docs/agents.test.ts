/**
 * The terminal session of the guide to agents, typed as it stands there, against a seller on the sandbox. What varies from run to run (hashes, numbers
 * of content, times, ports) is left out of the comparison. `UPDATE_SESSION=1` writes what was printed into the guide.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { loadCommands } from '../../src/cli/commands.ts';
import { createProgram } from '../../src/cli/program.ts';
import { type Market, openMarket } from '../cli/market.ts';

const root = join(import.meta.dirname, '..', '..');
const registers = await loadCommands();
const guide = join(root, 'docs', 'guide', 'agents.md');
let market: Market | undefined;
afterEach(async () => {
  await market?.close();
  market = undefined;
});

test('the session in the guide prints what it says', async () => {
  const opened = await openMarket((_, response) => void response.setHeader('content-type', 'text/plain').end('hola'));
  market = opened;
  const text = readFileSync(guide, 'utf8');
  const [, session = ''] = /^```console\n([^`]*)^```$/m.exec(text) ?? [];
  const steps = session.split(/^\$ /m).slice(1);
  expect(steps.map((step) => step.split(/[ \n]/).slice(0, 2).join(' '))).toEqual([
    'npm install',
    'farebox budget',
    'npm run',
    'farebox budget',
    'farebox receipts',
  ]);
  const shown: string[] = [];
  for (const step of steps) {
    const [command = '', ...lines] = step.split('\n');
    const words = (command.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, '').replace('http://127.0.0.1:8402', opened.url));
    const ran = await type(opened, words);
    shown.push(`$ ${command}\n${ran.replaceAll(opened.url, 'http://127.0.0.1:8402').replaceAll(new URL(opened.url).host, '127.0.0.1:8402')}`);
    if (process.env.UPDATE_SESSION === undefined) expect([command, general(ran)]).toEqual([command, general(lines.join('\n'))]);
  }
  if (process.env.UPDATE_SESSION !== undefined)
    writeFileSync(
      guide,
      text.replace(session, () => shown.join('')),
    );
  expect(await opened.payments()).toBe(1);
});

/** What stands on the screen when a command has ended. */
async function type(opened: Market, [program = '', ...words]: readonly string[]): Promise<string> {
  // What npm puts there is tried where the package is built.
  if (program === 'npm') return words[0] === 'install' ? '' : example(opened, words.slice(words.indexOf('--') + 1));
  const ran = await opened.run(
    (parent, context) => {
      for (const command of createProgram(context, registers).commands) parent.addCommand(command);
    },
    words,
    { interactive: true, columns: 96, environment: { TERM: 'dumb' } },
  );
  return `${ran.screen()}${ran.error === '' ? '' : `${ran.error.replace(' ', '  ')}\n`}`;
}

/** An example in a process of its own, as its script starts it. */
async function example(opened: Market, words: readonly string[]): Promise<string> {
  const { OPENAI_API_KEY: _, ...environment } = process.env;
  const child = spawn(process.execPath, [join(root, 'examples', 'run.ts'), ...words], {
    env: { ...environment, FAREBOX_HOME: opened.home.folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return textOf(child.stdout);
}

/** Without what is new in every run, and without regard to where a line is broken. */
function general(text: string): string {
  return text
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{3}Z| UTC)?/g, 'TIME')
    .replace(/\b[0-9a-f]{16,}\b/g, 'HEX')
    .replace(/\s+/g, ' ')
    .trim();
}
