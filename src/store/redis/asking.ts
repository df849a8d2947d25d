/**
 * Asks a store in Redis: every script is told whose store it has to be, and every reply is looked at for the answer that it is another one.
 */
import { FareboxError } from '../../core/Errors.ts';
import { asUnavailable, type Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import { assertOurs, type Identity } from './opening.ts';
import { type Script, scripts } from './scripts.ts';

/** A command of Redis: its name, its key, and what follows. */
export type Command = readonly [name: string, key: string, ...args: readonly string[]];

/** What a script answers: how it went, and what there is to tell. */
export type Reply = readonly [status: string, ...rest: readonly unknown[]];

/** See the head of this file. */
export type Asking = {
  /**
   * Runs a script behind the store's own key and argument.
   * @throws STORE_UNAVAILABLE – see `Connection.run`; or the server has lost the store, or a newer Farebox has taken it over
   */
  readonly run: (script: Script, keys: readonly string[], args: readonly string[]) => Promise<Reply>;
  /** What commands answer at one moment: commands that read, or that may run twice. */
  readonly ask: (commands: readonly Command[]) => Promise<readonly unknown[]>;
};

/** Asks one store over a connection. */
export function createAsking(connection: Connection, identity: Identity, { store }: Keys): Asking {
  const run = async (script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> => {
    const whose = identity.text();
    const reply = (await connection.run(script, [store, ...keys], [whose, ...args])) as Reply;
    if (reply[0] === 'other') throw whyOther(String(reply[1]), whose);
    return reply;
  };
  return {
    run,
    ask: async (commands) => {
      const places = createPlaces([store]);
      const args = commands.flatMap((command) => formatCommand(command, places));
      const [, answers] = await run(scripts.ask, places.keys().slice(1), args);
      return answers as readonly unknown[];
    },
  };
}

/** What keeps a store that was ours from being asked. */
function whyOther(found: string, whose: string): unknown {
  try {
    assertOurs(found, whose);
    return new FareboxError('STORE_UNAVAILABLE', 'The Redis server does not say whose store it holds.');
  } catch (error) {
    return asUnavailable(error);
  }
}

/** Keys by their place in a script's list, from 1. */
export type Places = { readonly of: (key: string) => string; readonly keys: () => readonly string[] };

/** Places behind those that a script has fixed. */
export function createPlaces(fixed: readonly string[]): Places {
  const keys = [...fixed];
  const places = new Map<string, string>();
  return {
    of: (key) => {
      const known = places.get(key);
      if (known !== undefined) return known;
      const place = `${keys.push(key)}`;
      places.set(key, place);
      return place;
    },
    keys: () => keys,
  };
}

/** A command as the scripts read it. */
export function formatCommand([name, key, ...args]: Command, places: Places): readonly string[] {
  return [`${args.length}`, name, places.of(key), ...args];
}
