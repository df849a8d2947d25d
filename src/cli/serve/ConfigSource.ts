/**
 * Where the configuration of a gateway comes from: a file, which may be read again while it runs, or the command line, which stays as it was typed.
 */
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Code, type Details, FareboxError } from '../../core/Errors.ts';
import { type ConfigSurroundings, type GatewayConfig, parseConfig, readConfigText } from '../../gateway/index.ts';

/** See the head of this file. */
export type ConfigSource = {
  /** Undefined: it does not come from one. */
  readonly file: string | undefined;
  /** What stands there now. @throws CONFIG_INVALID – it cannot be read */
  readonly read: () => Promise<string>;
  /** What a text means. @throws CONFIG_INVALID – every mistake in it, each with line and column */
  readonly parse: (text: string) => GatewayConfig;
  /** The same while requests are served: a long text is read beside them. @throws CONFIG_INVALID – see `parse` */
  readonly parseAside: (text: string) => Promise<GatewayConfig>;
};

/** A file, with relative paths beside it. */
export function fromFile(file: string, environment: { readonly [name: string]: string | undefined }): ConfigSource {
  const surroundings = { file, folder: dirname(resolve(file)), environment: { ...environment } };
  const parse = (text: string) => parseConfig(text, surroundings);
  return {
    file,
    read: () => readConfigText(file),
    parse,
    parseAside: async (text) => (text.length <= shortText ? parse(text) : parseInThread(text, surroundings)),
  };
}

/** What was typed. */
export function fromCommandLine(make: () => GatewayConfig): ConfigSource {
  return { file: undefined, read: async () => '', parse: make, parseAside: async () => make() };
}

/** Of so many characters a text is read in a few milliseconds: a hundred routes, about. A thread takes longer to begin. */
const shortText = 8192;

type Answer =
  | { readonly config: GatewayConfig }
  | { readonly refused: { readonly code: Code; readonly message: string; readonly details: Details }; readonly config?: undefined };

async function parseInThread(text: string, surroundings: ConfigSurroundings): Promise<GatewayConfig> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const thread = new Worker(new URL(`./parseThread${extension}`, import.meta.url), { workerData: { text, surroundings } });
  try {
    const [answer] = (await once(thread, 'message')) as [Answer];
    if (answer.config !== undefined) return answer.config;
    const { code, message, details } = answer.refused;
    throw new FareboxError(code, message, { details });
  } finally {
    await thread.terminate();
  }
}
