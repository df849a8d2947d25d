/**
 * What a caller is told when a budget says no: which budget and which limit, what is spent and held, until when, and what to do.
 */
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import { formatAt } from '../../core/Time.ts';
import type { Stopped } from '../ClientStore.ts';
import type { Payment } from '../Journal.ts';
import type { Limit } from './Limit.ts';
import { type LimitState, leftMsatOf } from './LimitState.ts';
import { sayPeriod } from './windows.ts';

/** What is to be paid, as far as a refusal names it. */
export type Asked = { readonly amountMsat: Msat; readonly minFeeMsat: Msat; readonly host: string };

/** What left less for the fee than the limits for one request do. */
export type Bound = { readonly kind: 'limit'; readonly state: LimitState } | { readonly kind: 'consent'; readonly budget: string; readonly aboveMsat: Msat };

/** A limit does not cover the price, or the price and the fee that has to be reckoned with. */
export function exceeded(state: LimitState, asked: Asked): FareboxError {
  const { limit } = state;
  const price = Amount.format(asked.amountMsat);
  const max = Amount.format(limit.maxMsat);
  const details = { ...detailsOf(state), price, host: asked.host, ...(asked.minFeeMsat > 0n && { fee: Amount.format(asked.minFeeMsat) }) };
  const isFee = asked.amountMsat <= leftMsatOf(state);
  const asks = `The invoice asks ${price}${isFee ? ` and the wallet may charge a fee of ${Amount.format(asked.minFeeMsat)}` : ''}`;
  if (limit.per === 'request') {
    const least = isFee ? `to at least ${Amount.format((asked.amountMsat + asked.minFeeMsat) as Msat)}` : 'to buy it';
    const whose = limit.option ? '' : ` of ${nameOf(state)}`;
    const message = `${asks}; the limit${whose} for one request to ${asked.host} is ${max}, fee included. Raise ${limit.option ?? 'that limit'} ${least}.`;
    return new FareboxError('BUDGET_EXCEEDED', message, { details });
  }
  const [spent, held] = [Amount.format(state.spentMsat), Amount.format(state.heldMsat)];
  const counted = `${spent} are spent and ${held} are held for payments whose end is not known yet`;
  if (limit.option === 'maxTotal') {
    const message = `${asks}; of the ${max} that may be spent altogether, fees included, ${counted}. Raise maxTotal, or wait for those payments to end.`;
    return new FareboxError('BUDGET_EXCEEDED', message, { details });
  }
  const message = `${asks}; ${nameOf(state)} allows ${max} ${sayPeriod(limit.per)}${sayScope(limit)}, fees included: ${counted}. ${remedyOf(state)}`;
  return new FareboxError('BUDGET_EXCEEDED', message, { details });
}

/** The wallet could not pay within what was set aside: the price fits, the fee does not. */
export function feeExceeded(payment: Payment, by: Bound, host: string): FareboxError {
  const feeRoom = Amount.format((payment.reservedMsat - payment.amountMsat) as Msat);
  const price = Amount.format(payment.amountMsat);
  const common = { price, feeRoom, host, paymentHash: payment.paymentHash };
  const begins = `The price is ${price} and the fee would be more than the ${feeRoom} that`;
  if (by.kind === 'consent') {
    const above = Amount.format(by.aboveMsat);
    const message = `${begins} may be paid without consent, which is asked for above ${above}, leaves for it. Nothing was paid. Ask for consent above less, so that it is asked for this price.`;
    return new FareboxError('BUDGET_EXCEEDED', message, { details: { budget: by.budget, limit: 'consent', max: above, ...common } });
  }
  const { limit } = by.state;
  const max = Amount.format(limit.maxMsat);
  const name = limit.option ?? nameOf(by.state);
  const size = limit.option ? `${max}, fees included` : `${max} ${sayPeriod(limit.per)}${sayScope(limit)}, fees included`;
  const message = `${begins} ${name} (${size}) leaves for it. Nothing was paid. ${limit.option ? `Raise ${limit.option} to make room for the fee.` : remedyOf(by.state)}`;
  return new FareboxError('BUDGET_EXCEEDED', message, { details: { ...detailsOf(by.state), ...common } });
}

/** A budget does not pay this host. */
export function hostDenied(budget: string, host: string): FareboxError {
  const whose = budget === '' ? 'What this client may spend is not for' : `The budget "${budget}" does not pay`;
  const message = `${whose} ${host}. Nothing was paid. Where it should be, add it to the hosts that are allowed, or take it out of those that are denied.`;
  return new FareboxError('BUDGET_HOST_DENIED', message, { details: { budget, host } });
}

/** Somebody was asked and did not say yes, or nobody could be asked. */
export function consentRefused(budget: string, aboveMsat: Msat, asked: Asked, why: 'no' | 'nobody' | 'failed'): FareboxError {
  const price = Amount.format(asked.amountMsat);
  const above = Amount.format(aboveMsat);
  const what = { no: 'it was refused', nobody: 'there is nobody to ask', failed: 'asking for it failed' }[why];
  const message = `${asked.host} asks ${price}. Above ${above}, fee included, somebody has to consent, and ${what}. Nothing was paid.${
    why === 'no' ? '' : ' Hand the client somebody to ask (consent.ask), or ask for consent above more.'
  }`;
  return new FareboxError('CONSENT_REFUSED', message, { details: { budget, above, price, host: asked.host, why } });
}

/** Nothing is paid, because a person said so, or a payment cost more than was set aside for it and nobody has looked yet. */
export function stopped({ by, note, budget }: Stopped): FareboxError {
  if (budget !== undefined) {
    const message = `The budget "${budget}" has ended: ${note ?? 'its time is over'}. Nothing was paid.`;
    return new FareboxError('BUDGET_EXCEEDED', message, { details: { limit: 'ended', budget } });
  }
  const undo = 'then allow spending again (allowSpending of the client store)';
  if (by === undefined) {
    const message = `Spending has been stopped: ${note ?? ''} Nothing was paid. Where that is over, ${undo}.`;
    return new FareboxError('BUDGET_EXCEEDED', message, { details: { limit: 'stopped', note: note ?? '' } });
  }
  const message = `Spending has stopped: payment ${by} cost more than the limit that the wallet was given. Nothing was paid now. Look at the wallet, ${undo}.`;
  return new FareboxError('BUDGET_EXCEEDED', message, { details: { limit: 'overshoot', paymentHash: by } });
}

function detailsOf(state: LimitState) {
  const { limit, endAt } = state;
  return {
    limit: limit.option ?? limit.per,
    max: Amount.format(limit.maxMsat),
    ...(limit.per !== 'request' && { spent: Amount.format(state.spentMsat), held: Amount.format(state.heldMsat) }),
    ...(limit.option === undefined && { budget: state.budget, standing: state.isStanding }),
    ...(limit.host !== undefined && { only: limit.host }),
    ...(limit.tag !== undefined && { tag: limit.tag }),
    ...(endAt !== undefined && { until: formatAt(endAt) }),
  };
}

function nameOf({ budget, isStanding }: LimitState): string {
  if (budget === '') return isStanding ? 'the standing budget for everything' : 'the budget';
  return `the ${isStanding ? 'standing ' : ''}budget "${budget}"`;
}

function sayScope({ host, tag }: Limit): string {
  return `${host === undefined ? '' : ` to ${host}`}${tag === undefined ? '' : ` tagged ${tag}`}`;
}

function remedyOf(state: LimitState): string {
  const { endAt } = state;
  const raise = state.isStanding ? 'raise that limit in the client store' : 'raise that limit';
  if (endAt === undefined) return `Wait for those payments to end, or ${raise}.`;
  return `${Amount.format(leftMsatOf(state))} are left until ${formatAt(endAt)}: wait until then, or ${raise}.`;
}
