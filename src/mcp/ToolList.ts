/**
 * Which tools a server has, as it lists them itself: what a pattern names is sold only where it is there, so that nobody is asked to pay for a tool that is
 * not, and no made-up name fills a table.
 */

import { type Clock, within } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Response } from './Messages.ts';
import type { JsonObject } from './ToolPayment.ts';

/** See the head of this file. */
export type ToolList = {
  /**
   * A tool as it is listed; undefined: there is none of that name. Where the list is known, the answer is there at once.
   * @throws UPSTREAM_TIMEOUT, UPSTREAM_MALFORMED – the server did not say
   */
  readonly find: (name: string) => JsonObject | undefined | Promise<JsonObject | undefined>;
  /** The server said that its tools have changed. */
  readonly forget: () => void;
};

/** More tools than any server lists. */
const maxTools = 10_000;

/** For a server to list its tools. */
const listMs = 30_000;

/** A list that asks the server when it is needed, once for all. */
export function createToolList(ask: (params: JsonObject) => Promise<Response>, clock: Clock): ToolList {
  let listed: Promise<ReadonlyMap<string, JsonObject>> | undefined;
  let known: ReadonlyMap<string, JsonObject> | undefined;
  const read = async (): Promise<ReadonlyMap<string, JsonObject>> => {
    const tools = new Map<string, JsonObject>();
    let cursor: unknown;
    do {
      const { result } = await ask(cursor === undefined ? {} : { cursor });
      const page = result?.tools;
      if (!Array.isArray(page)) throw new FareboxError('UPSTREAM_MALFORMED', 'The server did not list its tools. Nothing was charged.');
      for (const tool of page as readonly JsonObject[]) tools.set(String(tool.name), tool);
      cursor = result?.nextCursor;
    } while (cursor !== undefined && tools.size < maxTools);
    return tools;
  };
  const late = () => new FareboxError('UPSTREAM_TIMEOUT', 'The server did not list its tools in time. Nothing was charged.');
  return {
    find: (name) => {
      if (known !== undefined) return known.get(name);
      if (listed === undefined) {
        const reading = within({ clock, ms: listMs, late }, read);
        listed = reading;
        reading.then(
          (tools) => {
            if (listed === reading) known = tools;
          },
          // What could not be found out is asked again.
          () => {
            if (listed === reading) listed = undefined;
          },
        );
      }
      return listed.then((tools) => tools.get(name));
    },
    forget: () => {
      listed = undefined;
      known = undefined;
    },
  };
}
