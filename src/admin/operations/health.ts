/**
 * How the gateway is.
 */
import { z } from 'zod';
import { nowAt } from '../../core/Clock.ts';
import * as Fields from '../Fields.ts';
import { defineRead } from '../Operation.ts';

/** `health.show` */
export const showHealth = defineRead({
  name: 'health.show',
  scope: 'read',
  summary: 'Say how the gateway is.',
  description: 'What it sells for, on which network, and whether its store serves now. Nothing is asked for the answer: it says what is known.',
  input: z.object({}),
  output: z.object({
    status: z.enum(['ok', 'store-away']),
    network: z.string(),
    realm: z.string(),
    store: z.string().describe('The driver of the store, or `none`.'),
    routes: z.int(),
    nowAt: Fields.at,
  }),
  run: async (_, { clock, config, store, isStoreServing }) => {
    const { network, realm, routes } = config();
    const isServing = isStoreServing === undefined || isStoreServing();
    return {
      status: isServing ? ('ok' as const) : ('store-away' as const),
      network,
      realm,
      store: store?.name ?? 'none',
      routes: routes.length,
      nowAt: nowAt(clock),
    };
  },
});
