/**
 * A helper in a process of its own that tries to buy under its branch, once at its start and once for each message, and says how that ended.
 *
 *     node test/kits/buyUnderBranch.ts <store> <url>
 */
import { openBranch } from '../../src/client/branches.ts';
import { createClient } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { createScriptedPayer } from '../../src/testing/ScriptedPayer.ts';

const [, , path = '', url = ''] = process.argv;
const store = createSqliteClientStore({ path });
const payer = createScriptedPayer({ preimageOf: () => undefined });
payer.script({ kind: 'fail', reason: 'no-route' });
const client = createClient({ payer, store, clock: FixedClock.create(), maxPerRequest: '60 sat' });
const helper = await openBranch(client, 'reader');

async function tryOnce(): Promise<void> {
  const outcome = await helper
    .fetch(url)
    .then(({ status }) => status)
    .catch((error: { code?: string; message: string }) => error.code ?? error.message);
  process.send?.(outcome);
}

process.on('message', () => void tryOnce());
process.on('disconnect', () => process.exit());
await tryOnce();
