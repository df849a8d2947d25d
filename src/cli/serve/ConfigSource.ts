/**
 * Where the configuration of a gateway comes from: a file, which may be read again while it runs, or the command line, which stays as it was typed.
 */
import { dirname, resolve } from 'node:path';
import { type GatewayConfig, parseConfig, readConfigText } from '../../gateway/index.ts';

/** See the head of this file. */
export type ConfigSource = {
  /** Undefined: it does not come from one. */
  readonly file: string | undefined;
  /** What stands there now. @throws CONFIG_INVALID – it cannot be read */
  readonly read: () => Promise<string>;
  /** What a text means. @throws CONFIG_INVALID – every mistake in it, each with line and column */
  readonly parse: (text: string) => GatewayConfig;
};

/** A file, with relative paths beside it. */
export function fromFile(file: string, environment: { readonly [name: string]: string | undefined }): ConfigSource {
  return {
    file,
    read: () => readConfigText(file),
    parse: (text) => parseConfig(text, { file, folder: dirname(resolve(file)), environment }),
  };
}

/** What was typed. */
export function fromCommandLine(make: () => GatewayConfig): ConfigSource {
  return { file: undefined, read: async () => '', parse: make };
}
