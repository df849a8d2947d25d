/**
 * Services and routes as operations answer with them.
 */
import { z } from 'zod';
import { type Changes, type GatewayConfig, invoiceMsat, type RouteConfig, termsOf } from '../../gateway/index.ts';
import * as Fields from '../Fields.ts';

/** A route. */
export const route = z.object({
  name: z.string().describe('Names it in ledger and logs, such as `GET /api/v1/translate`.'),
  service: z.string(),
  host: z.string().nullable().describe('Null: every host.'),
  path: z.string(),
  methods: z.array(z.string()).nullable().describe('Null: every method.'),
  upstream: z.string(),
  priceMsat: Fields.msat.nullable().describe('What an invoice asks for; null where it is free.'),
  requestMsat: Fields.msat.nullable().describe('What a request takes off a credit; of other terms, the price as configured.'),
  terms: z.enum(['per-request', 'pass', 'bucket', 'credit']).nullable(),
  units: z.string().nullable().describe('What one payment buys, in words.'),
  description: z.string().nullable().describe('What the invoice says.'),
  payee: z.string().nullable().describe('Null: who `lightning` names.'),
  disabled: z.boolean(),
  added: z.boolean().describe('It stands in the changes alone, and not in the configuration.'),
  changed: z.array(z.string()).describe('Fields that an operator set, which win over the configuration; all others are as it says.'),
});

/** See {@link route}. */
export type RouteView = z.input<typeof route>;

/** A service, with what its routes have in common. */
export const service = z.object({
  name: z.string(),
  host: z.string().nullable(),
  upstream: z.string(),
  routes: z.int(),
  disabled: z.boolean().describe('Every route of it is switched off.'),
  added: z.boolean(),
  changed: z.array(z.string()),
});

/** A route as it runs. */
export function viewOf(one: RouteConfig, changes: Changes.Changes): RouteView {
  const { name, service: of, host, pattern, methods, upstream, sale, disabled } = one;
  const change = changes.services[of]?.routes?.[name];
  return {
    name,
    service: of,
    host: host ?? null,
    path: pattern,
    methods: methods === undefined ? null : [...methods],
    upstream: `${upstream.origin}${upstream.basePath}`,
    priceMsat: sale === undefined ? null : String(invoiceMsat(sale)),
    requestMsat: sale === undefined ? null : String(sale.priceMsat),
    terms: sale?.terms.kind ?? null,
    units: sale === undefined ? null : termsOf(sale.terms).units,
    description: sale?.description ?? null,
    payee: sale?.payee ?? null,
    disabled,
    added: change?.added ?? changes.services[of]?.added ?? false,
    changed: Object.keys(change?.set ?? {}),
  };
}

/** The services of a configuration, in its order. */
export function servicesOf({ routes, changes }: Pick<GatewayConfig, 'routes' | 'changes'>): z.input<typeof service>[] {
  return [...Map.groupBy(routes, (one) => one.service)].map(([name, own]) => {
    const [{ host, upstream }] = own as [RouteConfig];
    const change = changes.services[name];
    return {
      name,
      host: host ?? null,
      upstream: `${upstream.origin}${upstream.basePath}`,
      routes: own.length,
      disabled: own.every(({ disabled }) => disabled),
      added: change?.added ?? false,
      changed: Object.keys(change?.set ?? {}),
    };
  });
}
