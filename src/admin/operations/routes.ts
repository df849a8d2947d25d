/**
 * What is served, and for how much.
 */
import { z } from 'zod';
import { invoiceMsat, termsOf } from '../../gateway/index.ts';
import * as Fields from '../Fields.ts';
import { defineRead } from '../Operation.ts';

const route = z.object({
  name: z.string().describe('Names it in ledger and logs, such as `GET /api/v1/translate`.'),
  service: z.string(),
  path: z.string(),
  methods: z.array(z.string()).nullable().describe('Null: every method.'),
  upstream: z.string(),
  priceMsat: Fields.msat.nullable().describe('What an invoice asks for; null where it is free.'),
  terms: z.string().nullable().describe('What one payment buys, in words.'),
});

/** `routes.list` */
export const listRoutes = defineRead({
  name: 'routes.list',
  scope: 'read',
  summary: 'List the routes.',
  description: 'Each with its price and terms, as they are now.',
  input: z.object({ service: z.string().optional().describe('Of this service alone.') }),
  output: z.object({ routes: z.array(route) }),
  run: async ({ service }, { config }) => ({
    routes: config()
      .routes.filter((one) => service === undefined || one.service === service)
      .map(({ name, service: of, pattern, methods, upstream, sale }) => ({
        name,
        service: of,
        path: pattern,
        methods: methods === undefined ? null : [...methods],
        upstream: `${upstream.origin}${upstream.basePath}`,
        priceMsat: sale === undefined ? null : String(invoiceMsat(sale)),
        terms: sale === undefined ? null : termsOf(sale.terms).units,
      })),
  }),
});
