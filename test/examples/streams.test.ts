/**
 * `examples/streams`, as a process of its own, the way its README starts it; and what that and the guide print of configuration.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/gateway/index.ts';
import { openDesk } from '../e2e/processes.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'examples', 'streams');

test('prints what its README says', async () => {
  const desk = openDesk({ program: join(root, 'examples', 'run.ts') });
  try {
    const { code, stdout, stderr } = await desk.run('streams/client');
    expect([code, stderr]).toEqual([0, '']);
    const said = readFileSync(join(folder, 'README.md'), 'utf8').match(/(?<=prints\n\n)(?: {4}.*\n)+/)?.[0];
    expect(stdout).toBe(said?.replaceAll(/^ {4}/gm, ''));
  } finally {
    await desk.close();
  }
});

test('what the guide prints of farebox.yaml is read', () => {
  const piece = /^```yaml\n(.*?)^```$/ms.exec(readFileSync(join(root, 'docs', 'guide', 'streams.md'), 'utf8'))?.[1] ?? '';
  const config = parseConfig(piece + readFileSync(join(folder, 'farebox.yaml'), 'utf8'), { file: 'farebox.yaml', folder, environment: {} });
  expect([config.timeouts.idleMs, config.timeouts.webSocketMs, config.limits.webSockets]).toEqual([300_000, 86_400_000, 5000]);
});
