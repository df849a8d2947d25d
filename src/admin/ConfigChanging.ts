/**
 * Where an operator's changes of the configuration go: a file beside it, which wins over it field by field. What runs is found out first: a change that
 * could not be served is not written.
 *
 * @see src/gateway/config/Changes.ts
 */
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { FareboxError } from '../core/Errors.ts';
import { Changes, type Gateway, type GatewayConfig } from '../gateway/index.ts';

/** A configuration as it stands, with its changes. */
export type Standing = {
  readonly config: GatewayConfig;
  /** As it is written, with the changes in it: its services with their routes. */
  readonly value: unknown;
  readonly changes: Changes.Changes;
  /** The two files that it was read from. */
  readonly texts: ConfigTexts;
};

/** What stands in a configuration and in the file of its changes. */
export type ConfigTexts = { readonly text: string; readonly changes: string | undefined };

/** What changed changes would come to. */
export type Prospect = Standing & {
  /** Writes them, and takes them where this process does that itself. @throws ADMIN_CHANGE_CONFLICT – somebody changed it meanwhile */
  readonly apply: () => Promise<void>;
};

/** See the head of this file. */
export type ConfigChanging = {
  /** Undefined where the configuration comes from no file, and cannot be changed. */
  readonly file: string | undefined;
  /** Whether a change holds as soon as it is made; else within seconds, when all processes have seen it. */
  readonly takesNow: boolean;
  /** @throws CONFIG_INVALID – what stands there cannot be used; ADMIN_CHANGE_CONFLICT – there is no file */
  readonly look: () => Promise<Standing>;
  /**
   * What a change of what was looked at would come to: it is applied to that and to nothing that came after.
   * @throws CONFIG_INVALID – every mistake that it would make; CONFIG_FIXED – it takes a new start; ADMIN_CHANGE_CONFLICT – there is no file
   */
  readonly foresee: (from: Standing, change: (changes: Changes.Changes) => Changes.Changes) => Promise<Prospect>;
};

/** What changing a configuration needs. */
export type ConfigChangingOptions = {
  /** Of the configuration. */
  readonly file: string;
  /** What stands in both files. */
  readonly read: () => Promise<ConfigTexts>;
  /** What they mean. @throws CONFIG_INVALID */
  readonly understand: (texts: ConfigTexts) => Promise<{ readonly config: GatewayConfig; readonly value: unknown }>;
  readonly prepare: Gateway['prepare'];
  readonly takesNow: boolean;
};

/** See the head of this file. */
export function createConfigChanging({ file, read, understand, prepare, takesNow }: ConfigChangingOptions): ConfigChanging {
  const changesFile = Changes.changesFileOf(file);
  const changesOf = (text: string | undefined) => (text === undefined ? Changes.none : Changes.parseChanges(text, basename(changesFile)));
  return {
    file: changesFile,
    takesNow,
    look: async () => {
      const texts = await read();
      return { ...(await understand(texts)), changes: changesOf(texts.changes), texts };
    },
    foresee: async ({ texts, changes: before }, change) => {
      const changes = Changes.compact(change(before));
      const next = { text: texts.text, changes: Changes.formatChanges(changes, basename(file)) };
      const understood = await understand(next);
      const { take } = prepare(understood.config);
      const apply = async () => {
        const now = await read();
        if (now.text !== texts.text || now.changes !== texts.changes) {
          throw new FareboxError('ADMIN_CHANGE_CONFLICT', 'The configuration was changed by somebody else meanwhile. Look at it anew, and ask again.');
        }
        await writeWhole(changesFile, next.changes);
        if (takesNow) take();
      };
      return { ...understood, changes, texts: next, apply };
    },
  };
}

/** For a configuration that comes from no file. */
export const noChanging: ConfigChanging = {
  file: undefined,
  takesNow: false,
  look: async () => {
    throw nowhere();
  },
  foresee: async () => {
    throw nowhere();
  },
};

function nowhere(): FareboxError {
  return new FareboxError(
    'ADMIN_CHANGE_CONFLICT',
    'This gateway was started from the command line: there is no file beside which a change could be kept. Write one with: farebox init',
  );
}

/** The file as a whole or not at all, on the disk when it returns. */
async function writeWhole(path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.new`;
  try {
    const file = await open(aside, 'w', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    const code = (error as NodeJS.ErrnoException).code ?? 'unwritable';
    throw new FareboxError('ADMIN_CHANGE_CONFLICT', `${path} cannot be written (${code}).`, { cause: error });
  }
  const folder = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
