/**
 * Our client beside undici's, whose parser has been attacked for years: of the same bytes both make the same answer, or ours refuses them for
 * a reason that is named here. Never does ours read what undici refuses, but for what is named here as well.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anyAnswer, goodAnswer } from '../../../test/gateway/answers.ts';
import { type Closing, closeAll, openTcp } from '../../../test/gateway/harness.ts';
import { FareboxError } from '../../core/Errors.ts';
import { TimerWheel } from '../../core/TimerWheel.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Upstreams } from '../Upstream.ts';
import { createUpstreams } from './createUpstreams.ts';

/** What ours refuses although undici reads it. */
const strictnesses: ReadonlySet<string> = new Set([
  // A control in the reason, which undici does not look at; a status below 100; an empty line before the first one.
  'a first line that is none of HTTP/1',
  'a line feed alone',
  // Undici leaves it to whoever asked to look at the coding.
  'a transfer coding beside chunked',
  // A length in an answer before the answer, which undici passes over.
  'a body where none can be',
  // Limits where undici has none.
  'more lines than there may be',
  'more answers before the answer than there may be',
]);

/** What ours reads although undici refuses it. */
const leniencies: readonly ((bytes: string) => boolean)[] = [
  // An answer that says no more than "go on", to a request that did not wait for it: undici takes it for a fault.
  (bytes) => /^HTTP\/1\.[01] 100\b/m.test(bytes),
  // Extensions are skipped within their bound, and reach nobody: their grammar is not looked at.
  (bytes) => /\n[0-9A-Fa-f]+;(?!a(?:=b;c="d")?\r)/.test(bytes),
];

type Outcome = { readonly kind: 'whole'; readonly answer: unknown } | { readonly kind: 'failed'; readonly what: string };

const closing: Closing = [];
const answers = new Map<string, Buffer>();
let ours: Upstreams;
let theirs: Upstreams;
let upstream: { readonly origin: string };

beforeAll(async () => {
  const port = await openTcp(closing, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      const path = /^\S+ (\/\d+) /.exec(chunk.toString('latin1'))?.[1];
      if (path !== undefined) socket.end(answers.get(path) ?? Buffer.alloc(0));
    });
  });
  upstream = { origin: `http://127.0.0.1:${port}` };
  const clock = FixedClock.create();
  const timers = new TimerWheel(clock);
  const limits = { connections: 8, connectTimeoutMs: 5000, keepAliveMs: 4000, queue: 100, queueTimeoutMs: 10_000 };
  ours = createUpstreams('farebox', limits, clock, timers);
  theirs = createUpstreams('undici', limits, clock, timers);
  closing.push(() => Promise.all([ours.close(), theirs.close()]));
});
afterAll(() => closeAll(closing));

/** Asks for the answer at this path. */
function ask(client: Upstreams, method: string, path: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const informational: unknown[] = [];
    let head: unknown;
    let body = '';
    client.send(
      { method, upstream, path, headers: [], body: null },
      {
        onInformational: (status, headers) => informational.push([status, headers.map(trimmed)]),
        onSwitch: (_, wire) => wire.reset(),
        onHead: (status, headers) => {
          head = [status, headers.map(trimmed)];
        },
        onChunk: (chunk) => {
          body += typeof chunk === 'string' ? chunk : chunk.toString('latin1');
        },
        onEnd: (trailers) => resolve({ kind: 'whole', answer: { informational, head, body, trailers: trailers.map(trimmed) } }),
        onError: (error) => resolve({ kind: 'failed', what: FareboxError.is(error) ? String(error.details.what) : 'broken' }),
      },
    );
  });
}

/** Undici leaves the space behind a value where it is. */
const trimmed = (text: string) => text.replace(/[ \t]+$/, '');

let count = 0;

async function askBoth(method: string, bytes: Buffer): Promise<readonly [Outcome, Outcome]> {
  const path = `/${++count}`;
  answers.set(path, bytes);
  const both = await Promise.all([ask(ours, method, path), ask(theirs, method, path)]);
  answers.delete(path);
  return both;
}

function compare([our, their]: readonly [Outcome, Outcome], bytes: Buffer): void {
  if (our.kind === 'whole' && their.kind === 'whole') expect(our.answer).toEqual(their.answer);
  else if (our.kind === 'failed' && their.kind === 'whole') expect(strictnesses).toContain(our.what);
  else if (our.kind === 'whole') expect(leniencies.some((holds) => holds(bytes.toString('latin1')))).toBe(true);
}

test('of what is in order both make the same', async () => {
  await fc.assert(
    fc.asyncProperty(goodAnswer, async ({ bytes, method }) => {
      const both = await askBoth(method, bytes);
      expect(both[0].kind).toBe('whole');
      compare(both, bytes);
    }),
    { numRuns: 150 },
  );
});

test('of what is not, ours makes no more than undici does', async () => {
  await fc.assert(
    fc.asyncProperty(anyAnswer, async ({ bytes, method }) => {
      compare(await askBoth(method, bytes), bytes);
    }),
    { numRuns: 150 },
  );
});
