/**
 * `farebox keys seal` and `unseal`: the key file under a passphrase, and in clear again.
 */
import { FareboxError } from '../../core/Errors.ts';
import { minPassphraseLength, type Passphrase, secretOf } from '../../gateway/index.ts';
import type { CliContext } from '../Context.ts';
import { changeKeyFile } from './KeyStore.ts';
import { assertThere, type KeyFileOptions, type LocatedKeys, locateKeys } from './Located.ts';

/** Of both commands. */
export type SealingOptions = KeyFileOptions & { readonly change?: boolean; readonly newPassphraseFile?: string; readonly json?: boolean };

/** Seals the file, or seals it under another passphrase. */
export async function sealKeys(context: CliContext, options: SealingOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const located = await locateKeys(context, options);
  const { path, passphrases, flags } = located;
  assertThere(located);
  await changeKeyFile(path, passphrases.asked, {
    text: (before) => {
      if (before?.isSealed && !options.change) {
        throw new FareboxError('CONFIG_INVALID', `${path} is sealed already. For another passphrase: farebox keys seal${flags} --change`);
      }
      if (!before?.isSealed && options.change) throw new FareboxError('CONFIG_INVALID', `${path} is not sealed. Seal it with: farebox keys seal${flags}`);
      return before?.text ?? '';
    },
    sealedUnder: newPassphrase(context, options, located),
  });
  terminal.data({ file: path, sealed: true });
  terminal.line(`${terminal.tone('good', 'Sealed')} ${path}. Without the passphrase nobody can use it, you included.`);
  terminal.note(
    terminal.tone(
      'quiet',
      'Copies that were made before are not sealed. A gateway that runs goes on; it needs the passphrase when the keys change, and to start.',
    ),
  );
}

/** Writes the file in clear. */
export async function unsealKeys(context: CliContext, options: SealingOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const located = await locateKeys(context, options);
  const { path, passphrases } = located;
  assertThere(located);
  await changeKeyFile(path, passphrases.asked, {
    text: (before) => {
      if (!before?.isSealed) throw new FareboxError('CONFIG_INVALID', `${path} is not sealed.`);
      return before.text;
    },
    sealedUnder: async () => undefined,
  });
  terminal.data({ file: path, sealed: false });
  terminal.line(`${terminal.tone('warning', 'Unsealed')} ${path}: whoever can read it can make tokens.`);
}

/** The passphrase to seal under: from the file that was named, as it is known already where the file is sealed for the first time, or typed in twice. */
function newPassphrase(context: CliContext, { newPassphraseFile: path, change }: SealingOptions, { passphrases }: LocatedKeys): Passphrase {
  return async () => {
    const named = path === undefined ? (change ? undefined : await passphrases.known()) : await secretOf({ kind: 'file', path }, 'the new passphrase');
    if (named !== undefined) return checked(named);
    const first = await context.askSecret('New passphrase');
    if (first === undefined) {
      throw new FareboxError('CONFIG_INVALID', 'There is nobody to ask for a passphrase here: name the file that holds it with --new-passphrase-file.');
    }
    checked(first);
    if ((await context.askSecret('The same again')) !== first)
      throw new FareboxError('CONFIG_INVALID', 'These were two different passphrases. Nothing was written.');
    return first;
  };
}

function checked(passphrase: string): string {
  if (passphrase.length >= minPassphraseLength) return passphrase;
  throw new FareboxError('CONFIG_INVALID', `A passphrase has ${minPassphraseLength} characters at least. Several words that nobody would guess are better.`);
}
