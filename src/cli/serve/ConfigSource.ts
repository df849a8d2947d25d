/**
 * Where the configuration of a gateway comes from: a file, which may be read again while it runs, or the command line, which stays as it was typed.
 */
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Code, type Details, FareboxError } from '../../core/Errors.ts';
import { type ConfigSurroundings, type GatewayConfig, parseConfig, readChangesText, readConfigText, readValue } from '../../gateway/index.ts';

/** See the head of this file. */
export type ConfigSource = {
  /** Undefined: it does not come from one. */
  readonly file: string | undefined;
  /** What stands there now, with the changes beside it. @throws CONFIG_INVALID – it cannot be read */
  readonly read: () => Promise<string>;
  /** What a text means. @throws CONFIG_INVALID – every mistake in it, each with line and column */
  readonly parse: (text: string) => GatewayConfig;
  /** The same while requests are served: a long text is read beside them. @throws CONFIG_INVALID – see `parse` */
  readonly parseAside: (text: string) => Promise<GatewayConfig>;
  /** The same, and what stands there as it is written, with its changes. @throws CONFIG_INVALID – see `parse` */
  readonly readAside: (text: string) => Promise<ReadConfig>;
};

/** A configuration, and the value that it was read from. */
export type ReadConfig = { readonly config: GatewayConfig; readonly value: unknown };

/** The text of a configuration and of its changes. */
export type Texts = { readonly text: string; readonly changes: string | undefined };

/** Both as one text, as it goes to several processes: no YAML has the character between them. */
export function joinTexts({ text, changes }: Texts): string {
  return changes === undefined ? text : `${text}${between}${changes}`;
}

/** See {@link joinTexts}. */
export function splitTexts(joined: string): Texts {
  const at = joined.indexOf(between);
  return at < 0 ? { text: joined, changes: undefined } : { text: joined.slice(0, at), changes: joined.slice(at + 1) };
}

const between = '\u0000';

/** A file, with relative paths beside it. */
export function fromFile(file: string, environment: { readonly [name: string]: string | undefined }): ConfigSource {
  const surroundings = { file, folder: dirname(resolve(file)), environment: { ...environment } };
  const within = (joined: string) => {
    const { text, changes } = splitTexts(joined);
    return { text, surroundings: { ...surroundings, changes } };
  };
  const parse = (joined: string) => {
    const read = within(joined);
    return parseConfig(read.text, read.surroundings);
  };
  const readAside = async (joined: string) => {
    const read = within(joined);
    if (joined.length > shortText) return readInThread(read.text, read.surroundings);
    return { config: parse(joined), value: readValue(read.text, read.surroundings) };
  };
  return {
    file,
    read: async () => {
      const text = await readConfigText(file);
      return joinTexts({ text: text.replaceAll(between, '\ufffd'), changes: await readChangesText(file) });
    },
    parse,
    parseAside: async (joined) => (joined.length <= shortText ? parse(joined) : (await readAside(joined)).config),
    readAside,
  };
}

/** What was typed. */
export function fromCommandLine(make: () => GatewayConfig): ConfigSource {
  return { file: undefined, read: async () => '', parse: make, parseAside: async () => make(), readAside: async () => ({ config: make(), value: undefined }) };
}

/** Of so many characters a text is read in a few milliseconds: a hundred routes, about. A thread takes longer to begin. */
const shortText = 8192;

type Answer = ReadConfig | { readonly refused: { readonly code: Code; readonly message: string; readonly details: Details }; readonly config?: undefined };

async function readInThread(text: string, surroundings: ConfigSurroundings): Promise<ReadConfig> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const thread = new Worker(new URL(`./parseThread${extension}`, import.meta.url), { workerData: { text, surroundings } });
  try {
    const [answer] = (await once(thread, 'message')) as [Answer];
    if (answer.config !== undefined) return { config: answer.config, value: answer.value };
    const { code, message, details } = answer.refused;
    throw new FareboxError(code, message, { details });
  } finally {
    await thread.terminate();
  }
}
