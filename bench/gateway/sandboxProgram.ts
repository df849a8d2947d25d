/**
 * The sandbox of the measured gateway, in a process of its own, its books in a file as `farebox serve` keeps them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SandboxAddress, startSandbox } from '../../src/lightning/sandbox.ts';
import { serve } from '../harness/Program.ts';

serve(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-bench-'));
  const sandbox = await startSandbox({ path: join(folder, 'sandbox.db') });
  const { url, token } = sandbox;
  return {
    ready: { url, token } satisfies SandboxAddress,
    close: async () => {
      await sandbox.close();
      rmSync(folder, { recursive: true });
    },
  };
});
