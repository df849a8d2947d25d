import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RequestBody } from './RequestBody.ts';

/** A request whose body is this, all of it there before anybody reads. */
function arrived(...chunks: readonly string[]): PassThrough {
  const source = new PassThrough();
  for (const chunk of chunks) source.write(chunk);
  source.end();
  return source;
}

async function textOf(body: RequestBody): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe('a body that was looked into', () => {
  for (const chunks of [['all at once'], ['in ', 'two'], ['']]) {
    it(`can be forwarded: ${JSON.stringify(chunks)}`, async () => {
      const body = new RequestBody(arrived(...chunks), 1000, undefined);
      await new Promise((resolve) => setImmediate(resolve));
      expect(String(Buffer.from((await body.collect(100)) ?? []))).toBe(chunks.join(''));
      // The end of the request may come before whoever looked into it goes on.
      await new Promise((resolve) => setImmediate(resolve));
      expect(await textOf(body)).toBe(chunks.join(''));
    });
  }

  it('can be forwarded where it was longer than the look', async () => {
    const body = new RequestBody(arrived('longer ', 'than that'), 1000, undefined);
    expect(await body.collect(3)).toBeUndefined();
    expect(await textOf(body)).toBe('longer than that');
  });
});
