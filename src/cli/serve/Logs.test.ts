import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFake, type Fake } from '../../../test/cli/fakeContext.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { LogsConfig, RequestOutcome } from '../../gateway/index.ts';
import type { PaywallEvent } from '../../server/Events.ts';
import { openLogs } from './Logs.ts';

let folder: string;
const fakes: Fake[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-logs-'));
});
afterEach(() => {
  for (const fake of fakes.splice(0)) fake.remove();
  rmSync(folder, { recursive: true, force: true });
});

const outcome: RequestOutcome = {
  method: 'GET',
  path: '/a',
  route: 'GET /a',
  status: 200,
  ended: 'delivered',
  durationMs: 12.4,
  error: undefined,
  client: '192.0.2.7',
  token: '301225cd',
  chargedMsat: 10_000n as never,
  requestId: 'id-1',
  answerBytes: 5,
  payment: 'charged',
};

const facts = { paymentHash: 'ab', service: 'api', route: 'GET /a', amountMsat: 10_000n as never };
const charged: PaywallEvent = { at: 0, kind: 'charged', ...facts };
const challenged: PaywallEvent = { at: 0, kind: 'challenged', ...facts };
const trouble: PaywallEvent = { at: 0, kind: 'trouble', what: 'the store', error: new FareboxError('STORE_UNAVAILABLE', 'gone\u202e') };

async function open(config: Partial<LogsConfig> | undefined, interactive = false, worker?: number) {
  const fake = createFake(() => {}, { interactive });
  fakes.push(fake);
  const whole = config && { format: undefined, level: 'info' as const, access: true, requestIds: true, ...config };
  return { fake, logs: await openLogs(fake.context.terminal, whole, worker) };
}

describe('logs as JSON', () => {
  test('a request is a line of these fields and no others', async () => {
    const { fake, logs } = await open({}, false, 2);
    logs.request(outcome);
    const [line] = fake.json();
    expect(line).toEqual({
      level: 'info',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
      worker: 2,
      kind: 'request',
      id: 'id-1',
      method: 'GET',
      path: '/a',
      route: 'GET /a',
      status: 200,
      bytes: 5,
      durationMs: 12,
      ended: 'delivered',
      client: '192.0.2.7',
      payment: 'charged',
      chargedMsat: '10000',
      token: '301225cd',
    });
  });

  test('of an error its code is written, and none of its words', async () => {
    const { fake, logs } = await open({});
    const secret = 'what somebody else has said';
    const errors = [new FareboxError('UPSTREAM_TIMEOUT', secret), Object.assign(new Error(secret), { code: 'ECONNREFUSED' }), new TypeError(secret), secret];
    for (const error of errors) logs.request({ ...outcome, status: 502, error });
    expect(fake.json().map(({ level, error }) => [level, error])).toEqual([
      ['warn', 'UPSTREAM_TIMEOUT'],
      ['warn', 'ECONNREFUSED'],
      ['warn', 'TypeError'],
      ['warn', 'Error'],
    ]);
    expect(fake.out()).not.toContain(secret);
  });

  test('what is below the level is left out, and trouble steers no terminal', async () => {
    const kindsAt = async (level: LogsConfig['level']) => {
      const { fake, logs } = await open({ level });
      for (const event of [challenged, charged, trouble]) logs.event(event);
      logs.request(outcome);
      logs.note('info', { kind: 'reloaded', isDone: true }, 'taken');
      return fake.json().map(({ kind }) => kind);
    };
    expect(await kindsAt('debug')).toEqual(['challenged', 'charged', 'trouble', 'request', 'reloaded']);
    expect(await kindsAt('info')).toEqual(['charged', 'trouble', 'request', 'reloaded']);
    expect(await kindsAt('error')).toEqual(['trouble']);
    const { fake, logs } = await open({});
    logs.event(trouble);
    expect(fake.json()).toMatchObject([{ code: 'STORE_UNAVAILABLE', message: 'gone\\u{202e}' }]);
  });

  test('requests can go to a file of their own, which is opened anew after it was moved away, or nowhere', async () => {
    const path = join(folder, 'logs', 'access.log');
    const { fake, logs } = await open({ access: { path } });
    logs.request(outcome);
    logs.event(charged);
    renameSync(path, `${path}.1`);
    logs.reopen();
    logs.request({ ...outcome, path: '/b' });
    await logs.close();
    const paths = [`${path}.1`, path].map((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { path: string }).path),
    );
    expect(paths.flat()).toEqual(['/a', '/b']);
    expect(fake.json().map(({ kind }) => kind)).toEqual(['charged']);
    const none = await open({ access: false });
    none.logs.request(outcome);
    expect(none.fake.out()).toBe('');
  });

  test('a file that cannot be written is a mistake at the start', async () => {
    await expect(open({ access: { path: folder } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('logs for people', () => {
  test('stand as they always have where there is a terminal, with the same levels', async () => {
    const { fake, logs } = await open({ level: 'warn' }, true);
    logs.request(outcome);
    logs.request({ ...outcome, status: 502, ended: 'upstream-failed' });
    logs.event(charged);
    expect(fake.out()).toMatch(/^\d\d:\d\d:\d\d {2}502 {2}GET \/a {2}upstream-failed\n$/);
  });

  test('and where the configuration says nothing, both are as before', async () => {
    const [person, pipe] = [await open(undefined, true), await open(undefined, false)];
    for (const { logs } of [person, pipe]) logs.request(outcome);
    expect(person.fake.out()).toMatch(/ {2}200 {2}GET \/a\n$/);
    expect(pipe.fake.json()).toEqual([
      { kind: 'request', at: expect.any(String) as unknown, method: 'GET', path: '/a', route: 'GET /a', status: 200, ended: 'delivered', durationMs: 12 },
    ]);
  });
});
