import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, expect, test } from 'vitest';
import { createFake } from '../../../test/cli/fakeContext.ts';
import { loadCommands } from '../commands.ts';
import { exitCodes } from '../exit.ts';
import { createProgram } from '../program.ts';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import { outputs, types } from './outputs.ts';
import { schemaOf } from './schema.ts';
import { flatten, readCommand } from './tree.ts';
import { zsh } from './zsh.ts';

const registers = await loadCommands();
const fake = createFake(() => {});
const folder = mkdtempSync(join(tmpdir(), 'farebox-completion-'));
afterAll(() => {
  fake.remove();
  rmSync(folder, { recursive: true, force: true });
});
const program = createProgram(fake.context, registers);
const commands = flatten(readCommand(program));

/** Every command that does something, by commander's own list. */
function runnable(command: Command, words: readonly string[] = []): readonly string[] {
  const below = command.commands.filter((each) => each.name() !== 'demo-buyer');
  const own = words.length > 0 && (below.length === 0 || command.registeredArguments.length > 0 || command.options.length > 0) ? [words.join(' ')] : [];
  return [...own, ...below.flatMap((each) => runnable(each, [...words, each.name()]))];
}

test('every command is in the schema with every option and argument and with what it writes, and nothing else is', () => {
  const schema = schemaOf(program);
  const names = runnable(program);
  expect(schema.commands.map(({ command }) => command)).toEqual(names);
  expect(Object.keys(outputs).sort()).toEqual([...names].sort());
  for (const described of schema.commands) {
    const command = described.command.split(' ').reduce<Command>((at, word) => at.commands.find((each) => each.name() === word) as Command, program);
    expect([described.command, described.options.map(({ long }) => long).filter((long) => long !== '--help')]).toEqual([
      described.command,
      command.options.map(({ long }) => long),
    ]);
    expect(described.arguments.map(({ name }) => name)).toEqual(command.registeredArguments.map((one) => one.name()));
    expect([described.command, described.description.length > 8 && described.options.every(({ description }) => description.length > 0)]).toEqual([
      described.command,
      true,
    ]);
  }
  expect(schema.exitCodes).toEqual(exitCodes);
});

test('the types of fields are words that the schema explains', () => {
  const shapes = Object.values(outputs).flatMap((output) => ('shapes' in output ? output.shapes : 'withJson' in output ? (output.withJson?.shapes ?? []) : []));
  const used = new Set(shapes.flatMap((shape) => Object.values(shape)).map((type) => type.replace('?', '')));
  expect([...used].filter((type) => !Object.hasOwn(types, type))).toEqual([]);
});

test('"farebox schema" prints it, or the part that is asked for', async () => {
  const ran = createFake((_, context) => void context, { interactive: false });
  const own = createProgram(ran.context, registers);
  await own.parseAsync(['schema', 'journal'], { from: 'user' });
  expect((JSON.parse(ran.out()) as { commands: { command: string }[] }).commands.map(({ command }) => command)).toEqual([
    'journal list',
    'journal show',
    'journal resolve',
    'journal resume',
  ]);
  await expect(createProgram(ran.context, registers).parseAsync(['schema', 'nothing'], { from: 'user' })).rejects.toMatchObject({ exitCode: 2 });
  ran.remove();
});

const isThere = (shell: string) => spawnSync(shell, ['--version']).status === 0;

/** What bash offers for words, the last of which is being written. */
function offeredByBash(...words: readonly string[]): readonly string[] {
  const script = join(folder, 'bash');
  writeFileSync(script, bash(commands));
  const array = words.map((word) => `'${word}'`).join(' ');
  const asked = `source '${script}'; COMP_WORDS=(${array}); COMP_CWORD=${words.length - 1}; _farebox; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', asked], { encoding: 'utf8', cwd: folder });
  expect(stderr).toBe('');
  return stdout.split('\n').filter(Boolean);
}

test.skipIf(!isThere('bash'))('bash completes commands, options, words and files', () => {
  expect(offeredByBash('farebox', 'jour')).toEqual(['journal']);
  expect(offeredByBash('farebox', 'journal', '')).toEqual(['list', 'show', 'resolve', 'resume']);
  expect(offeredByBash('farebox', 'get', 'http://localhost/', '--max')).toEqual(['--max', '--max-all', '--max-total', '--max-time']);
  expect(offeredByBash('farebox', 'get', '--max', '')).toEqual([]);
  expect(offeredByBash('farebox', 'completion', '')).toEqual(['bash', 'zsh', 'fish']);
  writeFileSync(join(folder, 'a-file'), '');
  expect(offeredByBash('farebox', 'get', '-o', 'a-')).toEqual(['a-file']);
  const every = commands.filter(({ below }) => below.length > 0);
  for (const { words, below } of every) expect(offeredByBash('farebox', ...words, '')).toEqual(below.map((each) => each.words.at(-1)));
});

test.skipIf(!isThere('zsh'))('zsh reads its script', () => {
  const script = join(folder, '_farebox');
  writeFileSync(script, zsh(commands));
  expect(spawnSync('zsh', ['-n', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  // What it hands to zsh's own functions, which complete for a person alone.
  const asked = `compdef() { : }; _describe() { print -l -- "$1" "\${(@P)\${@[-1]}}" }; source '${script}'; words=(farebox journal ''); CURRENT=3; _farebox`;
  const { stdout } = spawnSync('zsh', ['-f', '-c', asked], { encoding: 'utf8' });
  expect(stdout.split('\n').map((line) => line.split(':')[0])).toEqual(['command', 'list', 'show', 'resolve', 'resume', '']);
});

test.skipIf(!isThere('fish'))('fish completes commands and options', () => {
  const script = join(folder, 'fish');
  writeFileSync(script, fish(commands));
  const ask = (line: string) => {
    const environment = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', `source '${script}'; complete -C '${line}'`], { encoding: 'utf8', env: environment });
    expect(stderr).toBe('');
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((each) => each.split('\t')[0]);
  };
  expect([...ask('farebox journal ')].sort()).toEqual(['list', 'resolve', 'resume', 'show']);
  expect([...ask('farebox get --max')].sort()).toEqual(['--max', '--max-all', '--max-time', '--max-total']);
});
