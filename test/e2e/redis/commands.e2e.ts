/**
 * A gateway that keeps its books in a real Redis, and the commands.
 */
import { testCommands } from '../stores/commands.ts';
import { password, startServer, whyNot } from './Server.ts';

testCommands({
  start: startServer,
  whyNot,
  password,
  storeOf: (name) => `{ redis: { url: file:store.address, prefix: "${name}:" } }`,
  called: /^Redis at 127\.0\.0\.1:\d+\/0, keys shop:\*$/,
  isThere: async (server, name) => ((await server.ask('keys', `${name}:*`)) as string[]).length > 0,
  tamper: async (server, name) => {
    const [claim = ''] = (await server.ask('keys', `${name}:claim:*`)) as string[];
    const { leaseEndsAt: _, ...life } = JSON.parse(String(await server.ask('get', claim)));
    await server.ask('set', claim, JSON.stringify({ ...life, state: 'open', committedAt: 0 }));
  },
});
