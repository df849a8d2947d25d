/**
 * Sellers that lie around the offer: in the body of the 402, or on the way to it.
 */
import { gzipSync } from 'node:zlib';
import { ask as asking, challengeOf, cut, pour, redirect, sell, sendRaw } from './answers.ts';
import { refusing } from './refusing.ts';
import { ask, type Script, usualMost } from './Way.ts';

/** The body of the 402, or the way to it, never ends. */
export const endless: readonly Script[] = [
  {
    name: 'endless-offer-body',
    liar: 'server',
    does: 'The body of the 402 never ends.',
    demand: 'Stop reading at a limit; what is read of a body changes nothing about the offer in the head.',
    steps: [ask('answered')],
    most: usualMost,
    serve: async (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      visit.response.writeHead(402, { 'WWW-Authenticate': challengeOf(await booth.offer()), 'Content-Type': 'application/json' });
      pour(visit.response, 32 * 1024 * 1024, () => booth.robbed('read 32 MB of the body of a 402'));
    },
  },
  {
    name: 'dribbling-offer-body',
    liar: 'server',
    does: 'The body of the 402 begins and never goes on.',
    demand: 'Stop waiting for it after a few seconds; the offer is in the head.',
    steps: [ask('answered')],
    most: usualMost,
    serve: async (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      visit.response.writeHead(402, { 'WWW-Authenticate': challengeOf(await booth.offer()), 'Content-Type': 'application/json' });
      visit.response.write('{"message":');
      booth.fallSilent(visit.response);
    },
  },
  {
    name: 'cut-offer-body',
    liar: 'network',
    does: 'The connection is reset in the body of the 402.',
    demand: 'Go by the offer in the head, or ask again; pay once.',
    steps: [ask('answered')],
    most: usualMost,
    serve: async (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      visit.response.writeHead(402, { 'WWW-Authenticate': challengeOf(await booth.offer()), 'Content-Type': 'application/json', 'Content-Length': 1000 });
      visit.response.write('{"message":', () => cut(visit.response));
    },
  },
  {
    name: 'gzip-bomb-offer',
    liar: 'server',
    does: 'The body of the 402 is small and unpacks to gigabytes.',
    demand: 'Stop unpacking at a limit; the offer is in the head.',
    steps: [ask('answered')],
    most: usualMost,
    serve: async (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      const head = { 'WWW-Authenticate': challengeOf(await booth.offer()), 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };
      visit.response.writeHead(402, head);
      pour(visit.response, 16 * 1024 * 1024, () => booth.robbed('unpacked 16 GB of the body of a 402'), bomb());
    },
  },
  {
    name: 'nested-offer-body',
    liar: 'server',
    does: 'The body of the 402 is JSON of ten thousand lists in each other.',
    demand: 'Read it, or do not; the offer is in the head.',
    steps: [ask('answered')],
    most: usualMost,
    serve: async (visit, booth) => {
      if (visit.paid) return sell(visit, booth);
      const head = { 'WWW-Authenticate': challengeOf(await booth.offer()), 'Content-Type': 'application/json' };
      visit.response.writeHead(402, head).end(`${'['.repeat(10_000)}${']'.repeat(10_000)}`);
    },
  },
  {
    name: 'cut-in-offer-head',
    liar: 'network',
    does: 'The connection ends in the head of the 402, behind the challenge.',
    demand: 'Take no part of a head for the whole; nothing is paid.',
    steps: [ask('broken')],
    most: { requests: 5, orders: 0 },
    serve: async ({ response }, booth) =>
      sendRaw(response, `HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: ${challengeOf(await booth.offer())}\r\nL402-Pr`),
  },
  {
    name: 'endless-redirect',
    liar: 'server',
    does: 'Every answer is a redirect to the next.',
    demand: 'Stop after twenty or so.',
    steps: [ask('broken', 'hop-0')],
    most: { requests: 60, orders: 0 },
    serve: ({ response, path }, booth) => redirect(response, `${booth.at.seller}/hop-${Number(/\d+$/.exec(path)?.[0] ?? 0) + 1}`),
  },
  refusing(
    'plain-http-offer',
    'A redirect to plain http at an address that is not loopback, where an offer waits.',
    'Refuse: whoever is on the way could take the credential.',
    ({ response, place }, booth) => (place === 'plain' ? asking(response, booth.offer()) : redirect(response, `${booth.at.plain}/a`)),
  ),
];

/** Sixteen megabytes of nothing, packed: gzip takes any number of them one after the other. */
function bomb(): Buffer {
  return gzipSync(Buffer.alloc(16 * 1024 * 1024), { level: 9 });
}
