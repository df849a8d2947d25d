/**
 * The paywall: decides what becomes of a request, as a value. Adapters and the gateway carry the decision out and decide nothing, so
 * that a fix lands once.
 *
 *     request → credential? → Verifier → denied? → terms.claim → pass
 *                    └ none → limits → Mint → challenge
 *
 * @see docs/wire.md, sections 1, 2 and 4
 */
import type { Msat } from '../core/Amount.ts';
import { type Clock, nowAt, seldom, systemClock, systemRandom } from '../core/Clock.ts';
import { unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import type * as Path from '../http/Path.ts';
import type { Answer, RequestView } from '../http/RequestView.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import type { StoredAnswer } from '../store/Store.ts';
import * as Answers from './Answers.ts';
import type { Asked } from './Asked.ts';
import * as Carvings from './Carvings.ts';
import type { Decision } from './Decision.ts';
import { type Denials, followDenials, noDenials, type Outage } from './Denials.ts';
import { createEvents, type Events, type PaywallNews } from './Events.ts';
import type { FreeQuotaOptions } from './FreeQuota.ts';
import { createIntrospect, type Introspect } from './Introspection.ts';
import { createLedger, type Ledger, noLedger } from './Ledger.ts';
import { createMint, type Mint } from './Mint.ts';
import type { Offer, Principal } from './Offer.ts';
import type { PaywallOptions } from './PaywallOptions.ts';
import { byTicket, type TicketWays } from './page/byTicket.ts';
import { createPageDesk, type Held, type PageDesk } from './page/Page.ts';
import * as method from './policies/method.ts';
import * as priced from './policies/priced.ts';
import { createRates, type Rates } from './Rates.ts';
import * as Refusals from './Refusals.ts';
import type { RootKeys } from './RootKeys.ts';
import { receiptEnd, receiptHeader } from './receipt.ts';
import { createSettledCheck, type SettledCheck } from './Settled.ts';
import { withReceipts } from './SignedReceipts.ts';
import * as TopUps from './TopUps.ts';
import * as Trials from './Trials.ts';
import { type Counted, count, isCounted, refusedByParts } from './terms/Counted.ts';
import { type AheadContext, canCountAhead, countAhead } from './terms/CountedAhead.ts';
import { createLeases } from './terms/Leases.ts';
import { createOwed } from './terms/Owed.ts';
import { type ClaimContext, claim } from './terms/PerRequest.ts';
import type { Sale } from './terms/Terms.ts';
import type { Demand, VerifiedPrincipal } from './VerifiedTokens.ts';
import { createVerifier, type Verifier } from './Verifier.ts';

/** See the head of this file. */
export type Paywall = {
  /** Decides. Never throws for what a request contains or for what the store or the node do. */
  readonly check: (request: RequestView, target: Path.Target, offer: Offer) => Decision | Promise<Decision>;
  /** What can be said of a credential without using it. @throws STORE_UNAVAILABLE – what was revoked or used could not be found out */
  readonly introspect: Introspect;
  /** Whether somebody who was let through has been revoked since. `unknown`: for longer than the last list is good, it could not be found out. */
  readonly standing: (principal: Principal, branches: readonly string[]) => 'good' | 'denied' | 'unknown';
  /** Whether what is sold can be served as far as the store is concerned: not where it is away, or has not answered for longer than an outage is borne. */
  readonly serves: (outage: Outage) => boolean;
  readonly events: Events;
  /** Writes what is still to be written and stops following the store. Store and receiver stay open: they belong to whoever made them. */
  readonly close: () => Promise<void>;
};

/**
 * Makes a paywall. Where the store cannot be asked yet what was revoked, it answers 503 until it can, and tells so.
 * @throws TypeError – keys made for another network than the receiver's
 */
export async function createPaywall(options: PaywallOptions): Promise<Paywall> {
  const { keys, receiver, store, clock = systemClock, events = createEvents() } = options;
  if (keys.network !== receiver.network) throw new TypeError(`the keys are for ${keys.network}, the receiver is on ${receiver.network}`);
  const leaseSeconds = options.leaseSeconds ?? 30;
  if (!(leaseSeconds > 0)) throw new RangeError('leaseSeconds is more than 0');
  const staleMs = options.revocationStaleMs ?? 60_000;
  if (!(staleMs >= 1000)) throw new RangeError('revocationStaleMs is 1000 or more');
  const emit = (news: PaywallNews) => {
    if (events.isHeard()) events.emit({ at: clock.nowMs(), ...news });
  };
  const trouble = (what: string) => (error: unknown) => emit({ kind: 'trouble', what, error });
  const nodeTimeoutMs = options.nodeTimeoutMs ?? 10_000;
  const invoiceSeconds = options.invoiceExpirySeconds ?? 600;
  const skipUnknownCaveats = options.compat?.unknownCaveats === 'skip';
  const random = options.random ?? systemRandom;
  const leases = store && createLeases({ store, clock, random, leaseSeconds, onTrouble: trouble('counting ahead') });
  const owed = createOwed(clock);
  const ledger = store ? createLedger(store, clock, trouble('the ledger')) : noLedger;
  const desk: Desk = {
    clock,
    events,
    emit,
    rates: options.rates ?? createRates(options.mintLimits ?? {}, clock),
    trials: Trials.createTrials({ keys, clock, random }),
    verify: createVerifier(keys, { skipUnknownCaveats }),
    keys,
    tellRevoked: seldom(clock, () => trouble('minting')(Refusals.revokedKeys())),
    mint: createMint({
      keys,
      receiver,
      clock,
      random,
      invoiceExpirySeconds: invoiceSeconds,
      nodeTimeoutMs,
      reached: options.reached ?? unwatched,
    }),
    receiver,
    page: options.page && createPageDesk({ ...options.page, keys, receiver, clock, events, nodeTimeoutMs, skipUnknownCaveats }),
    isSettled: createSettledCheck({ clock, nodeTimeoutMs, settledWaitMs: options.settledWaitMs ?? 3000 }),
    ledger,
    onPassed: options.onPassed,
    denials: store ? await followDenials({ store, clock, staleMs, onTrouble: trouble('the list of what was revoked') }) : noDenials,
    claiming: store && leases && { store, clock, leaseSeconds, inUseWaitMs: options.inUseWaitMs ?? 2000, onNews: emit, owe: owed.add, random, leases },
    invalidCredential: options.compat?.invalidCredential ?? 401,
    invoiceSeconds,
  };
  return {
    events,
    check: withReceipts((request, target, offer) => decide(desk, request, target, offer), options.receipts),
    standing: (principal, branches) => desk.denials.judge(principal, branches),
    introspect: createIntrospect({ keys, denials: desk.denials, store, clock, skipUnknownCaveats, takesOf }),
    serves: (outage) => desk.denials.judge(nobody, [], outage) !== 'unknown',
    close: async () => {
      await desk.denials.close();
      await leases?.close();
      await owed.close();
      await ledger.flush().catch(trouble('the ledger'));
    },
  };
}

/** Whom no list names: asked about, it shows whether there is one. */
const nobody = { paymentHash: '', tokenId: '', fingerprint: '', mintedAt: Number.POSITIVE_INFINITY };

/** What deciding needs. */
type Desk = {
  readonly clock: Clock;
  readonly events: Events;
  readonly emit: (news: PaywallNews) => void;
  readonly rates: Rates;
  readonly trials: Trials.Trials;
  readonly verify: Verifier;
  readonly keys: RootKeys;
  /** Tells, now and then, that what would be minted is revoked. */
  readonly tellRevoked: () => void;
  readonly mint: Mint;
  /** Who is paid where an offer names nobody. */
  readonly receiver: Receiver;
  /** Undefined: people are asked as programs are. */
  readonly page: PageDesk | undefined;
  readonly isSettled: SettledCheck;
  readonly ledger: Ledger;
  /** Told of every request with a pass, which has an event only where somebody asks for it. */
  readonly onPassed: ((offer: Offer) => void) | undefined;
  readonly denials: Denials;
  /** Undefined without a store: then nothing that is counted is served. */
  readonly claiming: (ClaimContext & AheadContext) | undefined;
  /** What is answered to a credential that is not valid. */
  readonly invalidCredential: 401 | 402;
  /** How long an invoice can be paid. */
  readonly invoiceSeconds: number;
};

/** See the head of this file. For a pass, nothing is awaited: what decides is known. */
function decide(desk: Desk, request: RequestView, target: Path.Target, offer: Offer): Decision | Promise<Decision> {
  if (Answers.isPreflight(request)) return { kind: 'answer', answer: Answers.preflight(request) };
  if (desk.claiming === undefined && offer.terms.kind !== 'pass') return answerUnavailable(desk, Refusals.uncountable(), offer, 'STORE_UNAVAILABLE');
  const counted = method.countsAs(request.method);
  if (!method.isMethod(counted)) return refuse(desk, new FareboxError('REQUEST_MALFORMED', 'No token can name this method.'), offer);
  const { amountMsat, inputs } = offer.price.of(request);
  const asked: Asked = { request, target, offer, amountMsat, priced: priced.digest(inputs) };
  const demand: Demand = {
    service: offer.service,
    tier: offer.tier,
    method: counted,
    path: target.path,
    pattern: offer.pattern,
    priced: asked.priced,
    nowAt: nowAt(desk.clock),
    capabilities: offer.capabilities,
  };
  const verified = desk.verify(request, demand);
  if (verified.kind === 'none' && Carvings.isAboutBalance(request)) return refuse(desk, Refusals.nobody(request), offer);
  if (verified.kind === 'none') return desk.page?.mayShow(request) ? byTicket(waysOf(desk, desk.page), asked, demand) : askToPay(desk, asked);
  if (verified.kind === 'failed') return answerInvalid(desk, asked, verified.error);
  return admit(desk, asked, verified);
}

/** Nobody has paid, as far as the request shows. */
function askToPay(desk: Desk, asked: Asked): Decision | Promise<Decision> {
  const { free } = asked.offer;
  return free === undefined ? challenge(desk, asked, undefined) : give(desk, asked, free);
}

/** What tickets hang on here. */
function waysOf(desk: Desk, page: PageDesk): TicketWays {
  return {
    page,
    admit: (asked, verified) => admit(desk, asked, verified),
    askToPay: (asked) => askToPay(desk, asked),
    challengeAgain: (asked, why) => challengeAgain(desk, asked, why),
    refuseUnasked: ({ offer }) => answerUnasked(desk, offer),
    isStillSold: (asked, held) => isStillSold(desk, asked, held),
  };
}

/** Whether a ticket that is paid now would be served: what was revoked, or is sold in another way by now, is not to be paid for. */
function isStillSold({ denials }: Desk, { offer, amountMsat }: Asked, { principal, branches }: Held): boolean {
  return denials.judge(principal, branches, offer.outage) === 'good' && takesOf(principal, offer, amountMsat) !== undefined;
}

/** What somebody who has paid gets. */
function admit(desk: Desk, asked: Asked, verified: VerifiedPrincipal): Decision | Promise<Decision> {
  const { request, offer, amountMsat } = asked;
  const { principal } = verified;
  const standing = desk.denials.judge(principal, verified.branches, offer.outage);
  if (standing === 'unknown') return refuse(desk, Refusals.unreadDenials(), offer);
  if (standing === 'denied') return answerInvalid(desk, asked, new FareboxError('CREDENTIAL_REVOKED', 'This token was revoked. Buy a new one.'));
  const takes = principal.topUp !== undefined || Carvings.isAboutBalance(request) ? 0n : takesOf(principal, offer, amountMsat);
  if (takes === undefined) {
    return answerInvalid(desk, asked, new FareboxError('CREDENTIAL_WRONG_SERVICE', `This token was sold as "${principal.terms}", which is not served here.`));
  }
  // Counted on what was verified: garbage fills no table, and nobody is held up for another's token.
  if (offer.tokenRate === undefined) return redeem(desk, asked, verified, takes);
  const wait = desk.rates.take('token', principal.tokenId, offer.tokenRate);
  const goOn = (seconds: number) => (seconds > 0 ? refuse(desk, Refusals.tooOften(seconds), offer) : redeem(desk, asked, verified, takes));
  return typeof wait === 'number' ? goOn(wait) : wait.then(goOn);
}

function redeem(desk: Desk, asked: Asked, verified: VerifiedPrincipal, takes: bigint): Decision | Promise<Decision> {
  return asked.offer.verify === 'preimage' ? serve(desk, asked, verified, takes) : serveSettled(desk, asked, verified, takes);
}

/** What a call takes off what this credential bought; undefined where it is not served with it. What was sold for a whole service is spent where that is priced. */
function takesOf({ terms, isBound, units }: Principal, offer: Offer, priceMsat: Msat): bigint | undefined {
  if (terms === 'pass' || terms === 'per-request') return isBound ? 1n : undefined;
  if (units === undefined) return undefined;
  const { kind, binds, takes } = offer.terms;
  if (terms === 'credit') return kind === 'credit' || kind === 'per-request' ? priceMsat : undefined;
  if (terms !== 'bucket') return undefined;
  // What one route sold for itself is good there, whatever is sold there now.
  if (isBound) return kind === 'bucket' && binds === 'route' && takes ? takes(priceMsat) : 1n;
  return kind === 'bucket' && binds === 'service' && takes ? takes(priceMsat) : undefined;
}

function serve(desk: Desk, asked: Asked, verified: VerifiedPrincipal, takes: bigint): Decision | Promise<Decision> {
  const { principal } = verified;
  if (principal.topUp !== undefined || TopUps.isAsked(asked.request)) return topUp(desk, asked, principal);
  if (Carvings.isAsked(asked.request)) return carve(desk, asked, verified);
  if (isCounted(principal)) return countCall(desk, asked, verified, takes);
  const error = refusedByParts(principal);
  if (error !== undefined) return answerInvalid(desk, asked, error);
  return principal.terms === 'pass' ? letPass(desk, verified, asked.offer) : claimUse(desk, asked, verified);
}

function countCall(desk: Desk, asked: Asked, verified: VerifiedPrincipal, takes: bigint): Decision | Promise<Decision> {
  const { principal } = verified;
  const { request, target, offer, amountMsat: priceMsat } = asked;
  if (desk.claiming === undefined) return answerUnavailable(desk, Refusals.uncountable(), offer, 'STORE_UNAVAILABLE');
  const error = principal.terms === 'pass' ? refusedByParts(principal) : undefined;
  if (error !== undefined) return answerInvalid(desk, asked, error);
  // A pass that somebody limited was sold as one, whatever its route sells by now.
  const consume = principal.terms === 'pass' ? 'on-success' : offer.consume;
  const call = { request, target, route: offer.route, priced: asked.priced, holder: verified.branches.at(-1), priceMsat, takes, consume };
  const isAhead = offer.leased !== undefined && canCountAhead(principal, request);
  const counting = isAhead ? countAhead(desk.claiming, principal, call, offer.leased) : count(desk.claiming, principal, call);
  return counting instanceof Promise ? serveOnceCounted(desk, asked, verified, counting) : serveCounted(desk, asked, verified, counting);
}

async function serveOnceCounted(desk: Desk, asked: Asked, verified: VerifiedPrincipal, counting: Promise<Counted>): Promise<Decision> {
  try {
    return await serveCounted(desk, asked, verified, await counting);
  } catch (error) {
    return answerUnavailable(desk, error, asked.offer, 'STORE_UNAVAILABLE');
  }
}

function serveCounted(desk: Desk, asked: Asked, verified: VerifiedPrincipal, counted: Counted): Decision | Promise<Decision> {
  const { principal } = verified;
  if (counted.kind === 'refused') return answerInvalid(desk, asked, counted.error);
  if (counted.kept) return repeatKept(desk, counted.sale, counted.kept, principal, asked.offer);
  if (principal.terms === 'pass' && !counted.isRepeat) letPass(desk, verified, asked.offer);
  return { kind: 'pass', principal, branches: verified.branches, sale: counted.sale, headers: noHeaders };
}

const noHeaders: Answer['headers'] = [];

/** Once the wallet has said that it was paid. */
async function serveSettled(desk: Desk, asked: Asked, verified: VerifiedPrincipal, takes: bigint): Promise<Decision> {
  const { offer } = asked;
  try {
    const error = await desk.isSettled(offer.receiver ?? desk.receiver, verified.principal);
    if (error !== undefined) return await answerInvalid(desk, asked, error);
  } catch (cause) {
    return answerUnasked(desk, offer, cause);
  }
  return serve(desk, asked, verified, takes);
}

/** Sets aside what was carved out of a balance, or gives back what is left of it. */
async function carve(desk: Desk, { request, offer }: Asked, { principal, branches }: VerifiedPrincipal): Promise<Decision> {
  const { claiming, clock } = desk;
  if (claiming === undefined) return answerUnavailable(desk, Refusals.uncountable(), offer, 'STORE_UNAVAILABLE');
  try {
    const outcome = await Carvings.carve(claiming.store, principal, { value: request.header(Carvings.header) ?? '', branches, route: offer.route, clock });
    return outcome instanceof FareboxError ? refuse(desk, outcome, offer) : { kind: 'answer', answer: Answers.carved(principal, outcome) };
  } catch (error) {
    return answerUnavailable(desk, error, offer, 'STORE_UNAVAILABLE');
  }
}

/** Adds what was paid for, or sells what can be added. */
async function topUp(desk: Desk, asked: Asked, principal: Principal): Promise<Decision> {
  const { claiming, clock } = desk;
  const { offer, request } = asked;
  if (claiming === undefined) return answerUnavailable(desk, Refusals.uncountable(), offer, 'STORE_UNAVAILABLE');
  try {
    if (principal.topUp === undefined) {
      const header = request.header(TopUps.header) ?? '';
      const sold = await TopUps.toSell(claiming.store, principal, { offer, clock, header }, desk.invoiceSeconds);
      return sold instanceof FareboxError ? refuse(desk, sold, offer) : await challenge(desk, { ...asked, offer: sold.offer }, undefined, sold);
    }
    const added = await TopUps.add(claiming.store, principal, offer.route, clock);
    if (added instanceof FareboxError) return refuse(desk, added, offer);
    const { paymentHash, service, amountMsat } = principal;
    if (added === 'credited') desk.emit({ kind: 'topped-up', paymentHash, service, route: offer.route, amountMsat });
    return { kind: 'answer', answer: Answers.toppedUp(principal, added, clock) };
  } catch (error) {
    return answerUnavailable(desk, error, offer, 'STORE_UNAVAILABLE');
  }
}

function letPass(desk: Desk, verified: VerifiedPrincipal, offer: Offer): Decision {
  const { ledger, events, clock } = desk;
  const { principal } = verified;
  if (!verified.isTold) ledger.sawPass(principal, offer.route);
  verified.isTold = true;
  desk.onPassed?.(offer);
  if (events.isPassedHeard()) {
    const { paymentHash, amountMsat } = principal;
    events.emit({ at: clock.nowMs(), kind: 'passed', paymentHash, service: offer.service, route: offer.route, amountMsat });
  }
  verified.receiptEnd ??= receiptEnd(principal);
  return { kind: 'pass', principal, branches: verified.branches, sale: undefined, headers: [receiptHeader(principal, clock, verified.receiptEnd)] };
}

/** Lets a request through for nothing, where its client still has a share of what the route gives away; otherwise it is asked to pay. */
async function give(desk: Desk, asked: Asked, free: FreeQuotaOptions): Promise<Decision> {
  const { request, offer } = asked;
  const place = { service: offer.service, clientAddress: request.clientAddress };
  const { trials } = desk;
  const tellsApart = (free.clients ?? 1) > 1;
  const shown = tellsApart ? trials.read(request.header(Trials.header) ?? '', place) : undefined;
  const left = await desk.rates.give(`${offer.service} ${offer.route}`, free, request.clientAddress, shown?.number);
  if (left === undefined) return challenge(desk, asked, undefined);
  desk.emit({ kind: 'given', service: offer.service, route: offer.route });
  const trial = tellsApart ? trials.offer(place, shown) : undefined;
  const headers: Answer['headers'] = [['L402-Free', String(left)], ...(trial === undefined ? [] : [['L402-Trial', trial] as const])];
  return { kind: 'pass', principal: undefined, sale: undefined, headers };
}

/** 402, under the limits on minting. `why`: what was wrong with the credential that came, where one came. `toppedUp`: what it adds to, where it does. */
async function challenge(desk: Desk, asked: Asked, why: FareboxError | undefined, toppedUp?: TopUps.TopUp): Promise<Decision> {
  const { request, offer, held } = asked;
  const page = toppedUp === undefined && desk.page?.isWanted(asked) === true ? desk.page : undefined;
  if (page !== undefined && held !== undefined) return { kind: 'challenge', answer: page.again(held, asked) };
  const unsellable = whyNotSold(desk, asked, toppedUp !== undefined);
  if (unsellable !== undefined) return refuse(desk, unsellable, offer);
  const retryAfterSeconds = await desk.rates.mint(request.clientAddress);
  if (retryAfterSeconds > 0) {
    const message = 'Too many invoices were asked for and not paid. Pay one, or ask again later.';
    return refuse(desk, new FareboxError('RATE_LIMITED', message, { details: { retryAfterSeconds } }), offer);
  }
  try {
    const minted = await desk.mint({
      offer,
      method: request.method,
      path: asked.target.path,
      priced: asked.priced,
      amountMsat: asked.amountMsat,
      topUp: toppedUp,
    });
    const tooLate = toppedUp && TopUps.whyNotHandedOut(toppedUp, minted.expiresAt);
    if (tooLate !== undefined) return refuse(desk, tooLate, offer);
    const { paymentHash, amountMsat } = minted;
    desk.emit({ kind: 'challenged', paymentHash, service: offer.service, route: offer.route, amountMsat, payee: offer.payee });
    const answer = Answers.challenge(request, offer, minted, why);
    return { kind: 'challenge', answer: page === undefined ? answer : await page.dress(answer, minted, asked, why) };
  } catch (error) {
    return answerUnavailable(desk, error, offer, 'LIGHTNING_UNAVAILABLE');
  }
}

/** Why what is minted now would not be served afterwards; undefined where it would. */
function whyNotSold({ denials, keys, clock, tellRevoked }: Desk, { offer, amountMsat }: Asked, isTopUp: boolean): FareboxError | undefined {
  const { holds, takes } = offer.terms;
  if (!isTopUp && holds !== undefined && takes !== undefined && takes(amountMsat) > holds) {
    return new FareboxError(
      'REQUEST_TOO_DEAR',
      'This request costs more than one payment buys here, so that none would be enough for it. Ask for less in one.',
    );
  }
  const mintedAt = nowAt(clock);
  const standing = denials.judge({ paymentHash: '', tokenId: '', fingerprint: keys.mintingAt(mintedAt), mintedAt }, [], offer.outage);
  if (standing === 'good') return undefined;
  if (standing === 'unknown') return Refusals.unreadDenials();
  tellRevoked();
  return new FareboxError('KEYS_REVOKED', 'Nothing can be sold here for the moment: what is made now is revoked already. Try again later.');
}

/** A credential that does not do: a new challenge where paying again is the remedy, a refusal where it is not. */
function answerInvalid(desk: Desk, asked: Asked, error: FareboxError): Decision | Promise<Decision> {
  if (TopUps.isAsked(asked.request)) return refuse(desk, TopUps.refusedFor(error), asked.offer);
  if (Carvings.isAsked(asked.request)) return refuse(desk, error.status === 402 ? Carvings.refused(error.message) : error, asked.offer);
  const paysAgain = error.status === 402 || (error.status === 401 && desk.invalidCredential === 402);
  if (paysAgain && asked.orElse !== undefined) return asked.orElse(error);
  if (!paysAgain) return refuse(desk, error, asked.offer);
  return challengeAgain(desk, asked, error);
}

/** A new challenge instead of what a credential that does not do was to get. */
function challengeAgain(desk: Desk, asked: Asked, why: FareboxError): Promise<Decision> {
  desk.emit({ kind: 'refused', code: why.code, status: 402, route: asked.offer.route });
  return challenge(desk, asked, why);
}

async function claimUse(desk: Desk, asked: Asked, { principal, branches }: VerifiedPrincipal): Promise<Decision> {
  const { claiming } = desk;
  if (claiming === undefined) return answerUnavailable(desk, Refusals.uncountable(), asked.offer, 'STORE_UNAVAILABLE');
  try {
    const { request, target, offer } = asked;
    const claimed = await claim(claiming, principal, { request, target, route: offer.route, consume: offer.consume });
    if (claimed.kind === 'refused') return answerInvalid(desk, asked, claimed.error);
    if (claimed.kept) return await repeatKept(desk, claimed.sale, claimed.kept, principal, asked.offer);
    return { kind: 'pass', principal, branches, sale: claimed.sale, headers: [] };
  } catch (error) {
    return answerUnavailable(desk, error, asked.offer, 'STORE_UNAVAILABLE');
  }
}

async function repeatKept(desk: Desk, sale: Sale, kept: StoredAnswer, principal: Principal, offer: Offer): Promise<Decision> {
  const head = await sale.head(kept.status);
  if (head.kind === 'lost') return refuse(desk, Answers.inUse(), offer);
  return { kind: 'repeat', answer: { ...kept, headers: [...kept.headers, ...head.headers] }, principal, sale };
}

function refuse({ emit }: Desk, error: FareboxError, offer: Offer): Decision {
  emit({ kind: 'refused', code: error.code, status: error.status, route: offer.route });
  return { kind: 'refuse', answer: Answers.refusal(error) };
}

function answerUnavailable(desk: Desk, error: unknown, offer: Offer, code: keyof typeof Refusals.unavailable): Decision {
  const { what, message } = Refusals.unavailable[code];
  desk.emit({ kind: 'trouble', what, payee: code === 'LIGHTNING_UNAVAILABLE' ? offer.payee : undefined, error });
  return refuse(desk, FareboxError.is(error) && error.status >= 500 ? error : new FareboxError(code, message, { cause: error }), offer);
}

/** Its wallet did not say whether it was paid. */
function answerUnasked(desk: Desk, offer: Offer, cause?: unknown): Decision {
  const error = Refusals.unaskedPayment(cause);
  desk.emit({ kind: 'trouble', what: Refusals.unasked, payee: offer.payee, error });
  return refuse(desk, error, offer);
}
