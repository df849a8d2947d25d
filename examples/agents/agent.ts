/**
 * An agent with a wallet: it reads an address, and pays for it where it has to and may.
 *
 *     npm run -s example -- agents/agent http://127.0.0.1:8402/words/hello
 *
 * It pays out of the sandbox of this machine, into the same journal as `farebox get`: what `farebox budget set` allows binds it, and `farebox receipts`
 * lists what it has bought.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { chatTools, runToolCall } from '../../src/adapters/openai.ts';
import { createClient } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import { createAgentTools } from '../../src/client/tools.ts';
import { createSandboxPayer } from '../../src/lightning/sandbox.ts';
import { sandboxSetting, WrongSetting } from '../program.ts';
import { type Message, openai, script } from './model.ts';

const [, , url] = process.argv;
if (url === undefined || !URL.canParse(url)) throw new WrongSetting('Which address is the agent to read? Such as http://127.0.0.1:8402/words/hello');

const payer = createSandboxPayer({ ...sandboxSetting(), node: 'wallet' });
const store = createSqliteClientStore({ path: join(process.env.FAREBOX_HOME ?? join(homedir(), '.farebox'), 'client.db') });
// What the agent may spend is said here, and nowhere where the model could say it.
const client = createClient({ payer, store, maxPerRequest: '20 sat', budgets: [{ name: 'agent', limits: [{ per: 'total', max: '100 sat' }] }] });
const tools = createAgentTools({ client, allowPrivate: [new URL(url).host] });
const model = process.env.OPENAI_API_KEY ? openai : script(url);

try {
  const messages: Message[] = [{ role: 'user', content: `What stands at ${url}? Say it in a sentence.` }];
  for (let turn = 0; turn < 10; turn++) {
    const reply = await model(messages, chatTools(tools));
    messages.push(reply);
    if (!reply.tool_calls?.length) {
      console.log(`agent: ${reply.content}`);
      break;
    }
    for (const call of reply.tool_calls) {
      const result = await runToolCall(tools, call);
      console.log(`${call.function.name} ${call.function.arguments}\n${result.content.replace(/^/gm, '  ')}`);
      messages.push(result);
    }
  }
} finally {
  await client.close();
  await store.close();
  await payer.close();
}
