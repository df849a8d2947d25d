/**
 * Where payments arrive.
 */
import { z } from 'zod';
import type { WalletConfig } from '../../gateway/index.ts';
import { countsBy, timingOf } from '../books/Measured.ts';
import { defineRead } from '../Operation.ts';
import { timing } from './measures.ts';

/** `lightning.show` */
export const showLightning = defineRead({
  name: 'lightning.show',
  scope: 'read',
  summary: 'Say where payments arrive, and how the wallets answer.',
  description: 'The wallets as the configuration names them, without what lets one in, and what their calls took since the gateway started.',
  input: z.object({}),
  output: z.object({
    network: z.string(),
    wallets: z.array(
      z.object({
        place: z.string().describe('Where the configuration names it: `lightning`, or a payee.'),
        kind: z.string(),
        paidInto: z.string().describe('In words.'),
      }),
    ),
    calls: z.array(timing.extend({ call: z.string() })),
  }),
  run: async (_, { config, measured }) => {
    const { network, lightning, payees } = config();
    const snapshot = await measured();
    const named = [['lightning', lightning] as const, ...Object.entries(payees).map(([name, wallets]) => [`payees.${name}`, wallets] as const)];
    return {
      network,
      wallets: named.flatMap(([place, wallets]) =>
        wallets.map((wallet, index) => ({
          place: wallets.length === 1 ? place : `${place}[${index}]`,
          kind: wallet.kind,
          paidInto: wordsOf(wallet),
        })),
      ),
      calls: countsBy(snapshot, 'farebox_node_seconds_count', 'call').map(([call]) => ({
        call,
        ...timingOf(snapshot, 'farebox_node_seconds', (labels) => labels.get('call') === call),
      })),
    };
  },
});

function wordsOf(wallet: WalletConfig): string {
  if (wallet.kind === 'sandbox') return 'play money on this machine, worth nothing';
  if (wallet.kind === 'lnurl') return wallet.to;
  return wallet.url === undefined ? wallet.kind : new URL(wallet.url).host;
}
