/**
 * A route's rewrite, ready to be used: files read, rules put into the form in which they are applied.
 */

import { FareboxError } from '../../core/Errors.ts';
import type { RouteConfig } from '../Config.ts';
import { readSecret } from '../ConfigSecrets.ts';
import type { HeaderLine, HeaderRulesConfig } from '../config/ConfigRewrites.ts';
import { type HeaderRules, isHeaderValue, plainName } from './HeaderRules.ts';
import type { Rewrite } from './Rewrite.ts';

/** Makes rewrites; what several routes share is read once. A rewrite @throws CONFIG_INVALID – a file cannot be read, or holds what no header can */
export type Rewrites = (route: Pick<RouteConfig, 'upstream' | 'group' | 'rewrite'>) => Rewrite;

/** See there. */
export function createRewrites(): Rewrites {
  const known = new Map<HeaderRulesConfig, HeaderRules>();
  const rulesOf = (config: HeaderRulesConfig | undefined): HeaderRules | undefined => {
    if (config === undefined) return undefined;
    const rules = known.get(config) ?? read(config);
    known.set(config, rules);
    return rules;
  };
  return ({ upstream, group, rewrite }) => ({
    strip: rewrite?.stripPrefix ?? '',
    prefix: upstream.basePath + (rewrite?.addPrefix ?? ''),
    origins: (group?.upstreams ?? [upstream]).map(({ origin }) => origin),
    request: rulesOf(rewrite?.requestHeaders),
    response: rulesOf(rewrite?.responseHeaders),
  });
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
