/**
 * An MCP server that sells, and clients at it, in one process: the official SDK on both sides, the sandbox for the money, a clock that stands still.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import * as Amount from '../../src/core/Amount.ts';
import { createSandboxNetwork, type Sandbox } from '../../src/lightning/sandbox.ts';
import type { JsonObject } from '../../src/mcp/ToolPayment.ts';
import * as ToolPayment from '../../src/mcp/ToolPayment.ts';
import { createEvents, type PaywallEvent } from '../../src/server/Events.ts';
import { createPaywall, type Paywall } from '../../src/server/Paywall.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';

/** What a tool's result says, as far as tests look at it. */
export type Result = {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly isError?: boolean;
  readonly structuredContent?: JsonObject;
  readonly _meta?: JsonObject;
};

/** What a call may carry besides its arguments. */
export type With = { readonly credential?: string; readonly meta?: JsonObject };

/** A client, and what it does as a buyer. */
export type Buyer = {
  readonly client: Client;
  /** Calls, with a credential in `_meta` where there is one. */
  readonly call: (tool: string, args?: JsonObject, extra?: With) => Promise<Result>;
  /** Calls without payment, and pays what is asked: a credential. */
  readonly buy: (tool: string, args?: JsonObject) => Promise<string>;
  readonly close: () => Promise<void>;
};

/** Everything that selling stands on. */
export type ToolShop = {
  readonly clock: FixedClock.FixedClock;
  readonly sandbox: Sandbox;
  readonly store: Store;
  readonly farebox: Paywall;
  /** What the paywall has told, by kind, in order. */
  readonly told: readonly PaywallEvent[];
  readonly pay: (invoice: string) => Promise<string>;
  /** A client in front of a server that is about to be connected. */
  readonly connect: (server: Pick<McpServer, 'connect'>) => Promise<Buyer>;
  /** A client that a transport leads to a server. */
  readonly enter: (transport: Parameters<Client['connect']>[0], client?: Client) => Promise<Buyer>;
  readonly close: () => Promise<void>;
};

/** Opens one. */
export async function openToolShop(): Promise<ToolShop> {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const store = createMemoryStore({ clock });
  const receiver = sandbox.receiver('seller');
  const events = createEvents();
  const told: PaywallEvent[] = [];
  events.on((event) => told.push(event));
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: receiver.network, realm: 'main' });
  const farebox = await createPaywall({ keys, receiver, store, clock, events, inUseWaitMs: 0 });
  const open: (() => Promise<void>)[] = [];
  const payer = sandbox.payer('buyer');
  const pay = async (invoice: string) => {
    const paid = await payer.pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error('not paid');
    return paid.preimage;
  };
  const enter = async (transport: Parameters<Client['connect']>[0], client = new Client({ name: 'buyer', version: '1' })) => {
    await client.connect(transport);
    const buyer = buyerOf(client, pay);
    open.push(buyer.close);
    return buyer;
  };
  return {
    clock,
    sandbox,
    store,
    farebox,
    told,
    pay,
    enter,
    connect: async (server) => {
      const [near, far] = InMemoryTransport.createLinkedPair();
      await server.connect(far);
      return enter(near);
    },
    close: async () => {
      for (const close of open) await close();
      await farebox.close();
      await sandbox.close();
      await store.close();
    },
  };
}

/** A server that sells nothing yet, with tools that tests call. */
export function plainServer(): { readonly server: McpServer; readonly calls: { readonly tool: string; readonly args: unknown; readonly extra: unknown }[] } {
  const server = new McpServer({ name: 'plain', version: '1' });
  const calls: { tool: string; args: unknown; extra: unknown }[] = [];
  return { server, calls };
}

/** The invoice and the token that a result asks with. */
export function offerOf(result: Result): { readonly invoice: string; readonly token: string } {
  const offer = ToolPayment.parseChallenge(result._meta)?.offers[0];
  if (!offer) throw new Error(`no challenge: ${JSON.stringify(result)}`);
  return offer;
}

/** All text of a result. */
export function textOf(result: Result): string {
  return result.content.map(({ text }) => text ?? '').join('\n');
}

/** The code that a refusal or a challenge names. */
export function codeOf(result: Result): unknown {
  return result.structuredContent?.code;
}

function buyerOf(client: Client, pay: ToolShop['pay']): Buyer {
  const call: Buyer['call'] = async (name, args = {}, { credential, meta } = {}) => {
    const proof = credential === undefined ? {} : { [ToolPayment.paymentKey]: { scheme: 'l402', proof: credential } };
    return (await client.callTool({ name, arguments: args, _meta: { ...proof, ...meta } })) as unknown as Result;
  };
  return {
    client,
    call,
    buy: async (name, args) => {
      const { invoice, token } = offerOf(await call(name, args));
      return `${token}:${await pay(invoice)}`;
    },
    close: () => client.close(),
  };
}
