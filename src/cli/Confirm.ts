/**
 * Asking before something that cannot be taken back.
 */
import { FareboxError } from '../core/Errors.ts';
import type { CliContext } from './Context.ts';

/**
 * Returns where a person agrees, or `--yes` was given.
 * @throws CONFIG_INVALID – they do not, or there is nobody to ask
 */
export async function confirm({ ask }: CliContext, question: string, isAgreed: boolean | undefined): Promise<void> {
  if (isAgreed) return;
  const answer = await ask(`${question} (yes or no)`, 'no');
  if (answer === undefined)
    throw new FareboxError('CONFIG_INVALID', 'There is nobody to ask here. Look with --dry-run where the command has one, then add --yes.');
  if (!/^y(es)?$/i.test(answer)) throw new FareboxError('CONFIG_INVALID', 'Nothing was changed.');
}
