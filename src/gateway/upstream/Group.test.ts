import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, closedPort, openStage, openTcp, openUpstream, recordSale, sellWith, valuesOf } from '../../../test/gateway/harness.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { RequestBody } from '../RequestBody.ts';
import { TimerWheel } from '../TimerWheel.ts';
import type { AnswerHandler, OnwardRequest, Upstreams, UpstreamTarget } from '../Upstream.ts';
import { createGroups, type GroupedUpstreams, type GroupRules } from './Group.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

type Sent = { readonly to: string; readonly request: OnwardRequest; readonly handler: AnswerHandler; readonly done: string[] };

/** Members a, b and c behind upstreams whose answers the test gives. */
function open(rules: Partial<GroupRules> = {}) {
  const clock = FixedClock.create();
  const timers = new TimerWheel(clock);
  const sent: Sent[] = [];
  const away: string[] = [];
  const members = ['a', 'b', 'c'].map((name): UpstreamTarget => ({ origin: name }));
  const inner: Upstreams = {
    send: (request, handler) => {
      const done: string[] = [];
      sent.push({ to: request.upstream.origin, request, handler, done });
      return { pause: () => done.push('pause'), resume: () => done.push('resume'), abort: () => done.push('abort') };
    },
    drop: () => {},
    close: async () => {},
  };
  const group = {
    balance: 'round-robin',
    health: undefined,
    breaker: { failures: 2, pauseMs: 10_000 },
    retries: 1,
    ...rules,
    members,
    basePath: '/v2',
  } as const;
  const target: UpstreamTarget = { origin: 'a', group };
  const upstreams: GroupedUpstreams = createGroups(inner, { clock, timers, onAway: (origin) => away.push(origin) });
  const request = (more: Partial<OnwardRequest> = {}) => {
    const told: string[] = [];
    const handler: AnswerHandler = {
      onInformational: (status) => told.push(`informational ${status}`),
      onSwitch: () => told.push('switch'),
      onHead: (status) => told.push(`head ${status}`),
      onChunk: (chunk) => told.push(`chunk ${String(chunk)}`),
      onEnd: () => told.push('end'),
      onError: (error) => told.push(FareboxError.is(error) ? `${error.code} ${error.details.retryAfterSeconds}` : error.message),
    };
    const sending = upstreams.send({ method: 'GET', upstream: target, path: '/v2/x', headers: [], body: null, ...more }, handler);
    return { told, sending };
  };
  const last = () => sent.at(-1) as Sent;
  const answer = (status = 200, one = last()) => {
    one.handler.onHead(status, []);
    one.handler.onEnd([]);
  };
  const tos = () => sent.map(({ to }) => to).join('');
  return { clock, timers, sent, away, target, upstreams, request, last, answer, tos };
}

const broken = new Error('reset');

describe('balance', () => {
  test('each in turn', () => {
    const { request, tos } = open();
    for (let count = 0; count < 5; count++) request();
    expect(tos()).toBe('abcab');
  });

  test('the one with the fewest requests under way', () => {
    const { request, tos, sent, answer } = open({ balance: 'least-busy' });
    for (let count = 0; count < 3; count++) request();
    answer(200, sent[1]);
    request();
    request().sending.abort();
    request();
    expect(tos()).toBe('abcbca');
  });

  test('what is not of a group goes where it says', () => {
    const { request, tos } = open();
    request({ upstream: { origin: 'z' } });
    expect(tos()).toBe('z');
  });
});

describe('asking another', () => {
  test('what changes nothing and has no body; the client hears of one answer', () => {
    const { request, last, tos, answer } = open();
    const { told } = request();
    last().handler.onError(broken);
    expect(told).toEqual([]);
    answer();
    expect([tos(), told]).toEqual(['ab', ['head 200', 'end']]);
  });

  test('so often and no more', () => {
    const { request, last, tos } = open();
    const { told } = request();
    last().handler.onError(broken);
    last().handler.onError(new Error('reset too'));
    expect([tos(), told]).toEqual(['ab', ['reset too']]);
    const none = open({ retries: 0 });
    const one = none.request();
    none.last().handler.onError(broken, true);
    expect([none.tos(), one.told]).toEqual(['a', ['reset']]);
  });

  test.each([
    ['POST', undefined, false, 'a'],
    ['POST', undefined, true, 'ab'],
    ['PUT', 'unread', false, 'a'],
    ['POST', 'unread', true, 'ab'],
    ['POST', 'read', true, 'a'],
    ['GET', 'unread', false, 'a'],
  ])('%s with a body that is %s, unsent: %s', async (method, state, isUnsent, expected) => {
    const { request, last, tos } = open();
    const body = state === undefined ? null : new RequestBody(Readable.from([Buffer.from('x')]), 10, undefined);
    request({ method, body });
    if (state === 'read') for await (const _ of body as RequestBody) break;
    last().handler.onError(broken, isUnsent);
    expect(tos()).toBe(expected);
    body?.destroy();
  });

  test.each([
    ['an early hint', (handler: AnswerHandler) => handler.onInformational(103, [])],
    ['a head', (handler: AnswerHandler) => handler.onHead(200, [])],
  ])('never after %s', (_, begin) => {
    const { request, last, tos } = open();
    const { told } = request();
    begin(last().handler);
    last().handler.onError(broken, true);
    expect([tos(), told.at(-1)]).toEqual(['a', 'reset']);
  });

  test('pausing and giving up reach the one that it is with', () => {
    const { request, sent, last } = open();
    const { sending } = request();
    last().handler.onError(broken);
    sending.pause();
    sending.abort();
    expect(sent.map(({ done }) => done)).toEqual([[], ['pause', 'abort']]);
  });
});

describe('leaving one alone', () => {
  /** Fails on a, without another try. */
  const failing = (rules: Partial<GroupRules> = {}) => {
    const all = open({ retries: 0, ...rules });
    const fail = (times: number, how = () => all.last().handler.onError(broken)) => {
      for (let count = 0; count < times; ) {
        all.request();
        if (all.last().to !== 'a') all.answer();
        else {
          how();
          count++;
        }
      }
    };
    return { ...all, fail };
  };
  const next = ({ request, sent, answer }: Pick<ReturnType<typeof open>, 'request' | 'sent' | 'answer'>, count: number) => {
    const from = sent.length;
    for (let index = 0; index < count; index++) {
      request();
      answer();
    }
    return new Set(sent.slice(from).map(({ to }) => to));
  };

  test('after so many failures in a row it gets none, then one on trial, then all or none', () => {
    const all = failing();
    all.fail(2);
    expect(all.away).toEqual(['a']);
    expect(next(all, 6)).toEqual(new Set('bc'));
    all.clock.advance(10_000);
    const trial = [all.request(), all.request(), all.request()];
    expect(all.sent.slice(-3).filter(({ to }) => to === 'a').length).toBe(1);
    expect(next(all, 4)).toEqual(new Set('bc'));
    all.sent.findLast(({ to }) => to === 'a')?.handler.onError(broken);
    expect(next(all, 4)).toEqual(new Set('bc'));
    all.clock.advance(10_000);
    next(all, 3);
    expect(next(all, 3)).toEqual(new Set('abc'));
    expect([all.away, trial.length]).toEqual([['a'], 3]);
  });

  test.each([502, 503, 504])('%i is a failure', (status) => {
    const all = failing();
    all.fail(2, () => all.answer(status));
    expect(next(all, 4)).toEqual(new Set('bc'));
  });

  test.each([200, 404, 429, 500])('%i is none', (status) => {
    const all = failing();
    all.fail(4, () => all.answer(status));
    expect(next(all, 3)).toEqual(new Set('abc'));
  });

  test('no answer in time is one; a client that leaves, and a queue of ours that is full, are none', () => {
    const late = failing();
    late.fail(2, () => {});
    expect(next(late, 3)).toEqual(new Set('abc'));
    for (let count = 0; count < 6; count++) {
      const { sending } = late.request();
      if (late.last().to === 'a') sending.onLate?.();
      sending.abort();
    }
    expect(next(late, 4)).toEqual(new Set('bc'));
    const busy = failing();
    busy.fail(4, () => busy.last().handler.onError(new FareboxError('UPSTREAM_BUSY', 'busy'), true));
    expect(next(busy, 3)).toEqual(new Set('abc'));
  });

  test('a trial that shows nothing gives way to another', () => {
    const all = failing();
    all.fail(2);
    all.clock.advance(10_000);
    for (;;) {
      const { sending } = all.request();
      if (all.last().to !== 'a') all.answer();
      else {
        sending.abort();
        break;
      }
    }
    expect(next(all, 3)).toEqual(new Set('abc'));
  });

  test('where all are away, it is said at once, and when to come again', () => {
    const all = open({ retries: 2, breaker: { failures: 1, pauseMs: 10_000 } });
    const { told } = all.request();
    for (let count = 0; count < 3; count++) all.last().handler.onError(broken);
    expect([all.tos(), told]).toEqual(['abc', ['reset']]);
    all.clock.advance(4500);
    expect(all.request().told).toEqual(['UPSTREAM_AWAY 6']);
    expect(all.tos()).toBe('abc');
  });
});

describe('health', () => {
  const health = { path: '/healthz', everyMs: 10_000, timeoutMs: 2000, failures: 2, successes: 2 };

  test('is asked behind the upstream’s own path, and one that is not well gets nothing until it is', async () => {
    const { target, upstreams, sent, clock, request, tos, answer, away } = open({ health });
    upstreams.watch([target]);
    expect(sent.map(({ to, request: { method, path } }) => `${to} ${method} ${path}`)).toEqual(['a', 'b', 'c'].map((name) => `${name} GET /v2/healthz`));
    const round = (statusOfA: number | Error) => {
      for (const one of sent.slice(-3)) {
        if (one.to !== 'a') answer(204, one);
        else if (typeof statusOfA === 'number') answer(statusOfA, one);
        else one.handler.onError(statusOfA);
      }
      clock.advance(10_000);
    };
    round(500);
    round(broken);
    const from = sent.length;
    for (let count = 0; count < 4; count++) request();
    expect([tos().slice(from), away]).toEqual(['bcbc', ['a']]);
    // The last three but four are the third round.
    for (const one of sent.slice(from - 3, from)) answer(200, one);
    clock.advance(10_000);
    for (const one of sent.slice(-3)) answer(301, one);
    const then = sent.length;
    for (let count = 0; count < 3; count++) request();
    expect(new Set(tos().slice(then))).toEqual(new Set('abc'));
    await upstreams.close();
  });

  test('no answer in time is not well, and nothing is asked once all is closed', async () => {
    const { target, upstreams, sent, clock, request, timers } = open({ health: { ...health, failures: 1 } });
    upstreams.watch([target]);
    clock.advance(2100);
    expect(request().told).toEqual(['UPSTREAM_AWAY 10']);
    clock.advance(10_000);
    expect(sent.length).toBe(6);
    expect(sent[0]?.done).toEqual(['abort']);
    await upstreams.close();
    clock.advance(60_000);
    expect(sent.length).toBe(6);
    timers.close();
    expect(clock.timers()).toBe(0);
  });
});

describe('behind a gateway', () => {
  test('one that is not there costs the client nothing: the other answers, and the sale hears of one head', async () => {
    const upstream = await openUpstream(closing, (_, response, { url }) => response.end(url));
    const sale = recordSale();
    const upstreams = [`http://127.0.0.1:${await closedPort()}`, `http://127.0.0.1:${upstream.port}`];
    const stage = await openStage(closing, { upstream: 0, check: sellWith(sale), service: { upstream: undefined, upstreams } });
    const posted = await ask(stage.port, '/a', { method: 'POST', headers: ['Content-Length', '2'], body: 'hi' });
    expect([posted.status, posted.text, upstream.seen[0]?.body.toString()]).toEqual([200, '/a', 'hi']);
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end delivered']);
  });

  test('one that breaks off is asked nothing twice that may have been done', async () => {
    const upstream = await openUpstream(closing);
    const breaking = await openTcp(closing, (socket) => socket.once('data', () => socket.destroy()));
    const sale = recordSale();
    const upstreams = [`http://127.0.0.1:${breaking}`, `http://127.0.0.1:${upstream.port}`];
    const stage = await openStage(closing, { upstream: 0, check: sellWith(sale), service: { upstream: undefined, upstreams } });
    const posted = await ask(stage.port, '/a', { method: 'POST', headers: ['Content-Length', '2'], body: 'hi' });
    expect([posted.status, upstream.seen.length]).toEqual([502, 0]);
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered upstream']);
  });

  test('where all are away: 503, when to come again, and nothing is charged', async () => {
    const sale = recordSale();
    const upstreams = [`http://127.0.0.1:${await closedPort()}`, `http://127.0.0.1:${await closedPort()}`];
    const service = { upstream: undefined, upstreams, breaker: { failures: 1, pause: '30s' } };
    const stage = await openStage(closing, { upstream: 0, check: sellWith(sale), service });
    expect((await ask(stage.port, '/a')).status).toBe(502);
    const answer = await ask(stage.port, '/a');
    const { code } = JSON.parse(answer.text) as { code: string };
    expect([answer.status, code, valuesOf(answer.lines, 'retry-after'), valuesOf(answer.lines, 'l402-payment')]).toEqual([
      503,
      'UPSTREAM_AWAY',
      ['30'],
      ['not-charged'],
    ]);
    await stage.over(2);
    expect(sale.told).toEqual(['unanswered upstream', 'unanswered upstream']);
  });
});
