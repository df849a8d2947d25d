/**
 * A server, a wallet and a network that cheat, behind one address on this machine. No money is in it.
 *
 *     GET  /               the catalogue: limits, the wallet, every way
 *     *    /<way>/<path>   the way's seller
 *     GET  /<way>/seen     what it has seen of the client, and whether the client was robbed; DELETE forgets it
 *     GET  /check          the same for all ways together, in a word each
 *     POST /v1/<call>      the wallet, as the sandbox speaks; which way it lies in goes by the invoice that it is to pay
 *     POST /later          {"seconds":3600} moves the liars' time on
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import { encode } from '../../lightning/sandbox/Wire.ts';
import type { SandboxAddress } from '../../lightning/sandbox.ts';
import { shownBy } from '../Offers.ts';
import { sell, send } from './answers.ts';
import { type Check, check, control } from './Check.ts';
import { byHand, byWallet } from './Maker.ts';
import type { Limits, Seen } from './Seen.ts';
import { type Act, createStage, limits, type Stage } from './Stage.ts';
import { answerCall } from './Wallet.ts';
import type { Done, Place, Way } from './Way.ts';
import { ways } from './ways.ts';

/** How liars are started. */
export type LiarsOptions = {
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** On 127.0.0.1. Default 0: any that is free. */
  readonly port?: number;
  /**
   * A wallet whose invoices the liars sell by, for clients that pay with wallets of their own. Only the ways that need no more than a seller are
   * played then, and what is spent is what has arrived. Default: invoices that the liars' own wallet pays.
   */
  readonly receiver?: Receiver | undefined;
};

/** Liars that run. */
export type Liars = {
  /** Such as `http://127.0.0.1:40123`; the ways are below it, by name. */
  readonly url: string;
  /** Where the wallet is, for `createSandboxPayer`; every way is paid from it, unless a `receiver` makes the invoices. It lets everybody in: there is no money in it. */
  readonly wallet: SandboxAddress;
  readonly ways: readonly Way[];
  /** What the client under test is to be limited to. */
  readonly limits: Limits;
  /** What a way has seen so far. @throws RangeError – there is no way of that name */
  readonly seen: (way: string) => Seen;
  /** What came of all ways. @throws LIGHTNING_UNAVAILABLE – the wallet that made the invoices could not be asked */
  readonly check: () => Promise<Check>;
  /** Begins a way anew. @throws RangeError – there is no way of that name */
  readonly forget: (way: string) => void;
  /** Moves the liars' time on, beside their clock. */
  readonly later: (seconds: number) => void;
  /** On how many connections somebody waits for a word that never comes: time to move the client's clock on. */
  readonly silent: () => number;
  readonly close: () => Promise<void>;
};

/**
 * Starts the liars on loopback, in this process. `farebox lie` starts them in one of their own.
 *
 * @example
 * const liars = await startLiars();
 * const payer = createSandboxPayer({ ...liars.wallet, node: 'wallet' });
 * const fetch = createFetch({ payer, maxPerRequest: '60 sat', maxTotal: '500 sat' });
 * await fetch(`${liars.url}/refuses-for-ever/a`).catch((error) => error.code); // PAYMENT_NOT_HONOURED
 * liars.seen('refuses-for-ever').robbed; // []
 */
export async function startLiars({ clock = systemClock, port = 0, receiver }: LiarsOptions = {}): Promise<Liars> {
  const origins = { seller: '', thief: '', plain: '' };
  const stage = createStage(clock, origins, receiver ? byWallet(receiver) : byHand);
  const wallet = () => ({ url: origins.seller, token });
  const played = receiver ? ways.filter(({ needs }) => needs === 'server') : ways;
  const checkAll = async () => {
    for (const act of stage.acts.values()) await stage.lookUp(act);
    return check(
      played,
      (name) => stage.seen(actOf(stage, name)),
      actOf(stage, control).entries.some(({ isDelivered }) => isDelivered),
    );
  };
  const desk: Desk = { stage, hasWallet: !receiver, catalogue: () => ({ limits, ...(!receiver && { wallet: wallet() }), ways: played }), check: checkAll };
  const own = await listen(port, (request, response) => play(response, answer(desk, request, response)));
  const thief = await listen(0, (request, response) => play(response, visit(stage, request, response, 'thief')));
  // By 0.0.0.0 a system reaches itself too, and no client takes it for loopback.
  Object.assign(origins, { seller: `http://127.0.0.1:${own.port}`, thief: `http://127.0.0.1:${thief.port}`, plain: `http://0.0.0.0:${own.port}` });
  return {
    url: origins.seller,
    wallet: wallet(),
    ways: played,
    limits,
    seen: (name) => stage.seen(actOf(stage, name)),
    check: checkAll,
    forget: (name) => stage.forget(actOf(stage, name)),
    later: stage.later,
    silent: stage.silent,
    close: async () => void (await Promise.all([own.close(), thief.close()])),
  };
}

/** Long enough for the wire, and no secret. */
const token = 'no-money-is-in-this-wallet';

/** Longest body that is kept of a request to the liars themselves. */
const maxBytes = 1024 * 1024;

/** What requests are answered with. */
type Desk = {
  readonly stage: Stage;
  readonly hasWallet: boolean;
  readonly catalogue: () => unknown;
  readonly check: () => Promise<Check>;
};

type Listening = { readonly port: number; readonly close: () => Promise<void> };

async function listen(wanted: number, handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What goes wrong with an answer, such as a wallet that makes no invoice, ends it. */
function play(response: ServerResponse, done: Done): void {
  Promise.resolve(done).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else send(response, 500, {}, { message: FareboxError.is(error) ? error.message : 'The liars are at a loss.' });
  });
}

async function answer({ stage, hasWallet, catalogue, check }: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '/' } = request;
  const call = /^\/v1\/(\w+)$/.exec(url)?.[1];
  const name = /^\/([^/?]+)\/seen$/.exec(url)?.[1];
  const act = name === undefined ? undefined : stage.acts.get(name);
  if (call !== undefined && method === 'POST' && hasWallet) return answerCall(stage, call, await textOf(request), response);
  if (url === '/later' && method === 'POST') return moveOn(stage, await textOf(request), response);
  if (url === '/') return sendValue(response, catalogue());
  if (url === '/check') return sendValue(response, await check());
  if (!act) return visit(stage, request, response, request.headers.host?.startsWith('0.0.0.0') ? 'plain' : 'seller');
  if (method === 'DELETE') stage.forget(act);
  else await stage.lookUp(act);
  sendValue(response, stage.seen(actOf(stage, act.script.name)));
}

/** Plays a way to one who asks for what it sells. */
function visit(stage: Stage, request: IncomingMessage, response: ServerResponse, place: Place): Done {
  const [, name = '', path = ''] = /^\/([^/?]*)\/?([^?]*)/.exec(request.url ?? '') ?? [];
  const act = stage.acts.get(name);
  request.resume();
  if (!act) return send(response, 404, {}, { message: 'There is no such way. GET / lists them.' });
  const { authorization = '' } = request.headers;
  const shown = shownBy(authorization);
  const paid = shown && act.entries.find(({ offer }) => offer.paymentHash === Preimage.hash(shown.preimage));
  act.visits.push({ place, method: request.method ?? '', path, hasCredential: /^(?:L402|LSAT|Bearer)\b/i.test(authorization) });
  const sold = act.entries.filter(({ isDelivered }) => isDelivered).length;
  return (act.script.serve ?? sell)({ place, path, sold, paid, response }, stage.boothOf(act));
}

function actOf(stage: Stage, name: string): Act {
  const act = stage.acts.get(name);
  if (!act) throw new RangeError(`there is no way "${name}": the catalogue lists them`);
  return act;
}

function moveOn(stage: Stage, text: string, response: ServerResponse): void {
  try {
    stage.later((JSON.parse(text) as { readonly seconds: number }).seconds);
    response.writeHead(204).end();
  } catch {
    send(response, 400, {}, { message: 'The body is {"seconds":3600}: a whole number from 0 on.' });
  }
}

function sendValue(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(`${encode(value)}\n`);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Buffer).length;
    if (length <= maxBytes) parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}
