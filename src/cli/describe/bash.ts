/**
 * Completion for bash: a function that finds which command is being written, and offers what goes there.
 */
import type { CommandWords, OptionWords } from './tree.ts';

/** The script. */
export function bash(commands: readonly CommandWords[]): string {
  const below = commands.filter(({ words }) => words.length > 0);
  return `# Completion of farebox for bash.
_farebox() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="" word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$at $word" in
${below.map(({ words }) => `      ${quoted(` ${words.join(' ')}`)}) at="$at $word" ;;`).join('\n')}
    esac
  done
  case "$at:$prev" in
${commands.flatMap((command) => command.options.flatMap((option) => valueCase(command, option))).join('\n')}
  esac
  local commands="" options="" words=""
  case "$at" in
${commands.map(caseOf).join('\n')}
  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [[ -n "$commands$words" ]]; then
    COMPREPLY=($(compgen -W "$commands $words" -- "$cur"))
  fi
}
complete -o default -F _farebox farebox
`;
}

/** What may stand behind an option: files are left to the shell. */
function valueCase({ words }: CommandWords, { short, long, value, isValueOptional, choices }: OptionWords): readonly string[] {
  if (value === undefined || isValueOptional) return [];
  const at = words.length === 0 ? '' : ` ${words.join(' ')}`;
  const pattern = [short, long].flatMap((flag) => (flag === undefined ? [] : [quoted(`${at}:${flag}`)])).join('|');
  if (choices !== undefined) return [`    ${pattern}) COMPREPLY=($(compgen -W ${quoted(choices.join(' '))} -- "$cur")); return ;;`];
  if (isFile(value)) return [`    ${pattern}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`];
  return [`    ${pattern}) compopt +o default 2>/dev/null; return ;;`];
}

function caseOf({ words, below, options, arguments: given }: CommandWords): string {
  const flags = options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));
  const names = below.map((each) => each.words.at(-1) ?? '');
  const choices = given.flatMap((one) => one.choices ?? []);
  const sets = [`options=${quoted(flags.join(' '))}`];
  if (names.length > 0) sets.unshift(`commands=${quoted(names.join(' '))}`);
  if (choices.length > 0) sets.push(`words=${quoted(choices.join(' '))}`);
  return `    ${quoted(words.length === 0 ? '' : ` ${words.join(' ')}`)}) ${sets.join(' ')} ;;`;
}

/** Whether a value is the name of a file or a folder. */
export function isFile(value: string): boolean {
  return value === 'file' || value === 'folder';
}

/** For a shell, as it is. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
