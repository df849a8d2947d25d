import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Market, openMarket } from '../../../test/cli/market.ts';
import { registerGet } from './get.ts';

let market: Market | undefined;
afterEach(async () => {
  await market?.close();
  market = undefined;
});

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const text = Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join('');

const half = text.slice(0, text.length / 2);

/** A file of two versions, the first of which breaks off at its middle when it is first fetched. */
async function open(
  options: {
    readonly head?: { readonly [name: string]: string };
    readonly isSized?: boolean;
    readonly answer?: (request: IncomingMessage, response: ServerResponse) => void;
  } = {},
) {
  const { head = { etag: '"one"' }, answer, isSized = true } = options;
  let file = '';
  const asked: { readonly range: string | undefined; readonly ifRange: string | undefined }[] = [];
  const opened = await openMarket((request, response) => {
    const { range } = request.headers;
    const ifRange = request.headers['if-range'] as string | undefined;
    asked.push({ range, ifRange });
    if (asked.length > 1 && answer) return answer(request, response);
    if (asked.length === 1) {
      response.writeHead(200, { ...(isSized && { 'content-length': text.length }), ...head });
      response.write(half);
      // Nothing is lost of what was sent: it breaks off when that has arrived.
      const breakOff = () => void (sizeOf(`${file}.part`) < half.length ? setImmediate(breakOff) : response.destroy());
      return breakOff();
    }
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? Number.NaN);
    if (Number.isNaN(from)) return void response.writeHead(200, { 'content-length': text.length, ...head }).end(text);
    response
      .writeHead(206, { 'content-length': text.length - from, 'content-range': `bytes ${from}-${text.length - 1}/${text.length}`, ...head })
      .end(text.slice(from));
  });
  market = opened;
  file = opened.path('file');
  const get = (...args: readonly string[]) => opened.run(registerGet, ['get', `${opened.url}/file`, '--max', '12 sat', '-o', file, ...args]);
  return {
    ...opened,
    asked,
    file,
    get,
    files: () =>
      readdirSync(dirname(file))
        .filter((name) => name.startsWith('file'))
        .sort(),
  };
}

test('a download that broke off is gone on with, for the payment that was made', async () => {
  const { get, asked, file, files, payments } = await open();
  const broken = await get();
  expect([broken.code, broken.error]).toEqual([
    5,
    expect.stringMatching(/^broken The answer of .* broke off\. .*file\.part has .* --continue goes on there\. Paid 10 sat and a fee of 1 sat/),
  ]);
  expect([files(), existsSync(file)]).toEqual([['file.part', 'file.part.json'], false]);
  const have = readFileSync(`${file}.part`, 'utf8');
  expect([have.length > 0, text.startsWith(have)]).toEqual([true, true]);
  const rest = await get('-c');
  expect([rest.code, rest.notes()]).toEqual([0, expect.stringContaining('nothing paid')]);
  expect([readFileSync(file, 'utf8') === text, files()]).toEqual([true, ['file']]);
  expect(asked.slice(1)).toEqual([{ range: `bytes=${have.length}-`, ifRange: '"one"' }]);
  expect(await payments()).toBe(1);
  const again = await get('-c');
  expect([again.code, again.notes(), asked.length]).toEqual([0, expect.stringContaining('is here already'), 2]);
});

test('another version begins anew, and no two are mixed', async () => {
  const other = text.toUpperCase();
  const { get, file } = await open({ answer: (_, response) => void response.writeHead(200, { etag: '"two"' }).end(other) });
  await get();
  const { code, notes } = await get('-c');
  expect([code, notes(), readFileSync(file, 'utf8') === other]).toEqual([0, expect.stringContaining('has changed since'), true]);
});

test.each<[string, { readonly [name: string]: string }]>([
  ['from another place', { 'content-range': `bytes 0-${text.length - 1}/${text.length}`, etag: '"one"' }],
  ['of another length', { 'content-range': `bytes HAVE-${text.length}/${text.length + 1}`, etag: '"one"' }],
  ['of another version', { 'content-range': `bytes HAVE-${text.length - 1}/${text.length}`, etag: '"two"' }],
  ['that does not say from where', {}],
])('a part %s is refused, and nothing is written', async (_, head) => {
  const { get, file } = await open({
    answer: ({ headers }, response) => {
      const have = /\d+/.exec(headers.range ?? '')?.[0] ?? '';
      response.writeHead(206, Object.fromEntries(Object.entries(head).map(([name, value]) => [name, value.replace('HAVE', have)]))).end('something else');
    },
  });
  await get();
  const before = readFileSync(`${file}.part`, 'utf8');
  const { code, error } = await get('-c');
  expect([code, error]).toEqual([1, expect.stringContaining('not the rest of')]);
  expect([readFileSync(`${file}.part`, 'utf8') === before, existsSync(file)]).toEqual([true, false]);
});

test('a part of another date is refused, also from a server that does not heed If-Range', async () => {
  const [date, later] = [1_700_000_000_000, 1_700_000_060_000].map((ms) => new Date(ms).toUTCString());
  const { get, file } = await open({
    head: { 'last-modified': date as string },
    answer: ({ headers }, response) => {
      const have = /\d+/.exec(headers.range ?? '')?.[0] ?? '';
      response.writeHead(206, { 'content-range': `bytes ${have}-${text.length - 1}/${text.length}`, 'last-modified': later as string }).end('something else');
    },
  });
  await get();
  const { code, error } = await get('-c');
  expect([code, error, existsSync(file)]).toEqual([1, expect.stringContaining('not the rest of'), false]);
});

test('a part is not taken for the whole of another version that is as long as the part', async () => {
  const { get, file } = await open({
    answer: ({ headers }, response) => {
      const have = /\d+/.exec(headers.range ?? '')?.[0] ?? '';
      response.writeHead(416, { 'content-range': `bytes */${have}` }).end();
    },
  });
  await get();
  const { code, error } = await get('-c');
  expect([code, error, existsSync(file)]).toEqual([1, expect.stringContaining('is not what'), false]);
});

test.each<[string, { readonly [name: string]: string }]>([
  ['nothing that says which version it is', {}],
  ['a weak entity tag', { etag: 'W/"one"' }],
  ['a date that is too fresh to tell versions apart', { 'last-modified': new Date().toUTCString() }],
])('with %s, it begins anew', async (_, head) => {
  const { get, asked, file } = await open({ head });
  const broken = await get();
  expect(broken.error).toContain('offers no way to go on there');
  expect([(await get('-c')).code, readFileSync(file, 'utf8') === text]).toEqual([0, true]);
  expect(asked.at(-1)).toEqual({ range: undefined, ifRange: undefined });
});

test('an old date tells versions apart as well; the part of another request is not gone on with', async () => {
  const date = new Date(1_700_000_000_000).toUTCString();
  const { get, asked, file, run, url } = await open({ head: { 'last-modified': date } });
  await get();
  await run(registerGet, ['get', `${url}/file?other`, '--max', '12 sat', '-o', file, '-c']);
  expect(asked.at(-1)).toEqual({ range: undefined, ifRange: undefined });
});

test('a part that is the whole gets its name: nothing is asked where its length is known, or the server says that there is no rest', async () => {
  const sized = await open();
  await sized.get();
  writeFileSync(`${sized.file}.part`, text);
  expect([(await sized.get('-c')).code, readFileSync(sized.file, 'utf8') === text, sized.asked.length]).toEqual([0, true, 1]);
  await sized.close();
  const unsized = await open({ isSized: false, answer: (_, response) => void response.writeHead(416, { 'content-range': `bytes */${text.length}` }).end() });
  await unsized.get();
  const changed = await unsized.get('-c');
  expect([changed.code, changed.error, existsSync(unsized.file)]).toEqual([1, expect.stringContaining('is not what'), false]);
  writeFileSync(`${unsized.file}.part`, text);
  expect([(await unsized.get('-c')).code, readFileSync(unsized.file, 'utf8') === text]).toEqual([0, true]);
});
