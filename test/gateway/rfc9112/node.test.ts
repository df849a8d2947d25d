/**
 * The cases of RFC 9112 with an upstream of Node's: what the gateway understood and what the upstream did is the same, or the request was
 * refused. With nginx and Python's: `npm run e2e:proxy`.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Closing, closeAll, openStage, openUpstream, type Stage } from '../harness.ts';
import { cases, type Recorder, tryCase } from './cases.ts';

const closing: Closing = [];
let stage: Stage;
let recorder: Recorder;

beforeAll(async () => {
  const upstream = await openUpstream(closing);
  stage = await openStage(closing, { upstream: upstream.port });
  recorder = { seen: () => upstream.seen };
});

afterAll(() => closeAll(closing));

test('are more than eighty, each with a name of its own', () => {
  expect(cases.length).toBeGreaterThan(80);
  expect(new Set(cases.map(({ what }) => what)).size).toBe(cases.length);
});

test.each(cases)('$what', (one) => tryCase(closing, stage.port, recorder, one));
