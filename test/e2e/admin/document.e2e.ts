/**
 * The document that admin serves of itself, in the hands of programs that are not ours: one that says whether it is OpenAPI, and one that makes calls of it
 * and looks for faults, statuses, types and forms that it does not name.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { closeAll, type House, openHouse } from '../../admin/harness.ts';
import { install } from '../Python.ts';

const closing: (() => unknown)[] = [];
let environment: string;
let house: House;
let url: string;
beforeAll(async () => {
  const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url));
  environment = install({ title: 'testers of OpenAPI', name: 'openapi', requirements }, (line) => void process.stderr.write(`${line}\n`));
  house = await openHouse(closing);
  const { listener } = house.admin;
  const { port } = await listener.listen('127.0.0.1', 0);
  closing.push(() => listener.close(0));
  url = `http://127.0.0.1:${port}/openapi.json`;
});
afterAll(() => closeAll(closing));

function run(program: string, ...words: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(join(environment, 'bin', program), words, { cwd: house.folder, timeout: 200_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
    );
  });
}

test('it is OpenAPI 3.1', async () => {
  house.write('openapi.json', await (await fetch(url)).text());
  const { code, output } = await run('openapi-spec-validator', 'openapi.json');
  expect([code, output.trim()]).toEqual([0, 'openapi.json: OK']);
});

test('whatever is made of it finds no fault, and no answer of a form that it does not name', async () => {
  const token = house.token({ expiresAt: 1_900_000_000 });
  const checks = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
  // Streams go on for as long as somebody listens; ending a token may end the one that asks.
  const without = ['/v1/events/follow', '/v1/tries/buy', '/v1/access/revoke'].flatMap((path) => ['--exclude-path', path]);
  const words = ['run', url, '--header', `Authorization: Bearer ${token}`, '--max-examples', '25', '--seed', '1', '--checks', checks, ...without];
  const { code, output } = await run('schemathesis', ...words);
  expect([code, output]).toEqual([0, expect.stringMatching(/[1-9]\d* generated, [1-9]\d* passed/)]);
  const faults = house.events.flatMap((event) => (event.kind === 'trouble' && event.what === 'admin' ? [event.error] : []));
  expect(faults).toEqual([]);
});
