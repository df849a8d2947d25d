/**
 * Sellers that take the payment and cheat then, and answers to paid requests that are lost on the way.
 */
import * as Amount from '../../core/Amount.ts';
import { answerBody, ask as asking, byProof, cut, deliver, pour, redirect, sell, send, sendRaw } from './answers.ts';
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
    name: 'other-scheme-after-payment',
    liar: 'server',
    does: 'Takes the payment and answers the proof with a 402 in a scheme of its own.',
    demand: 'Pay once, keep the proof, say so; no second payment on its own.',
    steps: [ask('not-honoured')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 402, { 'WWW-Authenticate': 'Payment id="1", method="card"' })),
  },
  {
    name: 'replayed-offer',
    liar: 'server',
    does: 'Every request, with a proof or without, is answered with the very first offer.',
    demand: 'Pay it once, keep the proof, say so; refuse when it is offered again.',
    steps: [ask('not-honoured'), ask('refused')],
    most: usualMost,
    serve: ({ response }, booth) => asking(response, booth.sameOffer()),
  },
  {
    name: 'token-for-elsewhere',
    liar: 'server',
    does: 'Sells a token that is for another path by its own words, and refuses it here.',
    demand: 'Pay once, keep the proof, say so; no second payment on its own.',
    steps: [ask('not-honoured')],
    most: usualMost,
    serve: ({ response }, booth) =>
      asking(
        response,
        booth.offer({ caveats: ['services=liar:0', 'liar_path=/elsewhere', `liar_valid_until=${booth.nowAt() + 86_400}`, 'liar_terms=per-request'] }),
      ),
  },
  {
    name: 'charges-for-failures',
    liar: 'server',
    does: 'Takes the payment, answers 500 and says that it has charged for it, every time.',
    demand: 'Hand the answer on, pay once a call, and keep to the limit for everything together.',
    steps: [...Array.from({ length: 9 }, () => ask('handed-on')), ask('refused')],
    most: { requests: 40, orders: 9 },
    serve: byProof(({ response }) => send(response, 500, { 'L402-Payment': 'charged' })),
  },
  {
    name: 'too-many-after-payment',
    liar: 'server',
    does: 'Takes the payment and answers 429 to the proof, for ever.',
    demand: 'Hand the answer on; the next call shows the same proof and pays nothing.',
    steps: [ask('handed-on'), ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => send(response, 429, { 'Retry-After': '1' })),
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
      return asking(visit.response, booth.offer({ caveats }));
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
  waiting('away-for-ever', 'Takes the payment and answers 503, come back in a second, again and again.', 503, '1'),
  waiting('busy-for-ever', 'Takes the payment and answers 409, come back in a second, again and again.', 409, '1'),
  waiting('away-at-once', 'Takes the payment and answers 503, come back at once, again and again.', 503, '0'),
  waiting('away-until-nonsense', 'Takes the payment and answers 503, come back in -1e99 seconds, again and again.', 503, '-1e99'),
  {
    name: 'stalls-in-the-answer',
    liar: 'server',
    does: 'The answer that was paid for begins and never goes on.',
    demand: 'Let the caller give up; the next call shows the same proof and pays nothing.',
    steps: [ask('given-up'), ask('given-up')],
    most: usualMost,
    serve: byProof(({ response }, booth) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"ok"');
      booth.fallSilent(response);
    }),
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

/** The answer is not what was sold. */
export const poorAnswers: readonly Script[] = [
  {
    name: 'nothing-for-money',
    liar: 'server',
    does: 'Takes the payment and answers 204, with nothing.',
    demand: 'Hand the answer on; no second payment in the same call.',
    steps: [ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => void response.writeHead(204).end()),
  },
  {
    name: 'lies-about-its-encoding',
    liar: 'server',
    does: 'The answer that was paid for says that it is packed, and is not.',
    demand: 'Hand over an error where the answer cannot be unpacked, and keep the proof; the next call shows it and pays nothing.',
    steps: [ask('broken'), ask('broken')],
    most: usualMost,
    serve: byProof(({ response }) => void response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }).end('no gzip')),
  },
  {
    name: 'lies-about-its-length',
    liar: 'server',
    does: 'The answer that was paid for is longer than it says.',
    demand: 'Hand over as much as was said, and take the rest for no other answer; pay once.',
    steps: [ask('handed-on')],
    most: usualMost,
    serve: byProof(({ response }) => sendRaw(response, `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n${answerBody}`)),
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
      else return asking(response, booth.offer());
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
      else return asking(response, booth.offer());
    },
  },
  {
    name: 'redirects-to-a-thief-by-steps',
    liar: 'server',
    does: 'Takes the payment and redirects the paid request to another path of its own, and from there to another origin, each time with 307.',
    demand: 'Follow without the credential, or not at all.',
    steps: [ask('handed-on')],
    most: usualMost,
    serve: ({ response, paid, place, path }, booth) => {
      if (place === 'thief') return send(response, 200, {}, { stolen: paid !== undefined });
      if (path === 'b') return redirect(response, booth.at.thief.replace(/^http:/, ''), 307);
      if (paid) return redirect(response, `${booth.at.seller}/b`, 307);
      return asking(response, booth.offer());
    },
  },
  {
    name: 'refreshes-to-a-thief',
    liar: 'server',
    does: 'The answer that was paid for names another origin in Refresh, Content-Location and Alt-Svc.',
    demand: 'Hand the answer over, and go nowhere.',
    steps: [ask('answered')],
    most: usualMost,
    serve: (visit, booth) => {
      const { response, paid, place } = visit;
      if (place === 'thief') return send(response, 200, {}, { stolen: paid !== undefined });
      if (!paid) return sell(visit, booth);
      const { host } = new URL(booth.at.thief);
      for (const [name, value] of Object.entries({
        Refresh: `0; url=${booth.at.thief}/a`,
        'Content-Location': `${booth.at.thief}/a`,
        'Alt-Svc': `h2="${host}"; ma=86400`,
      }))
        response.setHeader(name, value);
      return sell(visit, booth);
    },
  },
  {
    name: 'redirects-into-a-file',
    liar: 'server',
    does: 'Takes the payment and redirects the paid request to a file of the client’s own machine.',
    demand: 'Read no file; say that it was paid and that the redirect leads nowhere. Pay once.',
    steps: [ask('not-honoured')],
    most: usualMost,
    serve: byProof(({ response }) => redirect(response, 'file:///etc/passwd')),
  },
  {
    name: 'redirects-for-ever-after-payment',
    liar: 'server',
    does: 'Takes the payment, and every answer from then on is a redirect to the next.',
    demand: 'Stop after twenty or so, and say that it was paid; pay once.',
    steps: [ask('not-honoured')],
    most: { requests: 60, orders: 1 },
    serve: ({ response, paid, path }, booth) => {
      if (!paid && path === 'a') return asking(response, booth.offer());
      redirect(response, `${booth.at.seller}/hop-${Number(/\d+$/.exec(path)?.[0] ?? 0) + 1}`);
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
      else return asking(response, booth.offer());
    },
  },
];

/** The answer to the paid request is lost. */
export const lostAnswers: readonly Script[] = [
  {
    name: 'proof-lost-once',
    liar: 'network',
    does: 'The connection is reset when the proof comes for the first time.',
    demand: 'Say that it was paid and keep the proof; the next call shows it, pays nothing and has the answer.',
    steps: [ask('interrupted'), ask('answered')],
    most: usualMost,
    serve: byProof(once(({ response }) => cut(response))),
  },
  {
    name: 'captive-portal',
    liar: 'network',
    does: 'The first proof meets a portal that wants a login of its own: 511 with a page.',
    demand: 'Hand that on, and keep the proof; the next call shows it, pays nothing and has the answer.',
    steps: [ask('handed-on'), ask('answered')],
    most: usualMost,
    serve: byProof(once(({ response }) => void response.writeHead(511, { 'Content-Type': 'text/html' }).end('<title>Log in</title>'))),
  },
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

/** A seller that asks to be asked again, for ever. */
function waiting(name: string, does: string, status: number, retryAfter: string): Script {
  const demand = 'Ask again a few times, then hand the answer on; pay once.';
  const serve = byProof(({ response }) => send(response, status, { 'Retry-After': retryAfter }));
  return { name, liar: 'server', does, demand, steps: [ask('handed-on')], most: usualMost, serve };
}

/** The first time that a payment is proven something else happens. */
function once(first: NonNullable<Script['serve']>): NonNullable<Script['serve']> {
  return (visit, booth) => {
    const { paid, response } = visit;
    if (!paid || paid.isDelivered) return deliver(response);
    paid.isDelivered = true;
    return first(visit, booth);
  };
}
