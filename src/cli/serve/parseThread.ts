/**
 * A thread that reads the text of a configuration and ends: a long one takes seconds, and requests are not to wait for them.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { FareboxError } from '../../core/Errors.ts';
import { type ConfigSurroundings, parseConfig, readValue } from '../../gateway/index.ts';

const { text, surroundings } = workerData as { readonly text: string; readonly surroundings: ConfigSurroundings };
try {
  parentPort?.postMessage({ config: parseConfig(text, surroundings), value: readValue(text, surroundings) });
} catch (error) {
  if (!FareboxError.is(error)) throw error;
  const { code, message, details } = error;
  parentPort?.postMessage({ refused: { code, message, details } });
}
