/**
 * What the paying client costs beside the `fetch` under it: a URL that is free, and a pass that is here already. In what is counted the
 * wallet is never called; the client keeps passes of other sellers meanwhile, as an agent's would.
 */
import { createFetch } from '../../src/client/index.ts';
import { createMemoryClientStore } from '../../src/client/memory.ts';
import * as Amount from '../../src/core/Amount.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import * as Credential from '../../src/core/Credential.ts';
import type { Preimage } from '../../src/core/Preimage.ts';
import type { Payer } from '../../src/lightning/Lightning.ts';
import type { Run } from '../harness/Bench.ts';
import { compare } from '../harness/Comparison.ts';
import { loopAtOnce } from '../harness/Loop.ts';
import { type Program, start } from '../harness/Program.ts';
import { printTable } from '../harness/Table.ts';

export const summary = 'The paying fetch beside the fetch under it: on a free URL, and with a pass that is kept';

const sellers = 21;

export const run: Run = async ({ isQuick }) => {
  const server = await start<readonly string[]>(new URL('./server.ts', import.meta.url), { sellers });
  try {
    const store = createMemoryClientStore();
    const paying = createFetch({ payer: payerOf(server), maxPerRequest: '60 sat', store });
    for (const origin of server.ready) await (await paying(`${origin}/paid/translate`)).text();
    const [origin = ''] = server.ready;
    const [free, paid] = [`${origin}/free`, `${origin}/paid/translate`];
    const [pass] = (await store.find({ origin })).credentials;
    if (pass?.preimage === undefined) throw new Error('nothing was bought');
    const headers = { Authorization: Credential.format({ scheme: pass.scheme, token: pass.token, preimage: pass.preimage }) };

    const count = isQuick ? 500 : 2000;
    const rounds = { rounds: isQuick ? 9 : 101, warmUps: 5 };
    const side = (name: string, ask: () => Promise<Response>) => ({ name, run: () => loopAtOnce(async () => (await ask()).text(), count, 8) });
    printTable([
      await compare({
        name: 'a free URL',
        a: side('fetch', () => fetch(free)),
        b: side('the client', () => paying(free)),
        bound: { atMost: 1.02 },
        ...rounds,
      }),
      await compare({
        name: 'a kept pass',
        a: side('fetch with the same header', () => fetch(paid, { headers })),
        b: side('the client', () => paying(paid)),
        bound: { atMost: 1.05 },
        ...rounds,
      }),
    ]);
  } finally {
    await server.stop();
  }
};

/** A wallet that asks the sellers for their preimages. */
function payerOf(server: Program<unknown>): Payer {
  return {
    name: 'bench',
    network: 'sandbox',
    capabilities: { feeLimit: true, track: false, balance: false },
    pay: async ({ invoice }) => {
      const { paymentHash, amountMsat = Amount.zero } = Bolt11.peek(invoice);
      return { kind: 'settled', preimage: (await server.ask(paymentHash)) as Preimage, amountMsat, feeMsat: Amount.zero };
    },
    trackPayment: async () => ({ kind: 'absent' }),
    balance: async () => ({ spendableMsat: Amount.zero }),
    close: async () => {},
  };
}
