/**
 * Reads a `satgate.yaml` as it is: routes with a path, a target, a policy and a price in satoshis.
 *
 *     routes:
 *       - path: /api/v1/translate
 *         target: http://localhost:8080
 *         policy: l402                  # or charge, or monetize
 *         price_sats: 50
 *         description: "Translation API - per-request pricing"
 *
 * Every route becomes a service of its own, sold per request, so that a token for a cheap one is worth nothing on a dear one. The request's
 * path goes to the target unchanged.
 */
import { z } from 'zod';
import * as Amount from '../../core/Amount.ts';
import * as Fields from '../ConfigFields.ts';
import { type ConfigFile, field, readFile } from '../ConfigSchema.ts';
import type { ConfigPath, ConfigText, Mistakes } from '../ConfigText.ts';

/** Such a file, in our own terms. */
export type Imported = {
  readonly config: ConfigFile;
  /** Where something of ours stands in theirs. */
  readonly pathOf: (path: ConfigPath) => ConfigPath;
};

/** Whether a file is one of SatGate's rather than one of ours with mistakes in it. */
export function recognizes(value: unknown): boolean {
  if (!isGroup(value) || 'services' in value || !Array.isArray(value.routes)) return false;
  return value.routes.some((route) => isGroup(route) && ('policy' in route || 'price_sats' in route || 'target' in route));
}

/** Reads such a file; undefined where it has mistakes. */
export function read(text: ConfigText, mistakes: Mistakes): Imported | undefined {
  const found = readFile(schema, text, mistakes);
  if (found === undefined) return undefined;
  const names = new Set<string>();
  const services = found.routes.map(({ path, target, price_sats, description }) => ({
    name: nameFor(path, names),
    upstream: target,
    routes: [{ path, price: price_sats, terms: { kind: 'per-request' } as const, ...(description === undefined ? {} : { description }) }],
  }));
  return { config: { services }, pathOf };
}

const schema = z.strictObject({
  routes: z
    .array(
      z.strictObject({
        path: field(Fields.readPattern),
        target: field(Fields.readUpstream),
        policy: field(readPolicy),
        price_sats: field(readSats),
        description: field(Fields.readLine).optional(),
      }),
    )
    .min(1),
});

/** The three names of the one policy. */
function readPolicy(value: unknown): 'l402' {
  if (value === 'l402' || value === 'charge' || value === 'monetize') return 'l402';
  const shown = String(value).slice(0, 64);
  if (value === 'fiat402') throw new Error('"fiat402" settles in fiat against a budget, which is not done here: write "l402" to sell for satoshis');
  throw new Error(`"${shown}" is not known here: write "l402", "charge" or "monetize"`);
}

function readSats(value: unknown): Amount.Msat {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) throw new Error('this is a whole number of satoshis from 1');
  return Amount.fromSat(value);
}

/** `/api/v1/translate` becomes `api-v1-translate`: the same name at every start, since tokens carry it. */
function nameFor(path: string, taken: Set<string>): string {
  const plain =
    path
      .replaceAll(/[^A-Za-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 56) || 'root';
  let name = plain;
  for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
  taken.add(name);
  return name;
}

const theirs: { readonly [key: PropertyKey]: string | undefined } = { price: 'price_sats', upstream: 'target' };

function pathOf(path: ConfigPath): ConfigPath {
  const [top, index, key, , inner] = path;
  if (top !== 'services' || index === undefined) return path;
  const last = key === 'routes' ? inner : key;
  return last === undefined ? ['routes', index] : ['routes', index, theirs[last] ?? last];
}

function isGroup(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
