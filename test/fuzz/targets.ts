/** Everything that reads bytes or text from outside. */
import type { Target } from './Target.ts';
import { targets as bolt11 } from './targets/bolt11.ts';
import { targets as cli } from './targets/cli.ts';
import { targets as client } from './targets/client.ts';
import { targets as core } from './targets/core.ts';
import { targets as gateway } from './targets/gateway.ts';
import { targets as http } from './targets/http.ts';
import { targets as server } from './targets/server.ts';
import { targets as tokens } from './targets/tokens.ts';
import { targets as upstream } from './targets/upstream.ts';

export const targets: readonly Target[] = [...core, ...tokens, ...bolt11, ...http, ...gateway, ...upstream, ...server, ...client, ...cli];
