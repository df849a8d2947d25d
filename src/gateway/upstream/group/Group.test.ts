import { once } from 'node:events';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { FareboxError } from '../../../core/Errors.ts';
import { TimerWheel } from '../../../core/TimerWheel.ts';
import * as FixedClock from '../../../testing/FixedClock.ts';
import { RequestBody } from '../../RequestBody.ts';
import type { AnswerHandler, OnwardRequest, Reach, UpstreamGroup, UpstreamTarget } from '../../Upstream.ts';
import { createGroups } from './Groups.ts';

/** A request as one of the upstreams got it, and the test's hand on its answer. */
type Got = { readonly at: string; readonly path: string; readonly handler: AnswerHandler; aborted: string | undefined };

const breaker = { failures: 3, pauseMs: 1000, longestPauseMs: 4000, statuses: [502, 503, 504] };

/** A group of upstreams that answer when the test says so. */
function open(names: readonly string[], options: Partial<UpstreamGroup> = {}, first = 0) {
  const clock = FixedClock.create();
  const timers = new TimerWheel(clock);
  const got: Got[] = [];
  const told: string[] = [];
  let isClosed = false;
  const failing = new Map<string, Reach | undefined>();
  const upstreams = createGroups(
    {
      send: (request, handler) => {
        const one: Got = { at: request.upstream.origin, path: request.path, handler, aborted: undefined };
        got.push(one);
        if (failing.has(one.at)) handler.onError(new Error('as the test says'), failing.get(one.at));
        return {
          pause: () => {},
          resume: () => {},
          abort: () => {
            one.aborted = 'abort';
          },
        };
      },
      drop: () => {},
      close: async () => {
        isClosed = true;
      },
    },
    {
      clock,
      timers,
      random: (length) => new Uint8Array(length).fill(first),
      onStanding: ({ kind, upstream, ...more }) => told.push([kind, upstream, ...Object.values(more)].join(' ')),
    },
  );
  const target: UpstreamTarget = {
    origin: names[0] as string,
    group: { members: names.map((origin) => ({ origin })), balance: 'round-robin', retries: 1, breaker, health: undefined, ...options },
  };
  const send = (request: Partial<OnwardRequest> = {}) => {
    const heard: string[] = [];
    const sending = upstreams.send(
      { method: 'GET', upstream: target, path: '/', headers: [], body: null, ...request },
      {
        onInformational: (status) => heard.push(String(status)),
        onHead: (status) => heard.push(`head ${status}`),
        onSwitch: () => heard.push('switch'),
        onChunk: (chunk) => heard.push(chunk.toString()),
        onEnd: () => heard.push('end'),
        onError: (error) => heard.push(FareboxError.is(error) ? `${error.code} ${error.details.retryAfterSeconds}` : error.message),
      },
    );
    return { heard, sending };
  };
  /** Answers the last request that came. */
  const answer = (status = 200) => {
    const { handler } = got.at(-1) as Got;
    handler.onHead(status, []);
    handler.onEnd([]);
  };
  const fail = (reach?: Reach, error = new Error('reset')) => got.at(-1)?.handler.onError(error, reach);
  const places = () => got.map(({ at }) => at).join('');
  return { clock, timers, upstreams, target, got, told, failing, send, answer, fail, places, isClosed: () => isClosed };
}

function bodyOf(...chunks: readonly string[]): RequestBody {
  return new RequestBody(
    Readable.from(
      chunks.map((chunk) => Buffer.from(chunk)),
      { objectMode: false },
    ),
    1000,
    undefined,
  );
}

describe('who gets a request', () => {
  test('each in its turn, from one that processes choose apart', () => {
    for (const [first, expected] of [
      [0, 'abcab'],
      [7, 'bcabc'],
    ] as const) {
      const { send, answer, places } = open(['a', 'b', 'c'], {}, first);
      for (let i = 0; i < 5; i++) {
        send();
        answer();
      }
      expect(places()).toBe(expected);
    }
  });

  test('the one with the fewest under way; of equals each in its turn', () => {
    const { send, got, places } = open(['a', 'b', 'c'], { balance: 'least-busy' });
    for (let i = 0; i < 4; i++) send();
    got[1]?.handler.onHead(200, []);
    got[1]?.handler.onEnd([]);
    got[2]?.handler.onError(new Error('x'), 'begun');
    send();
    send();
    const { sending } = send();
    sending.abort();
    send();
    expect(places()).toBe('abcabcbc');
  });

  test('one upstream by itself is asked as ever, with nothing in between', () => {
    const { upstreams, got } = open(['a']);
    const handler: AnswerHandler = { onInformational: () => {}, onHead: () => {}, onSwitch: () => {}, onChunk: () => {}, onEnd: () => {}, onError: () => {} };
    upstreams.send({ method: 'GET', upstream: { origin: 'z' }, path: '/', headers: [], body: null }, handler);
    expect(got[0]?.handler).toBe(handler);
  });
});

describe('another one after a failure', () => {
  test('the sender sees one request with one answer', () => {
    const { send, fail, answer, places } = open(['a', 'b']);
    const { heard } = send();
    fail();
    answer(201);
    expect([places(), heard]).toEqual(['ab', ['head 201', 'end']]);
  });

  test('the same one never twice, and as many as there may be', () => {
    for (const [retries, expected] of [
      [0, 'a'],
      [1, 'ab'],
      [2, 'abc'],
      [5, 'abc'],
    ] as const) {
      const { send, failing, places } = open(['a', 'b', 'c'], { retries });
      for (const name of ['a', 'b', 'c']) failing.set(name, 'unsent');
      expect([send().heard, places()]).toEqual([['as the test says'], expected]);
    }
  });

  test.each([
    ['GET', undefined, 'ab'],
    ['PUT', undefined, 'ab'],
    ['GET', 'begun', 'a'],
    ['POST', undefined, 'a'],
    ['PATCH', undefined, 'a'],
    ['POST', 'unsent', 'ab'],
    ['POST', 'begun', 'a'],
  ] as const)('%s without a body, %s: %s', (method, reach, expected) => {
    const { send, fail, places } = open(['a', 'b']);
    send({ method });
    fail(reach);
    expect(places()).toBe(expected);
  });

  test('a body goes to another one for as long as nothing of it was taken', async () => {
    const { send, fail, places } = open(['a', 'b', 'a2', 'b2']);
    const body = bodyOf('one');
    send({ method: 'POST', body });
    fail();
    expect(places()).toBe('ab');
    body.resume();
    await once(body, 'data');
    fail('unsent');
    expect(places()).toBe('ab');
  });

  test('a body that is empty has been taken when its end has', async () => {
    const { send, fail, places } = open(['a', 'b']);
    const body = bodyOf();
    send({ method: 'POST', body });
    body.resume();
    await once(body, 'end');
    fail();
    expect(places()).toBe('a');
  });

  test('never once anything of an answer has been passed on', () => {
    for (const begin of [(handler: AnswerHandler) => handler.onInformational(103, []), (handler: AnswerHandler) => handler.onHead(200, [])]) {
      const { send, got, fail, places } = open(['a', 'b']);
      const { heard } = send();
      begin(got[0]?.handler as AnswerHandler);
      fail();
      expect([places(), heard.at(-1)]).toEqual(['a', 'reset']);
    }
  });

  test('an answer is an answer, whatever its status', () => {
    const { send, answer, places } = open(['a', 'b']);
    const { heard } = send();
    answer(503);
    expect([places(), heard]).toEqual(['a', ['head 503', 'end']]);
  });

  test('not for a sender who is gone, whatever is told afterwards', () => {
    const { send, got, fail, places } = open(['a', 'b']);
    const { sending, heard } = send();
    sending.abort();
    fail();
    expect([places(), heard, got[0]?.aborted]).toEqual(['a', [], 'abort']);
  });

  test('what is paused stays so, and who breaks it off breaks off the one that is under way', () => {
    const { send, fail, got } = open(['a', 'b']);
    const { sending } = send();
    fail();
    sending.abort();
    expect(got.map(({ aborted }) => aborted)).toEqual([undefined, 'abort']);
  });

  test('a few, and half as many as there are requests, until there is time again', () => {
    const { send, got, clock } = open(['a', 'b', 'c'], { breaker: { ...breaker, failures: 1e9 } });
    const repeated = () => {
      const before = got.length;
      send();
      got.at(-1)?.handler.onError(new Error('reset'));
      const again = got.length === before + 2;
      if (again) got.at(-1)?.handler.onError(new Error('reset'));
      return again;
    };
    const first = Array.from({ length: 100 }, repeated).filter(Boolean).length;
    expect([first, got.length]).toEqual([60, 160]);
    clock.advance(20_000);
    expect(Array.from({ length: 5 }, repeated)).toEqual(Array(5).fill(true));
  });

  test('what nobody has got counts against no budget', () => {
    const { send, failing, got } = open(['a', 'b'], { breaker: { ...breaker, failures: 1e9 } });
    failing.set('a', 'unsent');
    for (let i = 0; i < 200; i++) send();
    expect(got.filter(({ at }) => at === 'b').length).toBe(200);
  });
});

describe('who is left out', () => {
  test('after so many failures in a row, for a while that grows; then one request tries', () => {
    const { send, answer, failing, places, told, clock, got } = open(['a', 'b']);
    const turn = () => {
      got.length = 0;
      send();
      if (got.at(-1)?.at === 'b') answer();
      return places();
    };
    failing.set('a', 'unsent');
    expect([turn(), turn(), turn(), turn(), turn()]).toEqual(['ab', 'ab', 'ab', 'b', 'b']);
    expect(told).toEqual(['left-out a as the test says 1000']);
    clock.advance(999);
    expect(turn()).toBe('b');
    clock.advance(1);
    expect([turn(), turn(), turn()]).toEqual(['ab', 'b', 'b']);
    clock.advance(1999);
    expect(turn()).toBe('b');
    for (const ms of [1, 4000, 4000]) {
      clock.advance(ms);
      expect([turn(), turn(), turn()]).toEqual(['ab', 'b', 'b']);
    }
    clock.advance(4000);
    failing.delete('a');
    got.length = 0;
    send();
    expect(places()).toBe('a');
    const trial = got[0]?.handler as AnswerHandler;
    // While it tries, nobody else does.
    for (let i = 0; i < 3; i++) send();
    expect(places()).toBe('abbb');
    expect(told).toEqual(['left-out a as the test says 1000']);
    trial.onHead(200, []);
    expect(told[1]).toBe('back a');
    got.length = 0;
    for (let i = 0; i < 4; i++) send();
    expect(places()).toMatch(/^(ab){2}$|^(ba){2}$/);
  });

  test('an answer between two failures begins the row anew', () => {
    const { send, fail, answer, told } = open(['a', 'b'], { retries: 0 });
    for (let i = 0; i < 10; i++) {
      for (const turn of [() => fail('unsent'), () => answer(), () => fail('unsent'), () => answer()]) {
        send();
        turn();
      }
      // Both of them, so that each hears of every kind.
      send();
      answer();
    }
    expect(told).toEqual([]);
  });

  test('what was under way when it was left out says nothing any more', () => {
    const { send, got, told } = open(['a', 'b'], { retries: 0 });
    for (let i = 0; i < 16; i++) send();
    const atA = got.filter(({ at }) => at === 'a').map(({ handler }) => handler);
    for (const handler of atA.slice(0, 7)) handler.onError(new Error('away'), 'unsent');
    expect(told).toEqual(['left-out a away 1000']);
    atA[7]?.onHead(200, []);
    got.length = 0;
    for (let i = 0; i < 3; i++) send();
    expect([got.map(({ at }) => at).join(''), told.length]).toEqual(['bbb', 1]);
  });

  test('a try whose client leaves says nothing, and the next request tries', () => {
    const { send, got, failing, answer, clock, places } = open(['a', 'b']);
    failing.set('a', 'unsent');
    for (let i = 0; i < 6; i++) {
      send();
      answer();
    }
    failing.clear();
    clock.advance(1000);
    got.length = 0;
    const tries = [send(), send()];
    expect(places()).toMatch(/ab|ba/);
    for (const { sending } of tries) sending.abort();
    got.length = 0;
    send();
    send();
    expect(places()).toMatch(/ab|ba/);
  });

  test('all of them, where none can be reached: said at once, with the time of the next try', () => {
    const { send, failing, got, clock } = open(['a', 'b'], { breaker: { ...breaker, pauseMs: 3000, longestPauseMs: 3000 } });
    failing.set('a', 'unsent').set('b', 'unsent');
    for (let i = 0; i < 3; i++) expect(send().heard).toEqual(['as the test says']);
    got.length = 0;
    clock.advance(500);
    expect([send().heard, got]).toEqual([['UPSTREAM_AWAY 3'], []]);
    clock.advance(2500);
    failing.clear();
    expect([send().heard, got.length]).toEqual([[], 1]);
  });

  test('what a request may have provoked takes out half of them at most, and never the last', () => {
    for (const [names, out] of [
      [['a'], 0],
      [['a', 'b'], 1],
      [['a', 'b', 'c'], 1],
      [['a', 'b', 'c', 'd'], 2],
    ] as const) {
      for (const provoke of [
        (stage: ReturnType<typeof open>) => stage.send() && stage.fail(),
        (stage: ReturnType<typeof open>) => {
          const { sending } = stage.send();
          sending.onLate?.();
          sending.abort();
        },
        (stage: ReturnType<typeof open>) => stage.send() && stage.answer(503),
      ]) {
        const stage = open(names, { retries: 0 });
        for (let i = 0; i < 60; i++) provoke(stage);
        expect([names.length, stage.told.length]).toEqual([names.length, out]);
        stage.got.length = 0;
        expect([stage.send().heard, stage.got.length]).toEqual([[], 1]);
      }
    }
  });

  test('nobody, for what a client has done: left, sent what cannot be sent on, or no whole body', async () => {
    const { send, got, fail, told } = open(['a', 'b'], { retries: 0 });
    for (let i = 0; i < 20; i++) send().sending.abort();
    for (let i = 0; i < 20; i++) {
      send();
      fail(undefined, new TypeError('a header would end the line that it stands in'));
    }
    for (let i = 0; i < 20; i++) {
      const body = bodyOf('one');
      const { heard } = send({ method: 'POST', body });
      const failed = new Error('the client left');
      await new Promise((resolve) => body.destroy(failed).on('close', resolve));
      fail(undefined, failed);
      expect(heard).toEqual(['the client left']);
    }
    for (let i = 0; i < 20; i++) {
      send();
      fail('unsent', new FareboxError('UPSTREAM_BUSY', 'as much to do as it may'));
    }
    expect([told, got.length]).toEqual([[], 80]);
  });

  test('a request that could not be repeated does not try where others serve, unless the failures were no request’s, or it is time', () => {
    const tries = (reach: Reach | undefined, afterMs: number) => {
      const { send, fail, answer, got, clock } = open(['a', 'b'], { retries: 0 });
      for (let i = 0; i < 6; i++) {
        send();
        if (got.at(-1)?.at === 'a') fail(reach);
        else answer();
      }
      clock.advance(afterMs);
      got.length = 0;
      for (let i = 0; i < 2; i++) send({ method: 'POST' });
      return got.some(({ at }) => at === 'a');
    };
    expect([tries('unsent', 1000), tries(undefined, 1000), tries(undefined, 1999), tries(undefined, 2000)]).toEqual([true, false, false, true]);
  });
});

describe('asking how they are', () => {
  const health = { path: '/health', everyMs: 5000, timeoutMs: 2000, healthy: 2, unhealthy: 3, statuses: [200] };

  function watch(options: Partial<UpstreamGroup> = {}) {
    const stage = open(['a', 'b'], { health, ...options });
    stage.upstreams.watch([stage.target]);
    /** Each is asked, and answers so. */
    const round = (answers: { readonly [name: string]: number | Error | undefined }) => {
      stage.got.length = 0;
      stage.clock.advance(5000);
      expect(stage.got.map(({ at, path }) => at + path).sort()).toEqual(['a/health', 'b/health']);
      for (const { at, handler } of stage.got) {
        const answer = answers[at] ?? 200;
        if (typeof answer !== 'number') handler.onError(answer);
        else handler.onHead(answer, []);
        if (typeof answer === 'number') handler.onEnd([]);
      }
    };
    const where = () => {
      stage.got.length = 0;
      for (let i = 0; i < 4; i++) {
        stage.send();
        stage.answer();
      }
      return [...new Set(stage.got.map(({ at }) => at))].sort().join('');
    };
    return { ...stage, round, where };
  }

  test.each([
    ['another status', 204],
    ['a failure', new Error('reset')],
  ] as const)('three times %s in a row leaves one out, two good answers bring it back', (_, bad) => {
    const { round, where, told } = watch();
    for (const answer of [bad, bad, 200, bad, bad]) round({ a: answer });
    expect([where(), told]).toEqual(['ab', []]);
    round({ a: bad });
    expect(where()).toBe('b');
    round({ a: 200 });
    round({ a: bad });
    round({ a: 200 });
    expect(where()).toBe('b');
    round({ a: 200 });
    expect(where()).toBe('ab');
    expect(told.map((one) => one.slice(0, 10).trim())).toEqual(['left-out a', 'back a']);
  });

  test('no answer in time is none, and what comes later is not heard', () => {
    const { clock, got, told } = watch();
    clock.advance(1000);
    for (let i = 0; i < 3; i++) {
      expect([got.length, told]).toEqual([2 * i + 2, []]);
      clock.advance(2000);
      for (const late of got.slice(-2)) {
        late.handler.onHead(200, []);
        expect(late.aborted).toBe('abort');
      }
      clock.advance(5000);
    }
    const why = 'no answer in time when it was asked how it is';
    expect(told).toEqual([`left-out a ${why}`, `left-out b ${why}`]);
  });

  test('all of them not well: said at once', () => {
    const { round, send, got } = watch();
    for (let i = 0; i < 3; i++) round({ a: 500, b: 500 });
    got.length = 0;
    expect([send().heard, got]).toEqual([['UPSTREAM_AWAY 5'], []]);
  });

  test('whoever is well again has a fresh start', () => {
    const { round, where, failing, send, answer } = watch({ breaker: { ...breaker, pauseMs: 600_000, longestPauseMs: 600_000 } });
    failing.set('a', 'unsent');
    for (let i = 0; i < 6; i++) {
      send();
      answer();
    }
    failing.clear();
    for (let i = 0; i < 3; i++) round({});
    expect(where()).toBe('b');
    for (let i = 0; i < 3; i++) round({ a: 500 });
    round({});
    expect(where()).toBe('b');
    round({});
    expect(where()).toBe('ab');
  });

  test('ends with the upstreams, and a failure of then says nothing', async () => {
    const { upstreams, timers, clock, told, send, got, isClosed } = watch();
    for (let i = 0; i < 9; i++) send();
    await upstreams.close();
    for (const { handler } of got.slice()) handler.onError(new Error('the gateway is closing'), 'unsent');
    timers.close();
    expect([isClosed(), told, got.length, clock.timers()]).toEqual([true, [], 9, 0]);
  });
});
