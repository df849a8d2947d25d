/**
 * The command `farebox`; each command's file adds itself.
 */
import { Command } from 'commander';
import type { CliContext } from './Context.ts';
import type { Register } from './commands.ts';
import { exitCodes } from './exit.ts';
import { version } from './version.ts';

/** The program with these commands, ready to be parsed. */
export function createProgram(context: CliContext, registers: readonly Register[]): Command {
  const program = new Command('farebox')
    .description('Put a price on any HTTP API and let software pay it over Lightning (L402).')
    .version(version)
    // Thrown, so that the one place that ends the process knows the exit code.
    .exitOverride()
    .showHelpAfterError('(farebox --help says more)')
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .addHelpText('after', () => `\nExit codes:\n${exitCodeLines().join('\n')}\n\nFirst steps:\n${firstSteps.join('\n')}\n`);
  for (const register of registers) register(program, context);
  return program;
}

const firstSteps = [
  '  farebox demo                                          watch a program buy an API call',
  '  farebox serve http://localhost:3000 --price "10 sat"  put a price on your own API (sandbox)',
  '  farebox get http://localhost:8402/ --max "20 sat"     buy from it',
];

function exitCodeLines(): readonly string[] {
  return Object.entries(exitCodes).map(([code, meaning]) => `  ${code}  ${meaning}`);
}
