/**
 * The guide to routing, row for row: each request of its table, sent to a gateway with the configuration of its example.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import { parseConfig } from '../../src/gateway/Config.ts';
import { assemble } from '../../src/gateway/Gateway.ts';
import { createEvents } from '../../src/server/Events.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { type Closing, closeAll, letThrough, openUpstream, valuesOf } from '../gateway/harness.ts';

const root = join(import.meta.dirname, '..', '..');
const closing: Closing = [];
afterEach(() => closeAll(closing));

const rows = readFileSync(join(root, 'docs', 'guide', 'routing.md'), 'utf8').matchAll(
  /^\| `(\w+) (\S+)`(?: with `(\S+): (\S+)`)?(?: at `(\S+)`)? \| ([^|]+) \| (?:`(\S+)` )?\|$/gm,
);

test.each([...rows].map((row) => row.slice(0, 8)))('%s', async (_, method = '', path = '', name, value, host, price, seenAs) => {
  const upstream = await openUpstream(closing, (__, response) => response.writeHead(200, { server: 'api' }).end('ok'));
  const text = readFileSync(join(root, 'examples', 'routing', 'routing.yaml'), 'utf8').replaceAll('localhost:3000', `127.0.0.1:${upstream.port}`);
  const prices: string[] = [];
  const gateway = assemble({
    config: parseConfig(`listen: 127.0.0.1:0\n${text}`),
    paywall: {
      check: (view, target, offer) => {
        prices.push(Amount.format(offer.price.of(view).amountMsat));
        return letThrough(view, target, offer);
      },
      close: async () => {},
    },
    clock: FixedClock.create(),
    events: createEvents(),
    log: () => {},
  });
  closing.push(() => gateway.close());
  const { url } = await gateway.listen();
  const got = await new Promise<{ readonly status: number; readonly server: unknown }>((resolve, reject) => {
    const headers = { host: host ?? '127.0.0.1', cookie: 'a=b', ...(name !== undefined && { [name]: value }) };
    const asking = request(url + path, { method, headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, server: response.headers.server }));
    });
    asking.on('error', reject).end();
  });
  const [seen] = upstream.seen;
  if (price === 'not found') return expect([got.status, seen]).toEqual([404, undefined]);
  expect([got.status, prices.join(), seen?.url]).toEqual([200, price === 'free' ? '' : price, seenAs]);
  if (name === undefined && host === undefined)
    expect([valuesOf(seen?.lines ?? [], 'x-tenant'), valuesOf(seen?.lines ?? [], 'cookie'), got.server]).toEqual([['shop'], [], undefined]);
});

test('has rows', () => {
  expect(readFileSync(join(root, 'docs', 'guide', 'routing.md'), 'utf8').match(/^\| `(?:GET|POST) /gm)?.length).toBeGreaterThan(10);
});
