/**
 * Where the passphrase of a sealed key file comes from: what the configuration names, `FAREBOX_PASSPHRASE`, the file that
 * `FAREBOX_PASSPHRASE_FILE` names, or a person at the terminal, in that order.
 */
import { type Passphrase, type SecretChoice, secretOf } from '../gateway/index.ts';
import type { CliContext } from './Context.ts';

/** Ways to a passphrase. Whoever asks again gets what was typed in before. */
export type Passphrases = {
  /** Without a person. */
  readonly known: Passphrase;
  /** A person is asked where nobody else can tell. */
  readonly asked: Passphrase;
};

/** The ways to the passphrase of a key file. `choice`: what the configuration names. */
export function passphrasesOf({ environment, askSecret }: CliContext, path: string, choice?: SecretChoice): Passphrases {
  let typed: string | undefined;
  const known: Passphrase = async () => {
    const named = choice ?? inEnvironment(environment);
    return named === undefined ? typed : secretOf(named, 'the passphrase');
  };
  return {
    known,
    asked: async () => {
      typed = (await known()) ?? (await askSecret(`Passphrase of ${path}`));
      return typed;
    },
  };
}

function inEnvironment(environment: CliContext['environment']): SecretChoice | undefined {
  const { FAREBOX_PASSPHRASE: text, FAREBOX_PASSPHRASE_FILE: path } = environment;
  if (text !== undefined && text !== '') return { kind: 'text', text };
  return path === undefined || path === '' ? undefined : { kind: 'file', path };
}
