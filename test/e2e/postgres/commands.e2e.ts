/**
 * A gateway that keeps its books in a real PostgreSQL, and the commands.
 */
import { testCommands } from '../stores/commands.ts';
import { password, startServer, whyNot } from './Server.ts';

testCommands({
  start: startServer,
  whyNot,
  password,
  storeOf: (name) => `{ postgres: { url: file:store.address, schema: ${name} } }`,
  called: /schema shop$/,
  isThere: async (server, name) => (await server.ask(`SELECT to_regnamespace('${name}') AS there`))[0]?.there !== null,
  tamper: (server, name) => server.ask(`UPDATE ${name}.claims SET state = 'open', committed_at = 0, lease_ends_at = NULL`),
});
