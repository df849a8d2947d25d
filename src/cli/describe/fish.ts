/**
 * Completion for fish: a line for each command and each option.
 */
import { isFile } from './bash.ts';
import type { CommandWords, OptionWords } from './tree.ts';

/** The script. */
export function fish(commands: readonly CommandWords[]): string {
  const below = commands.filter(({ words }) => words.length > 0);
  return `# Completion of farebox for fish.
function __farebox_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case ${below.map(({ words }) => quoted(` ${words.join(' ')}`)).join(' ')}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf(command: CommandWords): readonly string[] {
  const at = `complete -c farebox -n ${quoted(`__farebox_at ${quoted(command.words.length === 0 ? '' : ` ${command.words.join(' ')}`)}`)}`;
  const choices = command.arguments.flatMap((one) => one.choices ?? []);
  return [
    ...command.below.map((each) => `${at} -f -a ${quoted(each.words.at(-1) ?? '')} -d ${quoted(each.description)}`),
    ...(choices.length === 0 ? [] : [`${at} -f -a ${quoted(choices.join(' '))}`]),
    ...command.options.map((option) => `${at}${flagsOf(option)} -d ${quoted(option.description)}`),
  ];
}

function flagsOf({ short, long, value, isValueOptional, choices }: OptionWords): string {
  const names = [...(short === undefined ? [] : [` -s ${short.slice(1)}`]), ...(long === undefined ? [] : [` -l ${long.slice(2)}`])].join('');
  if (value === undefined || isValueOptional) return names;
  if (choices !== undefined) return `${names} -x -a ${quoted(choices.join(' '))}`;
  return `${names} ${isFile(value) ? '-r -F' : '-x'}`;
}

/** For fish, which knows two escapes within single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
