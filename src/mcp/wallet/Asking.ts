/**
 * Asks whoever sits in front of the agent whether something may be paid: through the host that made the call, where it can put a question to its user
 * (elicitation), or else at a terminal, or else nobody, and then it is not paid.
 *
 * What is asked is put together here; what a seller wrote is quoted in it, and nothing else of it.
 *
 * @see Model Context Protocol, Elicitation
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { AskConsent, ConsentQuestion } from '../../client/Budget.ts';
import { plain } from '../../client/tools/outside.ts';
import * as Amount from '../../core/Amount.ts';
import { type Clock, nowAt } from '../../core/Clock.ts';

/** Puts a question to somebody; undefined where nobody is there. */
export type AskSomebody = (words: string, signal: AbortSignal) => Promise<boolean | undefined>;

/** The call of a host in which something is about to be paid. */
type Asker = { readonly server: Server; readonly requestId: RequestId };

/** See the head of this file. */
export type Asking = {
  /** For the client that pays. */
  readonly ask: AskConsent;
  /** Does some work for a call of a host: what is to be asked in it is asked there. */
  readonly inCallOf: <T>(asker: Asker, work: () => Promise<T>) => Promise<T>;
};

/** @param atTerminal - asks a person at a terminal, who is not the one that the agent talks through */
export function createAsking(clock: Clock, atTerminal?: AskSomebody): Asking {
  const askers = new AsyncLocalStorage<Asker>();
  return {
    inCallOf: (asker, work) => askers.run(asker, work),
    ask: async (question, signal) => {
      const asker = askers.getStore();
      const words = wordsOf(question);
      const leftMs = (question.expiresAt - nowAt(clock)) * 1000;
      const answer = (asker && (await askHost(asker, words, leftMs, signal))) ?? (await atTerminal?.(words, signal));
      // No answer is not a no: whoever reads of it is to know that nobody was there.
      if (answer === undefined) throw new Error('there is nobody to ask');
      return answer;
    },
  };
}

/** What is asked. */
export function wordsOf({ origin, path, amountMsat, maxFeeMsat, description, aboveMsat }: ConsentQuestion): string {
  const what = description === undefined ? '' : ` The seller calls it "${plain(description, 100)}".`;
  const price = `${Amount.format(amountMsat)}, and up to ${Amount.format(maxFeeMsat)} for the fee`;
  return `Pay ${price}, to ${plain(`${origin}${path}`)}?${what} More than ${Amount.format(aboveMsat)} is asked about.`;
}

/** The form has one field, so that an answer without it, or a form that was sent off empty, is no yes. */
const form = {
  type: 'object' as const,
  properties: { pay: { type: 'boolean' as const, title: 'Pay', description: 'Yes: it is paid. Anything else: it is not.', default: false } },
  required: ['pay'],
};

async function askHost({ server, requestId }: Asker, message: string, leftMs: number, signal: AbortSignal): Promise<boolean | undefined> {
  if (server.getClientCapabilities()?.elicitation?.form === undefined) return undefined;
  const timeout = Math.min(Math.max(leftMs, 1000), maxAskMs);
  const answer = await server.elicitInput({ mode: 'form', message, requestedSchema: form }, { relatedRequestId: requestId, signal, timeout });
  return answer.action === 'accept' && answer.content?.pay === true;
}

const maxAskMs = 600_000;
