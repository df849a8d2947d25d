/**
 * `farebox schema`: every command, option, argument, exit code and output, as JSON: for programs that call this one, and for models that are
 * handed it as a tool.
 */
import type { Command } from 'commander';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import { wrong } from '../buy/RequestOptions.ts';
import type { CliContext } from '../Context.ts';
import { exitCodes } from '../exit.ts';
import { toJson } from '../Terminal.ts';
import { version } from '../version.ts';
import { outputs, types } from './outputs.ts';
import { type CommandWords, flatten, type OptionWords, readCommand } from './tree.ts';

/** Adds `farebox schema`. */
export function registerSchema(program: Command, context: CliContext): void {
  program
    .command('schema')
    .argument('[command...]', 'one command, such as "journal list"; default: all')
    .description('Describe every command, option, argument, exit code and output as JSON.')
    .addHelpText('after', '\nExamples:\n  farebox schema | jq ".commands[].command"\n  farebox schema get')
    .action((words: readonly string[]) => {
      const schema = schemaOf(program);
      const wanted = words.join(' ');
      const commands = schema.commands.filter(({ command }) => wanted === '' || command === wanted || command.startsWith(`${wanted} `));
      if (commands.length === 0) throw wrong(`There is no command "${wanted.slice(0, 64)}". All: farebox schema | jq -r ".commands[].command"`);
      return context.terminal.raw(fromUtf8(`${toJson(wanted === '' ? schema : { ...schema, commands }, 2)}\n`));
    });
}

/** The whole of it. */
export function schemaOf(program: Command) {
  const root = readCommand(program);
  return {
    program: 'farebox',
    version,
    description: root.description,
    exitCodes,
    types,
    standardError: 'words for people; what went wrong begins with its code, see docs/errors.md',
    events: 'farebox get --events writes lines of JSON: at (time), call (number), kind (text), and what goes with the kind',
    options: root.options.map(optionOf),
    commands: flatten(root)
      .filter(({ isRunnable }) => isRunnable)
      .map(commandOf),
  };
}

function commandOf(command: CommandWords) {
  const name = command.words.join(' ');
  return {
    command: name,
    description: command.description,
    arguments: command.arguments,
    options: command.options.map(optionOf),
    output: outputs[name],
  };
}

function optionOf({ short, long, value, isValueOptional, choices, default: byDefault, description }: OptionWords) {
  const argument = value === undefined ? 'none' : isValueOptional ? 'optional' : 'required';
  return { long, short, argument, value, choices, default: byDefault, description };
}
