/**
 * `narrow_credential`: a copy of a kept credential that is good for less, for a helper of the agent's. It is there where the operator has said where
 * such copies go, and there alone it goes: the model is told what the place is called, and never the credential.
 */
import { nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import { attenuate, type Narrowing } from '../attenuate.ts';
import { clientOf } from '../createClient.ts';
import type { AgentTool } from './AgentTool.ts';
import { amountSchema } from './fetch.ts';
import { malformed, objectOf } from './input.ts';
import { plain } from './outside.ts';
import { toolOf } from './toolOf.ts';
import type { Workshop } from './Workshop.ts';

/** A narrowed credential on its way. */
export type HandedOn = {
  /** The value of `Authorization`. A secret. */
  readonly authorization: string;
  /** The only place where it is good. */
  readonly origin: string;
  readonly paymentHash: PaymentHash;
  readonly narrowing: Narrowing;
  /** What the model calls the helper: 1 to 40 letters, digits and `-`. */
  readonly label: string;
};

/** Puts it where the helper finds it. @returns what that place is called, such as the name of a file: the model reads it */
export type HandOn = (handed: HandedOn) => Promise<string> | string;

type NarrowInput = {
  readonly paymentHash: string;
  readonly helper: string;
  readonly path?: string;
  readonly methods?: readonly string[];
  readonly expiresInSeconds?: number;
  readonly uses?: number;
  readonly maxSpend?: string;
};

/** Makes the tool. */
export function narrowTool(shop: Workshop, handOn: HandOn): AgentTool {
  return toolOf<NarrowInput>(shop, {
    name: 'narrow_credential',
    title: 'Hand a narrowed credential to a helper',
    description:
      'Make a copy of a kept credential that is good for less, and put it where a helper finds it. At least one of path, methods, expiresInSeconds, uses ' +
      'and maxSpend is given; none can widen it. The copy is not shown: the result names where it is.',
    inputSchema: objectOf(
      {
        paymentHash: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'Which credential, as list_credentials names it.' },
        helper: { type: 'string', pattern: '^[A-Za-z0-9-]{1,40}$', description: 'What to call the helper.' },
        path: { type: 'string', maxLength: 1024, description: 'Good for this path and what is below it.' },
        methods: { type: 'array', maxItems: 8, items: { type: 'string', pattern: '^[A-Z]{1,16}$' }, description: 'Good for these methods, such as GET.' },
        expiresInSeconds: { type: 'integer', minimum: 1, maximum: 31_536_000, description: 'Good for so long.' },
        uses: { type: 'integer', minimum: 1, maximum: 1_000_000_000, description: 'Good for so many calls.' },
        maxSpend: { ...amountSchema, description: 'Good for so much of what calls cost, such as "200 sat".' },
      },
      ['paymentHash', 'helper'],
    ),
    readOnly: false,
    run: async (input) => {
      const { store } = clientOf(shop.client);
      const paymentHash = input.paymentHash as PaymentHash;
      const payment = await store.get(paymentHash);
      if (!payment) throw new FareboxError('JOURNAL_CONFLICT', `Payment ${paymentHash} is not known here.`, { details: { paymentHash } });
      const narrowing = narrowingOf(input, nowAt(shop.clock));
      const authorization = asAsked(() => attenuate(payment, narrowing, { clock: shop.clock, random: shop.random }));
      const { origin } = payment;
      const place = plain(await handOn({ authorization, origin, paymentHash, narrowing, label: input.helper }));
      const text = `A narrowed copy of the credential of payment ${paymentHash} is at ${place}. It is good at ${plain(origin)} alone, as the value of Authorization.`;
      return { text, structured: { place, origin, paymentHash }, isError: false };
    },
  });
}

function narrowingOf({ path, methods, expiresInSeconds, uses, maxSpend }: NarrowInput, at: number): Narrowing {
  return {
    ...(path !== undefined && { path }),
    ...(methods !== undefined && { methods }),
    ...(expiresInSeconds !== undefined && { expiresAt: at + expiresInSeconds }),
    ...(uses !== undefined && { uses }),
    ...(maxSpend !== undefined && { maxSpend }),
  };
}

/** What cannot be narrowed so was asked for by the model. */
function asAsked<T>(narrow: () => T): T {
  try {
    return narrow();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw malformed(error.message);
    throw error;
  }
}
