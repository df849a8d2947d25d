/**
 * A process that tells a webhook what a store's ledger says, until it is killed: its clock is the machine's, so many milliseconds ahead.
 *
 *     node teller.ts <store> <url> <milliseconds ahead>
 */
import { type Clock, systemClock, systemRandom } from '../../../src/core/Clock.ts';
import { createSend } from '../../../src/gateway/webhooks/createSend.ts';
import { parseSecrets } from '../../../src/server/webhooks/Message.ts';
import { followWebhooks } from '../../../src/server/webhooks/Webhooks.ts';
import { createSqliteStore } from '../../../src/store/sqlite.ts';

const [path = '', url = '', ahead = '0'] = process.argv.slice(2);
const clock: Clock = { nowMs: () => systemClock.nowMs() + Number(ahead), after: (ms, then) => systemClock.after(ms, then, true) };
const name = 'books';
const { send } = createSend({ name, url, allowPrivate: true, secret: { kind: 'text', text: '' }, events: [], giveUpAfterSeconds: 0 });
const store = await createSqliteStore({ path, clock });
const secrets = parseSecrets('0123456789abcdef0123456789abcdef', name);
followWebhooks({ hooks: [{ name, secrets, wants: () => true, giveUpAfterSeconds: 259_200, send }], store, clock, random: systemRandom, onTrouble: () => {} });
