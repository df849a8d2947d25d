/**
 * Completion for zsh: the same as for bash, with what each command and option is for.
 */
import { isFile, quoted } from './bash.ts';
import type { CommandWords, OptionWords } from './tree.ts';

/** The script: a file of `fpath`, or to be sourced. */
export function zsh(commands: readonly CommandWords[]): string {
  const below = commands.filter(({ words }) => words.length > 0);
  return `#compdef farebox
# Completion of farebox for zsh.
_farebox() {
  local at="" word i
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    case "$at $word" in
${below.map(({ words }) => `      ${quoted(` ${words.join(' ')}`)}) at="$at $word" ;;`).join('\n')}
    esac
  done
  case "$at:\${words[CURRENT-1]}" in
${commands.flatMap((command) => command.options.flatMap((option) => valueCase(command, option))).join('\n')}
  esac
  local -a commands options choices
  case "$at" in
${commands.map(caseOf).join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe -o option options
  elif ((\${#commands})); then
    _describe command commands
  elif ((\${#choices})); then
    compadd -- "\${choices[@]}"
  else
    _files
  fi
}
if [[ "\${funcstack[1]}" == _farebox ]]; then
  _farebox "$@"
else
  compdef _farebox farebox
fi
`;
}

function valueCase({ words }: CommandWords, { short, long, value, isValueOptional, choices }: OptionWords): readonly string[] {
  if (value === undefined || isValueOptional) return [];
  const at = words.length === 0 ? '' : ` ${words.join(' ')}`;
  const pattern = [short, long].flatMap((flag) => (flag === undefined ? [] : [quoted(`${at}:${flag}`)])).join('|');
  if (choices !== undefined) return [`    ${pattern}) compadd -- ${choices.map(quoted).join(' ')}; return ;;`];
  if (isFile(value)) return [`    ${pattern}) _files; return ;;`];
  return [`    ${pattern}) _message ${quoted(value)}; return ;;`];
}

function caseOf({ words, below, options, arguments: given }: CommandWords): string {
  const described = (name: string, description: string) => quoted(`${name.replaceAll(':', '\\:')}:${description.replaceAll(':', '\\:')}`);
  const commands = below.map((each) => described(each.words.at(-1) ?? '', each.description));
  const flags = options.flatMap(({ short, long, description }) => [short, long].flatMap((flag) => (flag === undefined ? [] : [described(flag, description)])));
  const choices = given.flatMap((one) => one.choices ?? []);
  return `    ${quoted(words.length === 0 ? '' : ` ${words.join(' ')}`)}) commands=(${commands.join(' ')}) options=(${flags.join(' ')}) choices=(${choices.map(quoted).join(' ')}) ;;`;
}
