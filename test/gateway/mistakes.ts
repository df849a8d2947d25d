/**
 * What is wrong with a configuration.
 */
import { expect } from 'vitest';
import { FareboxError } from '../../src/core/Errors.ts';
import { type ConfigSurroundings, parseConfig } from '../../src/gateway/Config.ts';

/** Its mistakes, without the file's name. */
export function mistakesIn(text: string, surroundings: ConfigSurroundings): readonly string[] {
  try {
    parseConfig(text, surroundings);
  } catch (error) {
    if (!FareboxError.is(error, 'CONFIG_INVALID')) throw error;
    expect(error.message.split('\n')).toEqual(error.details.mistakes);
    return (error.details.mistakes as readonly string[]).map((mistake) => mistake.replace(/^farebox\.yaml:/, ''));
  }
  return [];
}
