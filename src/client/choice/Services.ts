/**
 * Which services there are, and who provides each: plain data, as it stands in a file.
 *
 *     services:
 *       sentiment_analyzer:
 *         maxPrice: 20 sat
 *         providers:
 *           - url: https://a.example.com/v1/sentiment
 *             price: 5 sat
 *           - url: https://b.example.com/sentiment
 *             method: GET
 */
import { z } from 'zod';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';

/** Somebody who provides a service. */
export type Provider = {
  /** For people; default: the host of `url`. */
  readonly name: string;
  readonly url: string;
  readonly method: string;
  /** Where the input goes: a JSON body, a form body, or the query. */
  readonly input: 'json' | 'form' | 'query';
  /** What it says that it costs; the invoice decides. Undefined: it does not say. */
  readonly priceMsat: Amount.Msat | undefined;
  readonly headers: { readonly [name: string]: string };
};

/** A job that several can do. */
export type Service = {
  /** An offer above this is passed over, whatever the client's own limits leave. */
  readonly maxPriceMsat: Amount.Msat | undefined;
  readonly providers: readonly Provider[];
};

/** Services by name. */
export type Services = ReadonlyMap<string, Service>;

/**
 * Reads what stands in a file of services.
 * @param where - names the file in errors
 * @throws CONFIG_INVALID – it is something else; the message says where and what
 */
export function read(value: unknown, where = 'The services'): Services {
  const parsed = file.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue === undefined || issue.path.length === 0 ? '' : ` (${issue.path.join('.')})`;
    throw new FareboxError('CONFIG_INVALID', `${where}${place}: ${issue?.message ?? 'cannot be read'}.`);
  }
  return new Map(Object.entries(parsed.data.services));
}

const amount = z.string().transform((text, context) => {
  try {
    return Amount.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: `"${text.slice(0, 32)}" is no amount: write one with its unit, such as "10 sat"` });
    return z.NEVER;
  }
});

const provider = z
  .strictObject({
    name: z.string().min(1).max(64).optional(),
    url: z
      .string()
      .max(2048)
      .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'is no http or https URL'),
    method: z
      .string()
      .regex(/^[A-Z]{1,16}$/, 'is a method in capital letters, such as "POST"')
      .optional(),
    input: z.enum(['json', 'form', 'query']).optional(),
    price: amount.optional(),
    headers: z
      .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'is no name of a header'), z.string().max(1024))
      .refine((headers) => !Object.keys(headers).some((name) => name.toLowerCase() === 'authorization'), 'has an Authorization, where the credential goes')
      .optional(),
  })
  .transform(({ name, url, method, input, price, headers = {} }): Provider => {
    const isQuery = input === 'query' || (input === undefined && (method === 'GET' || method === 'HEAD'));
    return {
      name: name ?? new URL(url).host,
      url,
      method: method ?? (isQuery ? 'GET' : 'POST'),
      input: isQuery ? 'query' : (input ?? 'json'),
      priceMsat: price,
      headers,
    };
  })
  .refine(
    ({ method, input }) => input === 'query' || (method !== 'GET' && method !== 'HEAD'),
    'has a body, which GET and HEAD do not carry: use input "query"',
  );

const service = z
  .strictObject({
    description: z.string().max(1024).optional(),
    maxPrice: amount.optional(),
    providers: z.array(provider).min(1, 'names no provider').max(64),
  })
  .refine(({ providers }) => new Set(providers.map(({ name }) => name)).size === providers.length, 'has two providers of one name: give each a name')
  .transform(({ maxPrice, providers }): Service => ({ maxPriceMsat: maxPrice, providers }));

const file = z.strictObject({
  services: z.record(z.string().regex(/^[\w.-]{1,64}$/, 'is no name of a service: use letters, digits, "_", "-" and "."'), service),
});
