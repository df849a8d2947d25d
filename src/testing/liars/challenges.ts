/**
 * Sellers that lie in the challenge of a 402: in its form, in its place, or by there being none.
 */
import * as Amount from '../../core/Amount.ts';
import { answerBody, ask as asking, challengeOf, deliver, sell, send, sendRaw } from './answers.ts';
import { dear, nothing, refusing } from './refusing.ts';
import { ask, type Booth, type Script, usualMost, type Visit } from './Way.ts';

/** The challenge is wrong, or none. */
export const challenges: readonly Script[] = [
  {
    name: 'unknown-scheme',
    liar: 'server',
    does: 'A 402 that offers a scheme of its own only, with a Lightning invoice in its body.',
    demand: 'Hand the answer on and pay nothing: the invoice in a body is no challenge.',
    steps: [ask('handed-on')],
    most: nothing,
    serve: async ({ response }, booth) =>
      send(response, 402, { 'WWW-Authenticate': 'Payment id="1", method="card"' }, { invoice: (await booth.offer()).invoice }),
  },
  {
    name: 'offer-in-a-200',
    liar: 'server',
    does: 'A 200 with the answer, and with a challenge in its head.',
    demand: 'Hand the answer on and pay nothing: only a 402 asks for money.',
    steps: [ask('answered')],
    most: nothing,
    serve: async ({ response }, booth) => {
      response.setHeader('WWW-Authenticate', challengeOf(await booth.offer()));
      deliver(response);
    },
  },
  refusing(
    'unsendable-token',
    'The token is no base64 and holds spaces and braces: it could not be sent back in a header.',
    'Refuse before paying: what is paid for could never be shown.',
    ({ response }, booth) => asking(response, booth.offer({ token: 'not base64: {}' })),
  ),
  {
    ...refusing(
      'control-characters',
      'The challenge has a NUL, an escape and a bare carriage return in it.',
      'Refuse the answer as a whole; show none of it to a terminal.',
      async ({ response }, booth) => {
        const { token, invoice } = await booth.offer();
        const challenge = challengeOf({ token: `${token.slice(0, 8)}\u0000\u001b[2J\r${token.slice(8)}`, invoice });
        sendRaw(response, `HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`);
      },
    ),
    steps: [ask('broken')],
  },
  {
    ...refusing(
      'huge-header',
      'A header of a megabyte before the challenge.',
      'Stop reading at a limit: an error, and nothing is paid.',
      ({ response }, booth) => asking(response, booth.offer(), { headers: { 'X-Filler': 'x'.repeat(1024 * 1024) } }),
    ),
    steps: [ask('broken')],
  },
  {
    ...refusing(
      'ten-thousand-challenges',
      'Ten thousand challenges in one answer.',
      'Stop reading at a limit: an error, and nothing is paid.',
      async ({ response }, booth) => {
        const line = challengeOf(await booth.offer());
        send(response, 402, { 'WWW-Authenticate': Array.from({ length: 10_000 }, () => line) });
      },
    ),
    steps: [ask('broken')],
  },
  {
    ...refusing('token-of-a-megabyte', 'The token is a megabyte long.', 'Stop reading at a limit: an error, and nothing is paid.', ({ response }, booth) =>
      asking(response, booth.offer({ token: 'A'.repeat(1024 * 1024) })),
    ),
    steps: [ask('broken')],
  },
  {
    name: 'terminal-escapes',
    liar: 'server',
    does: 'The description in the invoice holds escape sequences that would steer a terminal.',
    demand: 'Buy, and escape whatever is shown of it.',
    steps: [ask('answered')],
    most: usualMost,
    serve: (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      return asking(visit.response, booth.offer({ description: '\u001b]0;owned\u0007\u001b[2Jone answer\u202e' }));
    },
  },
];

/** The challenge stands where none belongs, or is none. */
export const places: readonly Script[] = [
  handingOn('challenge-in-a-trailer', 'The challenge comes in a trailer, behind the body of a 402 that has none in its head.', async ({ response }, booth) => {
    const challenge = challengeOf(await booth.offer());
    response.writeHead(402, { 'Content-Type': 'application/json', Trailer: 'WWW-Authenticate' });
    response.write('{"message":"Payment required"}');
    response.addTrailers({ 'WWW-Authenticate': challenge });
    response.end();
  }),
  handingOn('challenge-in-a-realm', 'The challenge stands inside the quoted realm of another scheme.', async ({ response }, booth) => {
    const { token, invoice } = await booth.offer();
    send(response, 402, { 'WWW-Authenticate': `Basic realm="members, L402 macaroon=${token}, invoice=${invoice}"` });
  }),
  handingOn('offer-in-a-401', 'A 401 with a challenge in its head.', async ({ response }, booth) =>
    send(response, 401, { 'WWW-Authenticate': challengeOf(await booth.offer()) }),
  ),
  {
    name: 'offer-in-early-hints',
    liar: 'server',
    does: 'A challenge in a 103 before the answer, which is a 200.',
    demand: 'Hand the answer on and pay nothing: only a 402 asks for money.',
    steps: [ask('answered')],
    most: nothing,
    serve: async ({ response }, booth) => {
      const hints = `HTTP/1.1 103 Early Hints\r\nWWW-Authenticate: ${challengeOf(await booth.offer())}\r\n\r\n`;
      sendRaw(response, `${hints}HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${answerBody.length}\r\n\r\n${answerBody}`);
    },
  },
  {
    name: 'endless-early-hints',
    liar: 'server',
    does: 'Sends one 103 after the other, and no answer.',
    demand: 'Let the caller give up; nothing is paid.',
    steps: [ask('given-up')],
    most: nothing,
    serve: ({ response }, booth) => {
      booth.fallSilent(response);
      const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'.repeat(16);
      const more = () => {
        if (response.socket?.writable) response.socket.write(hints, () => setImmediate(more));
      };
      more();
    },
  },
  refusing(
    'challenge-without-an-invoice',
    'The challenge has a token only; an invoice stands in the body.',
    'Refuse: the invoice in a body is no challenge.',
    async ({ response }, booth) => {
      const { token, invoice } = await booth.offer();
      send(response, 402, { 'WWW-Authenticate': `L402 macaroon="${token}"` }, { invoice });
    },
  ),
  refusing(
    'two-invoices-in-one-challenge',
    'One challenge with two invoices: one for 5 sat, one for 58.',
    'Refuse: what is said twice and differently is not said.',
    async ({ response }, booth) => {
      const [cheap, other] = [await booth.offer({ amountMsat: Amount.fromSat(5) }), await booth.offer({ amountMsat: Amount.fromSat(58) })];
      send(response, 402, { 'WWW-Authenticate': `${challengeOf(cheap)}, invoice="${other.invoice}"` });
    },
  ),
  refusing(
    'dear-last-of-ten',
    'Ten challenges in one answer: nine for 5 sat, and one for 5,000 behind them.',
    'Refuse: a seller that says two prices gets neither.',
    ({ response }, booth) => ten({ response }, booth, (index) => index === 9),
  ),
  refusing(
    'dear-first-of-ten',
    'Ten challenges in one answer: one for 5,000 sat, and nine for 5 behind it.',
    'Refuse: a seller that says two prices gets neither.',
    ({ response }, booth) => ten({ response }, booth, (index) => index === 0),
  ),
  refusing(
    'quote-left-open',
    'The quotes around the token are never closed, and backslashes follow.',
    'Refuse what cannot be read, in little time.',
    async ({ response }, booth) => {
      const { token, invoice } = await booth.offer();
      send(response, 402, { 'WWW-Authenticate': `L402 invoice="${invoice}", macaroon="${token}${'\\'.repeat(8000)}` });
    },
  ),
  {
    ...refusing('both-lengths', 'The 402 has a length and chunks: two ends, for two readers.', 'Refuse the answer as a whole.', async ({ response }, booth) => {
      const challenge = challengeOf(await booth.offer());
      const head = `HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: ${challenge}\r\n`;
      sendRaw(response, `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
    }),
    steps: [ask('broken')],
  },
];

/** An answer that asks for no money, whatever it looks like. */
function handingOn(name: string, does: string, serve: NonNullable<Script['serve']>): Script {
  return { name, liar: 'server', does, demand: 'Hand the answer on and pay nothing: that is no challenge.', steps: [ask('handed-on')], most: nothing, serve };
}

async function ten({ response }: Pick<Visit, 'response'>, booth: Booth, isDear: (index: number) => boolean): Promise<void> {
  const lines: string[] = [];
  for (let index = 0; index < 10; index++) {
    lines.push(challengeOf(await booth.offer(isDear(index) ? dear : { amountMsat: Amount.fromSat(5) })));
  }
  send(response, 402, { 'WWW-Authenticate': lines });
}
