/**
 * What lies between a client and its wallet, and loses, cuts, doubles or delays what goes over it. The wallet itself is honest.
 */
import { encode } from '../../lightning/sandbox/Wire.ts';
import { cut, pour, redirect, refuse, reply, sell, send, sendRaw } from './answers.ts';
import { lookUp as honestly, pay, settle } from './Book.ts';
import { ask, later, type Order, type Script, usualMost } from './Way.ts';

const demand = 'Hold the payment as unknown, look it up before the next one: paid once, answered once.';

/** The reply does not come, or not whole. */
export const lostReplies: readonly Script[] = [
  losing('cut-after-order', 'The connection to the wallet is reset after the order was sent.', ({ response }) => cut(response)),
  losing('reply-lost', 'The connection to the wallet is closed before a byte of the reply.', ({ response }) => sendRaw(response, '')),
  losing('reply-cut-in-head', 'The reply of the wallet is cut in its head.', ({ response }) => sendRaw(response, 'HTTP/1.1 200 OK\r\nContent-Ty')),
  losing('reply-cut-in-body', 'The reply of the wallet is cut in its body.', ({ entry, response }) => {
    const body = encode(settle(entry));
    sendRaw(response, `${headFor(body)}${body.slice(0, body.length / 2)}`);
  }),
  {
    name: 'reply-dribbles',
    liar: 'network',
    does: 'The reply of the wallet begins and never goes on. It has paid.',
    demand,
    steps: [ask('held'), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }, booth) => {
      settle(entry);
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"kind":');
      booth.fallSilent(response);
    },
  },
  {
    name: 'reply-floods',
    liar: 'network',
    does: 'The reply of the wallet goes on for 32 MB. It has paid.',
    demand: 'Stop reading at a limit; hold the payment as unknown, look it up before the next one: paid once, answered once.',
    steps: [ask('held'), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }, booth) => {
      settle(entry);
      response.writeHead(200, { 'Content-Type': 'application/json' });
      pour(response, 32 * 1024 * 1024, () => booth.robbed('read 32 MB of the reply of a wallet'));
    },
  },
  {
    name: 'wallet-redirects',
    liar: 'network',
    does: 'The wallet’s address redirects the order to another origin. It has paid.',
    demand: `Send order and key nowhere else. ${demand}`,
    steps: [ask('held'), ask('answered')],
    most: usualMost,
    serve: (visit, booth) => (visit.place === 'thief' ? send(visit.response, 200) : sell(visit, booth)),
    pay: ({ entry, response }, booth) => {
      settle(entry);
      redirect(response, `${booth.at.thief}/wallet`, 307);
    },
  },
  {
    name: 'order-lost',
    liar: 'network',
    does: 'The order never reaches the wallet, and the connection is reset; a look-up says that the payment was never seen.',
    demand: 'Hold the payment while its invoice can still be paid; free its money after that, and pay a new one.',
    steps: [ask('held'), ask('held'), later(4000), ask('answered')],
    most: { requests: 10, orders: 2 },
    pay: ({ entry, earlier, response }) => (earlier === 0 ? cut(response) : reply(response, pay(entry))),
  },
  {
    name: 'down-midway',
    liar: 'network',
    does: 'The wallet goes down while it pays, stays down for the next look-up, and is back for the one after.',
    demand: 'Hold the payment while the wallet cannot be asked; paid once, answered once.',
    steps: [ask('held'), ask('held'), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => {
      settle(entry);
      refuse(response, 503, 'LIGHTNING_UNAVAILABLE', 'The node is down.');
    },
    lookUp: ({ entry, response }, booth) => {
      if (entry.lookUps === 1) refuse(response, 503, 'LIGHTNING_UNAVAILABLE', 'The node is down.');
      else reply(response, honestly(entry, booth.nowAt()));
    },
  },
  {
    name: 'settles-an-hour-later',
    liar: 'network',
    does: 'The payment is under way for an hour, past every time-out and past the expiry of its invoice, and settles then.',
    demand: 'Hold the payment for as long as it is under way; the proof that comes at last buys the answer.',
    steps: [ask('held'), ask('held'), later(1800), ask('held'), later(1800), ask('answered')],
    most: usualMost,
    pay: ({ entry, response }, booth) => {
      entry.state = 'pending';
      entry.settlesAt = booth.nowAt() + 3600;
      booth.fallSilent(response);
    },
  },
];

/** Something comes twice. */
export const doubles: readonly Script[] = [
  {
    name: 'reply-twice',
    liar: 'network',
    does: 'The wallet’s reply comes twice on one connection: settled, and then failed.',
    demand: 'Take the first, and with it the answer; no second payment.',
    steps: [ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => {
      const [first, second] = [encode(settle(entry)), encode(pay(entry))];
      sendRaw(response, `${headFor(first)}${first}${headFor(second)}${second}`);
    },
  },
  {
    name: 'order-delivered-twice',
    liar: 'network',
    does: 'The order reaches the wallet twice, and the reply to the second is what comes back: failed, for the invoice has been paid already.',
    demand: 'Look a failure up before its money is free again: it was paid, and the proof is there.',
    steps: [ask('answered')],
    most: usualMost,
    pay: ({ entry, response }) => {
      pay(entry);
      reply(response, pay(entry));
    },
  },
];

/** A payment that is made, and whose reply is lost. */
function losing(name: string, does: string, lose: (order: Order) => void): Script {
  const script: Script['pay'] = (order) => {
    settle(order.entry);
    lose(order);
  };
  return { name, liar: 'network', does: `${does} It has paid.`, demand, steps: [ask('held'), ask('answered')], most: usualMost, pay: script };
}

function headFor(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
}
