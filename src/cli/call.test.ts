import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { answer, type LyingServer, startLyingServer } from '../testing/LyingServer.ts';
import { registerCall } from './call.ts';
import { exitCodeOf } from './exit.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(text = ''): Promise<{ cli: Fake; server: LyingServer; file: string }> {
  const cli = createFake(registerCall);
  const server = await startLyingServer(FixedClock.create());
  closing.push(server.close, cli.remove);
  const file = cli.path('services.yaml');
  writeFileSync(file, text || `services: { echo: { providers: [{ url: "${server.origin}/echo", price: 5 sat }] } }`);
  return { cli, server, file };
}

const failing = (run: Promise<unknown>) =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('farebox call', () => {
  it('prints the answer and nothing else, and remembers how its provider did', async () => {
    const { cli, server, file } = await setup();
    server.handle(({ body }, response) => answer(response, 200, {}, JSON.parse(Buffer.from(body).toString())));
    await cli.run('call', 'echo', 'text=a=b', '--data', '{"n":5}', '--services', file);
    expect(JSON.parse(cli.out())).toEqual({ n: 5, text: 'a=b' });
    expect(cli.notes()).toContain('free');
    expect(existsSync(join(cli.home.folder, 'services-seen.json'))).toBe(true);
    await cli.run('call', 'echo', '--services', file, '--json');
    expect(cli.json().at(-1)).toMatchObject({ answer: {}, passedOver: [] });
  });

  it('pays nothing without --max, and says what to do', async () => {
    const { cli, file } = await setup();
    const error = await failing(cli.run('call', 'echo', '--services', file));
    expect(error).toMatchObject({ code: 'PROVIDERS_EXHAUSTED', message: expect.stringContaining('--max') });
    expect([exitCodeOf(error), cli.out()]).toEqual([4, '']);
  });

  it('pays nothing without --max, not the least price there is', async () => {
    const { cli, server, file } = await setup();
    server.handle((_, response) => server.challenge(response, server.offer({ amountMsat: 1n as never })));
    const error = await failing(cli.run('call', 'echo', '--services', file));
    expect(error).toMatchObject({ code: 'PROVIDERS_EXHAUSTED', message: expect.stringMatching(/somebody has to consent.*--max/) });
  });

  it.each([
    [['call', 'echo', 'word'], 'name=value'],
    [['call', 'nothing'], 'It has echo'],
    [['call', 'echo', '--data', '[]'], 'JSON object'],
    [['call', 'echo', '--data', '@nowhere.json'], 'ENOENT'],
  ])('takes %j for a mistake of the command line', async (args, words) => {
    const { cli, file } = await setup();
    const error = await failing(cli.run(...args, '--services', file));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(words) });
    expect(exitCodeOf(error)).toBe(2);
  });

  it('says what is wrong with its file', async () => {
    for (const text of ['{', 'services: { echo: {} }', 'services: { echo: { providers: [{ url: ftp://x }] } }']) {
      const { cli, file } = await setup(text);
      await expect(cli.run('call', 'echo', '--services', file)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(file) });
    }
  });
});
