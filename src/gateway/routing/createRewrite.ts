/**
 * A route's rewrite, ready to be used: files read, rules put into the form in which they are applied.
 */

import { FareboxError } from '../../core/Errors.ts';
import type { RouteConfig } from '../Config.ts';
import { readSecret } from '../ConfigSecrets.ts';
import type { HeaderLine, HeaderRulesConfig } from '../config/ConfigRewrites.ts';
import { type HeaderRules, isHeaderValue, plainName } from './HeaderRules.ts';
import { type Asking, headersOfOthers } from './headersOfOthers.ts';
import type { Rewrite } from './Rewrite.ts';

/** Makes rewrites; what several routes share is read once. A rewrite @throws CONFIG_INVALID – a file cannot be read, or holds what no header can */
export type Rewrites = (route: Asking & Pick<RouteConfig, 'upstream' | 'group' | 'rewrite'>) => Rewrite;

/** See there. @param conditional - all routes that ask for headers */
export function createRewrites(conditional: readonly Asking[] = []): Rewrites {
  const known = new Map<HeaderRulesConfig, HeaderRules>();
  const rulesOf = (config: HeaderRulesConfig | undefined): HeaderRules | undefined => {
    if (config === undefined) return undefined;
    const rules = known.get(config) ?? read(config);
    known.set(config, rules);
    return rules;
  };
  return ({ upstream, group, rewrite, ...route }) => ({
    strip: rewrite?.stripPrefix ?? '',
    prefix: upstream.basePath + (rewrite?.addPrefix ?? ''),
    origins: (group?.upstreams ?? [upstream]).map(({ origin }) => origin),
    request: without(headersOfOthers(route, conditional), rulesOf(rewrite?.requestHeaders)),
    response: rulesOf(rewrite?.responseHeaders),
  });
}

/** What is set for the upstream goes on all the same. */
function without(names: readonly string[], rules: HeaderRules | undefined): HeaderRules | undefined {
  if (names.length === 0) return rules;
  return { dropped: new Set([...(rules?.dropped ?? []), ...names]), lines: rules?.lines ?? [] };
}

function read({ set, add, remove }: HeaderRulesConfig): HeaderRules {
  return {
    dropped: new Set([...set.map(({ name }) => name), ...remove].map(plainName)),
    lines: [...set, ...add].flatMap((line) => [line.name, readValue(line)]),
  };
}

function readValue({ name, value }: HeaderLine): string {
  const text = readSecret(value, `the header ${name}`);
  if (isHeaderValue(text)) return text;
  throw new FareboxError(
    'CONFIG_INVALID',
    `The file of the header ${name}${value.kind === 'file' ? `, ${value.path},` : ''} holds what can stand in no header: it is one line.`,
  );
}
