/**
 * `npm run -s example -- <name> [words…]`: runs one of the examples, on a Node that can. Without a name: what there is.
 *
 * `node examples/<name>.ts` does the same, on Node 22.19 or later.
 */
import { readdirSync } from 'node:fs';
import { sep } from 'node:path';
import { FareboxError } from '../src/index.ts';
import { WrongSetting } from './program.ts';

const names = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .map((file) => file.split(sep).join('/'))
  .flatMap(
    (file) =>
      /^(express|agents\/(?:agent|orchestrator)|\w+\/(?:server|client)|handing-on\/\w+|market\/(?:agents|articles|workflow))\.ts$/.exec(file)?.[1] ?? [],
  )
  .sort();

// The example finds its own words where they would be without us.
const [name = ''] = process.argv.splice(2, 1);
if (names.includes(name)) {
  try {
    await import(`./${name}.ts`);
  } catch (error) {
    console.error(reasonOf(error));
    process.exitCode = 1;
  }
} else {
  console.error(`npm run -s example -- <name>\n\n${names.map((each) => `  ${each}`).join('\n')}`);
  process.exitCode = 2;
}

/** Of what says for itself what happened, no more than that; of anything else, the place matters. */
function reasonOf(error: unknown): unknown {
  if (error instanceof WrongSetting || error instanceof RangeError || FareboxError.is(error)) return error.message;
  return error instanceof TypeError && error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error;
}
