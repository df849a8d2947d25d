/**
 * Sellers that take the payment and cheat then, and answers to paid requests that are lost on the way.
 */
import * as Amount from '../../core/Amount.ts';
import { ask as asking, byProof, cut, deliver, pour, redirect, sell, send, sendRaw } from './answers.ts';
import { ask, type Script, usualMost } from './Way.ts';

/** The proof is refused, or the price rises. */
export const refusals: readonly Script[] = [
  {
    name: 'refuses-for-ever',
    liar: 'server',
    does: 'Takes the payment and answers 402 with a new invoice to the proof, for ever.',
    demand: 'Pay once, keep the proof, say so; no second payment on its own.',
    steps: [ask('not-honoured')],
    most: usualMost,
    serve: ({ response }, booth) => asking(response, booth.offer()),
  },
  {
    name: 'cheap-then-dear',
    liar: 'server',
    does: 'Offers a cheap route at 5 sat; once that is paid, says that this one costs 50.',
    demand: 'Pay once, keep the proof, say so; no second payment on its own.',
    steps: [ask('not-honoured')],
    most: usualMost,
    serve: byProof(
      ({ response, paid }, booth) => (paid && paid.amountMsat >= 50_000n ? deliver(response) : asking(response, booth.offer())),
      ({ response }, booth) => asking(response, booth.offer({ amountMsat: Amount.fromSat(5) })),
    ),
  },
  {
    name: 'tampered-after-payment',
    liar: 'server',
    does: 'Takes the payment and answers 401 to the proof: the token is said to be tampered with.',
    demand: 'Pay once, keep the proof, say so; no second payment on its own.',
    steps: [ask('not-honoured')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 401, { 'WWW-Authenticate': 'L402 error="CREDENTIAL_TAMPERED"' })),
  },
  {
    name: 'login-after-payment',
    liar: 'server',
    does: 'Takes the payment and answers the proof with 401 and a login of its own.',
    demand: 'Hand the answer on; the next call shows the same proof and pays nothing.',
    steps: [ask('handed-on'), ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 401, { 'WWW-Authenticate': 'Basic realm="members"' })),
  },
  {
    name: 'fails-after-payment',
    liar: 'server',
    does: 'Takes the payment and answers 500 to the proof, for ever.',
    demand: 'Hand the answer on; the next call shows the same proof and pays nothing.',
    steps: [ask('handed-on'), ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 500)),
  },
  {
    name: 'forgets-the-pass',
    liar: 'server',
    does: 'Sells an hour and honours it for one answer: every other one is to be paid again.',
    demand: 'Set the refused pass aside, price again, and keep to the limit for everything together.',
    steps: [...Array.from({ length: 9 }, () => ask('answered')), ask('refused'), ask('refused')],
    most: { requests: 40, orders: 9 },
    serve: (visit, booth) => {
      if (visit.paid && !visit.paid.isDelivered) return sell(visit, booth);
      const caveats = ['services=liar:0', `liar_valid_until=${booth.nowAt() + 3600}`, 'liar_path=/*', 'liar_terms=pass'];
      asking(visit.response, booth.offer({ caveats }));
    },
  },
];

/** No answer comes, or none in time. */
export const delays: readonly Script[] = [
  {
    name: 'hangs-up-after-payment',
    liar: 'server',
    does: 'Takes the payment and resets the connection when the proof comes, for ever.',
    demand: 'Say that it was paid and keep the proof; the next call shows it and pays nothing.',
    steps: [ask('interrupted'), ask('interrupted')],
    most: usualMost,
    serve: byProof(({ response }) => cut(response)),
  },
  {
    name: 'silent-after-payment',
    liar: 'server',
    does: 'Takes the payment and never answers.',
    demand: 'Let the caller give up; the next call shows the same proof and pays nothing.',
    steps: [ask('given-up'), ask('given-up')],
    most: usualMost,
    serve: byProof(({ response }, booth) => booth.fallSilent(response)),
  },
  {
    name: 'busy-for-a-year',
    liar: 'server',
    does: 'Takes the payment and answers 409: come back in a year.',
    demand: 'Hand the answer on instead of waiting; the next call shows the same proof and pays nothing.',
    steps: [ask('handed-on'), ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 409, { 'Retry-After': '31536000' })),
  },
  {
    name: 'away-for-a-year',
    liar: 'server',
    does: 'Takes the payment and answers 503: come back in a year, by a date.',
    demand: 'Hand the answer on instead of waiting; the next call shows the same proof and pays nothing.',
    steps: [ask('handed-on'), ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }, booth) => send(response, 503, { 'Retry-After': new Date((booth.nowAt() + 31_536_000) * 1000).toUTCString() })),
  },
  {
    name: 'away-for-ever',
    liar: 'server',
    does: 'Takes the payment and answers 503, come back in a second, again and again.',
    demand: 'Ask again a few times, then hand the answer on; pay once.',
    steps: [ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 503, { 'Retry-After': '1' })),
  },
  {
    name: 'endless-answer',
    liar: 'server',
    does: 'The answer that was paid for never ends.',
    demand: 'Hand it over as it comes, and let the caller call it off; pay once.',
    steps: [ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' });
      pour(response, Number.MAX_SAFE_INTEGER);
    }),
  },
];

/** The proof is lured elsewhere. */
export const redirects: readonly Script[] = [
  {
    name: 'redirect-to-a-thief',
    liar: 'server',
    does: 'Takes the payment and redirects the paid request to another origin.',
    demand: 'Follow without the credential, or not at all.',
    steps: [ask('handed-on')],
    most: usualMost,
    serve: ({ response, paid, place }, booth) => {
      if (place === 'thief') return send(response, 200, {}, { stolen: paid !== undefined });
      if (paid) redirect(response, `${booth.at.thief}/a`);
      else asking(response, booth.offer());
    },
  },
  {
    name: 'redirect-to-plain-http',
    liar: 'server',
    does: 'Takes the payment and redirects the paid request to plain http at an address that is not loopback, which asks for money again.',
    demand: 'Show no credential there and pay nothing there.',
    steps: [ask('refused')],
    most: usualMost,
    serve: ({ response, paid, place }, booth) => {
      if (paid && place === 'seller') redirect(response, `${booth.at.plain}/a`);
      else asking(response, booth.offer());
    },
  },
  {
    name: 'pay-again-behind-a-redirect',
    liar: 'server',
    does: 'Takes the payment and redirects the paid request to another path of its own, which asks for money again.',
    demand: 'Refuse: one call pays once.',
    steps: [ask('refused')],
    most: usualMost,
    serve: ({ response, paid, path }, booth) => {
      if (paid && path === 'a') redirect(response, `${booth.at.seller}/b`);
      else asking(response, booth.offer());
    },
  },
];

/** The answer to the paid request is lost. */
export const lostAnswers: readonly Script[] = [
  losing(
    'answer-cut-in-head',
    'The first answer to a paid request is cut in its head.',
    'Say that it was paid and keep the proof; the next call shows it, pays nothing and has the answer.',
    [ask('interrupted'), ask('answered')],
    'HTTP/1.1 200 OK\r\nContent-Ty',
  ),
  losing(
    'answer-cut-in-body',
    'The first answer to a paid request is cut in its body.',
    'Hand over what came, with an error at its end, and keep the proof; the next call shows it, pays nothing and has the answer.',
    [ask('broken'), ask('answered')],
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok"',
  ),
];

/** An answer of which that much arrives the first time; the seller honours the proof again. */
function losing(name: string, does: string, demand: string, steps: Script['steps'], arrives: string): Script {
  const serve = byProof(({ paid, response }) => {
    if (paid?.isDelivered) return deliver(response);
    if (paid) paid.isDelivered = true;
    sendRaw(response, arrives);
  });
  return { name, liar: 'network', does, demand, steps, most: usualMost, serve };
}
