/**
 * The commands as data, read out of the program that parses them: so that what describes them cannot say anything else.
 */
import type { Argument, Command, Option } from 'commander';

/** An option of a command. */
export type OptionWords = {
  readonly short: string | undefined;
  readonly long: string | undefined;
  /** What stands behind it, such as `amount`; undefined where nothing does. */
  readonly value: string | undefined;
  readonly isValueOptional: boolean;
  readonly choices: readonly string[] | undefined;
  readonly default: unknown;
  readonly description: string;
};

/** An argument of a command. */
export type ArgumentWords = {
  readonly name: string;
  readonly isRequired: boolean;
  readonly isRepeated: boolean;
  readonly choices: readonly string[] | undefined;
  readonly description: string;
};

/** A command, and those below it. */
export type CommandWords = {
  /** Such as `['journal', 'list']`; none for the program itself. */
  readonly words: readonly string[];
  readonly description: string;
  readonly arguments: readonly ArgumentWords[];
  readonly options: readonly OptionWords[];
  readonly below: readonly CommandWords[];
  /** Whether it does something by itself, and is no mere place for those below it. */
  readonly isRunnable: boolean;
};

/** Reads a command and everything below it that is not hidden. */
export function readCommand(command: Command, words: readonly string[] = []): CommandWords {
  const shown = command.createHelp();
  const below = shown.visibleCommands(command).filter((each) => each.name() !== 'help');
  return {
    words,
    description: command.description(),
    arguments: command.registeredArguments.map(readArgument),
    options: shown.visibleOptions(command).map(readOption),
    below: below.map((each) => readCommand(each, [...words, each.name()])),
    isRunnable: words.length > 0 && (below.length === 0 || command.registeredArguments.length > 0 || command.options.length > 0),
  };
}

/** A command and all below it, in order. */
export function flatten(command: CommandWords): readonly CommandWords[] {
  return [command, ...command.below.flatMap(flatten)];
}

function readOption(option: Option): OptionWords {
  return {
    short: option.short ?? undefined,
    long: option.long ?? undefined,
    value: /[<[]([^>\]]+?)(?:\.\.\.)?[>\]]/.exec(option.flags)?.[1],
    isValueOptional: option.optional,
    choices: option.argChoices,
    default: option.negate ? undefined : option.defaultValue,
    description: option.description,
  };
}

function readArgument(argument: Argument): ArgumentWords {
  return {
    name: argument.name(),
    isRequired: argument.required,
    isRepeated: argument.variadic,
    choices: argument.argChoices,
    description: argument.description,
  };
}
