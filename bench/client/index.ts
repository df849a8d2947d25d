/**
 * What the paying client costs beside the `fetch` under it: a URL that is free, and a pass that is here already. In what is counted the
 * wallet is never called; the client keeps passes of other sellers meanwhile, as an agent's would.
 *
 * Over a socket the noise is several times what is looked for. So the client is measured twice: over a socket, and over answers that are
 * there at once, where all that is left is its own work; and that is set beside the `fetch` over the socket.
 */
import { createFetch } from '../../src/client/index.ts';
import { createMemoryClientStore } from '../../src/client/memory.ts';
import * as Amount from '../../src/core/Amount.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import * as Credential from '../../src/core/Credential.ts';
import type { Preimage } from '../../src/core/Preimage.ts';
import type { Payer } from '../../src/lightning/Lightning.ts';
import type { Run } from '../harness/Bench.ts';
import { added, compare } from '../harness/Comparison.ts';
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

    const answer = new Response();
    const atOnce = async () => answer;
    const alone = createFetch({ payer: payerOf(server), maxPerRequest: '60 sat', store, fetch: atOnce });
    const rounds = { rounds: isQuick ? 9 : 21, warmUps: 2, turns: isQuick ? 2 : 8 };
    const side = (name: string, ask: () => Promise<Response>) => ({ name, run: () => loopAtOnce(async () => (await ask()).text(), 1000, 8) });
    const sideAlone = (name: string, ask: () => Promise<Response>) => ({ name, run: () => loopAtOnce(ask, 5000, 8) });
    const measure = async (what: string, atMost: number, ask: () => Promise<Response>, url: string) => {
      const whole = await compare({ name: what, a: side('fetch', ask), b: side('the client', () => paying(url)), ...rounds });
      const part = await compare({ name: what, a: sideAlone('an answer at once', atOnce), b: sideAlone('the client', () => alone(url)), ...rounds });
      return [whole, added({ name: `${what}: its own work`, bound: { atMost } }, whole, part)];
    };
    printTable([
      ...(await measure('a free URL', 1.02, () => fetch(free), free)),
      ...(await measure('a kept pass, the same header', 1.05, () => fetch(paid, { headers }), paid)),
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
