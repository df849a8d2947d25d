/**
 * Calls that are counted ahead, where their route allows it: as in `Counted.ts`, but on units that this process holds already. Only what the token
 * itself bought is; where a holder has set limits, or the client names its request, every call is counted in the store.
 *
 * @see docs/decisions/0027-counting-ahead.md
 */
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { RequestView } from '../../http/RequestView.ts';
import { entryOf } from '../Ledger.ts';
import type { Principal } from '../Offer.ts';
import type { Use } from './ClaimedSale.ts';
import { type Call, type Counted, type CountedContext, setAside, used, worthOf } from './Counted.ts';
import type { LeasedUnits, LeaseOutcome } from './LeaseBlock.ts';
import type { Leases } from './Leases.ts';
import { lowAccount } from './lowAccount.ts';
import { beginSale } from './SpentSale.ts';
import type { Sale } from './Terms.ts';

/** What counting ahead needs of the paywall. */
export type AheadContext = CountedContext & { readonly leases: Leases };

/** Whether a call with this credential can be counted ahead. */
export function canCountAhead({ useKey, units, parts, carved }: Principal, request: RequestView): boolean {
  return useKey !== undefined && units !== undefined && parts.length === 0 && carved === undefined && request.header('idempotency-key') === undefined;
}

/**
 * Takes a call's units off a block of its account, opening one where there is none. Where there is one nothing is waited for.
 * @param calls - for how many calls a block is reserved
 * @throws STORE_UNAVAILABLE – not known whether there are so many: nothing may be forwarded
 */
export function countAhead(context: AheadContext, principal: Principal, call: Call, calls: number): Counted | Promise<Counted> {
  const { useKey: account, units, mintedUntil: expiresAt, terms, service } = principal;
  if (account === undefined || units === undefined) throw new TypeError(`what was sold as "${terms}" is not counted`);
  const { route, takes } = call;
  const opens = () => ({ source: account, units, expiresAt, entry: entryOf('received', principal, route, context.clock, '', terms) });
  const outcome = context.leases.take({ account, opens, takes, calls, service, route });
  return outcome instanceof Promise ? outcome.then((taken) => begin(context, principal, call, taken)) : begin(context, principal, call, outcome);
}

function begin(context: AheadContext, principal: Principal, call: Call, outcome: LeaseOutcome): Counted | Promise<Counted> {
  if (outcome.kind === 'insufficient') return { kind: 'refused', error: outcome.isUnderWay ? setAside() : used() };
  const low = lowAccount(principal, call.takes, outcome.left);
  if (low) context.onNews(low);
  const sale = beginSale(context, leasedUse(principal, call, outcome.units, outcome.left), call.consume);
  return sale instanceof Promise ? sale.then(counted) : counted(sale);
}

function counted(sale: Sale | FareboxError): Counted {
  return sale instanceof FareboxError ? { kind: 'refused', error: sale } : { kind: 'counted', sale, isRepeat: false, kept: undefined };
}

function leasedUse(principal: Principal, call: Call, units: LeasedUnits, left: bigint): Use {
  const { paymentHash, service } = principal;
  return {
    idempotencyKey: units.name,
    principal,
    facts: { paymentHash, service, route: call.route, amountMsat: worthOf(principal, call.takes) },
    isRepeat: false,
    headers: [['L402-Remaining', principal.terms === 'credit' ? Amount.format(Amount.fromMsat(left)) : `${left}`]],
    // The block is held, for all of its calls.
    hold: undefined,
    atOnce: units,
    commit: async () => units.commit(),
    release: ({ note, limit }) => units.giveBack(note, limit),
    deliver: async () => units.end(),
    leave: async () => units.end(),
  };
}
