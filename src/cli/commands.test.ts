import { afterAll, expect, test } from 'vitest';
import { createFake } from '../../test/cli/fakeContext.ts';
import { loadCommands } from './commands.ts';
import { createProgram } from './program.ts';

const fake = createFake(() => {});
afterAll(() => fake.remove());

const namesOf = async (words?: readonly string[]) => createProgram(fake.context, await loadCommands(words)).commands.map((command) => command.name());
const all = await namesOf();

test('each command is found by its own name, and nothing else is read for it', async () => {
  for (const name of all) {
    const names = await namesOf([name, '--help']);
    if (name === 'schema' || name === 'completion') expect(names).toEqual(all);
    else expect([name, names]).toEqual([name, name.startsWith('demo') ? ['demo', 'demo-buyer'] : [name]]);
  }
});

test('where no command is named, or none that there is, all are there to be told of', async () => {
  for (const words of [[], ['--help'], ['gett'], ['help', 'get'], ['toString'], ['__proto__']]) expect(await namesOf(words)).toEqual(all);
});

test('the version is told without any of them', async () => expect(await namesOf(['--version'])).toEqual([]));
