/**
 * Where an operator's changes of the configuration go: a file beside the configuration, which wins over it field by field.
 */

/** See the head of this file. */
export type ConfigChanging = {
  /** Undefined where the configuration comes from no file, and cannot be changed. */
  readonly file: string | undefined;
};
