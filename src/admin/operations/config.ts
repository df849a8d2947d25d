/**
 * The configuration as it runs.
 */
import { z } from 'zod';
import { Changes, toJson } from '../../gateway/index.ts';
import { defineRead } from '../Operation.ts';

/** `config.show` */
export const showConfig = defineRead({
  name: 'config.show',
  scope: 'read',
  summary: 'Show the configuration as it runs, every default filled in.',
  description: 'Without secrets. Changes of operators are in it, and win over the file.',
  input: z.object({}),
  output: z.object({
    file: z.string(),
    changesFile: z.string().nullable().describe('Where changes are kept; null where nothing can be changed.'),
    changes: z.int().describe('How many fields, routes and services are changed.'),
    config: z.record(z.string(), z.unknown()),
  }),
  run: async (_, { config, changing }) => {
    const running = config();
    const { changes, ...shown } = toJson(running) as { readonly [name: string]: unknown };
    return {
      file: running.file,
      changesFile: changing.file ?? null,
      changes: Changes.countChanges(running.changes),
      config: JSON.parse(JSON.stringify(shown)) as { [name: string]: unknown },
    };
  },
});
