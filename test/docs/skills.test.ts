/**
 * Skills for agents, and what `llms.txt` says: every command of theirs is there and does what it is for, and every file that they name exists.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, describe, expect, test } from 'vitest';
import { loadCommands } from '../../src/cli/commands.ts';
import { createProgram } from '../../src/cli/program.ts';
import { createFake } from '../cli/fakeContext.ts';
import { type Market, openMarket } from '../cli/market.ts';

const root = join(import.meta.dirname, '..', '..');
const skills = readdirSync(join(root, 'skills'));
const pages = ['llms.txt', ...skills.map((name) => `skills/${name}/SKILL.md`)];
const registers = await loadCommands();
const before = process.cwd();
let market: Market | undefined;
afterEach(async () => {
  process.chdir(before);
  await market?.close();
  market = undefined;
});

const textOf = (page: string) => readFileSync(join(root, page), 'utf8');

describe.each(skills)('the skill %s', (name) => {
  const text = textOf(`skills/${name}/SKILL.md`);

  test('says what it is called and when it is used', () => {
    const [, head = ''] = /^---\n([\s\S]*?)\n---\n/.exec(text) ?? [];
    expect(head).toMatch(new RegExp(`^name: ${name}\ndescription: .{40,1024}$`));
    expect(text.split('\n').length).toBeLessThan(80);
  });

  test('has commands that do what they are for', async () => {
    const opened = await openMarket((_, response) => void response.end('hola\n'));
    market = opened;
    mkdirSync(opened.path('here'));
    process.chdir(opened.path('here'));
    const commands = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.match(/^\$ farebox .*$/gm) ?? []);
    expect(commands.length).toBeGreaterThan(1);
    for (const command of commands) {
      const words = (command.slice('$ farebox '.length).match(/"[^"]*"|\S+/g) ?? []).map((word) =>
        word.replace(/^"|"$/g, '').replace('http://127.0.0.1:8402', opened.url),
      );
      const ran = await opened.run((program, context) => createProgram(context, registers).commands.forEach((one) => void program.addCommand(one)), words, {
        interactive: true,
      });
      expect([command, ran.code, ran.error]).toEqual([command, 0, '']);
    }
  });
});

test('every command and option that is named is there', () => {
  const fake = createFake(() => {});
  const program = createProgram(fake.context, registers);
  for (const page of pages) {
    for (const [, named = ''] of textOf(page).matchAll(/(?:`|^\$ )farebox ([^`\n]+)/gm)) {
      const words = named.split(' ');
      let at: Command = program;
      while (words[0] !== undefined) {
        const next = at.commands.find((one) => one.name() === words[0]);
        if (!next) break;
        at = next;
        words.shift();
      }
      expect([page, named, at === program]).toEqual([page, named, false]);
      for (const word of words.filter((one) => /^--[a-z]/.test(one) && one !== '--help')) {
        const holders = [at, ...at.commands.filter((one) => one.name() === 'run')];
        expect([page, named, word, holders.some((one) => one.options.some(({ long }) => long === word))]).toEqual([page, named, word, true]);
      }
    }
  }
  fake.remove();
});

test('every file and door that is named is there', () => {
  const doors = Object.keys((JSON.parse(textOf('package.json')) as { exports: object }).exports);
  for (const page of pages) {
    const text = textOf(page);
    for (const [, path = ''] of text.matchAll(/\]\(([^)]+)\)/g)) expect([page, path, existsSync(join(root, path))]).toEqual([page, path, true]);
    for (const [, door = ''] of text.matchAll(/`farebox(\/[\w/-]+)`/g)) expect([page, door, doors.includes(`.${door}`)]).toEqual([page, door, true]);
  }
});
