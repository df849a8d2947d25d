/**
 * `farebox completion`: scripts by which shells complete commands, options and files. They are derived from the commands as they are parsed.
 */
import { Argument, type Command } from 'commander';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import type { CliContext } from '../Context.ts';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import { flatten, readCommand } from './tree.ts';
import { zsh } from './zsh.ts';

const shells = { bash, zsh, fish };

/** Adds `farebox completion`. */
export function registerCompletion(program: Command, context: CliContext): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(Object.keys(shells)))
    .description('Print a script by which a shell completes commands, options and files.')
    .addHelpText('after', help)
    .action((shell: keyof typeof shells) => context.terminal.raw(fromUtf8(shells[shell](flatten(readCommand(program))))));
}

const help = `
Put it where your shell looks:
  bash   farebox completion bash > ~/.local/share/bash-completion/completions/farebox
  zsh    farebox completion zsh > "\${fpath[1]}/_farebox"
  fish   farebox completion fish > ~/.config/fish/completions/farebox.fish`;
