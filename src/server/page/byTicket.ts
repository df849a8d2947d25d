/**
 * What becomes of a request that shows tickets instead of a credential: each is as good as one as soon as its wallet says that it was paid.
 *
 * @see docs/decisions/0067-tickets.md
 */
import type { FareboxError } from '../../core/Errors.ts';
import type { Asked } from '../Asked.ts';
import type { Decision } from '../Decision.ts';
import type { Demand, VerifiedPrincipal } from '../VerifiedTokens.ts';
import type { Held, PageDesk, Shown } from './Page.ts';

/** What the paywall does with a ticket, or without one. */
export type TicketWays = {
  readonly page: PageDesk;
  /** What somebody who has paid gets. */
  readonly admit: (asked: Asked, verified: VerifiedPrincipal) => Decision | Promise<Decision>;
  /** Nobody has paid, as far as the request shows. */
  readonly askToPay: (asked: Asked) => Decision | Promise<Decision>;
  /** Somebody has, for something that is not to be had any more. */
  readonly challengeAgain: (asked: Asked, why: FareboxError) => Promise<Decision>;
  /** Nobody could say whether somebody has. */
  readonly refuseUnasked: (asked: Asked) => Decision;
  /** Whether a ticket that is paid now would be served. */
  readonly isStillSold: (asked: Asked, held: Held) => boolean;
};

/** Decides by the tickets of a request, or tells a page what has become of one. */
export async function byTicket(ways: TicketWays, asked: Asked, demand: Demand): Promise<Decision> {
  const { page } = ways;
  const shown = page.shown(asked, demand);
  if (page.isAsked(asked.request)) return page.tell(asked.request, shown, asked.offer);
  return byTickets(ways, { ...asked, shown }, { left: shown.held, open: undefined, unknown: undefined, why: undefined });
}

/** What was found out about the tickets of a request so far. */
type Tried = {
  /** Still to be looked at. */
  readonly left: readonly Held[];
  /** Can be paid now. */
  readonly open: Held | undefined;
  /** Nobody could say whether it was paid. */
  readonly unknown: Held | undefined;
  /** What was wrong with one that was paid. */
  readonly why: FareboxError | undefined;
};

/** Tries one after the other until one is paid and good. */
async function byTickets(ways: TicketWays, asked: Asked & { readonly shown: Shown }, tried: Tried): Promise<Decision> {
  const { page } = ways;
  const [held, ...left] = tried.left;
  if (held === undefined) return byNoTicket(ways, asked, tried);
  // All at once: each is waited for as long where the wallet is away. What it said is known for the next one's turn.
  const waiting = held.ticket.invoice === undefined ? [held] : tried.left;
  const [state] = await Promise.all(waiting.map((one) => page.stateOf(one, asked)));
  if (state === 'unknown') return byTickets(ways, asked, { ...tried, left, unknown: tried.unknown ?? held });
  if (state === 'over') {
    asked.shown.dead.add(held.ticket);
    return byTickets(ways, asked, { ...tried, left });
  }
  if (state === 'open') {
    const open = tried.open ?? (ways.isStillSold(asked, held) ? held : undefined);
    return byTickets(ways, asked, { ...tried, left, open });
  }
  if (page.isUnasked(held, asked.request)) return { kind: 'refuse', answer: page.ask(held, asked) };
  const { principal, branches } = held;
  const orElse = (why: FareboxError) => {
    if (why.code === 'CREDENTIAL_REVOKED' || (why.code === 'CREDENTIAL_USED' && principal.terms === 'per-request')) asked.shown.dead.add(held.ticket);
    return byTickets(ways, asked, { ...tried, left, why });
  };
  const decision = await ways.admit({ ...asked, orElse }, { kind: 'verified', principal, branches, isTold: false });
  if (decision.kind !== 'pass' && decision.kind !== 'repeat') return decision;
  if (decision.isPrivate === true) return decision;
  const keeps = decision.kind === 'pass' && decision.sale === undefined ? page.keep(held, asked) : [];
  return decision.kind === 'repeat' ? { ...decision, isPrivate: true } : { ...decision, isPrivate: true, headers: [...decision.headers, ...keeps] };
}

/** None of them is paid and good. */
function byNoTicket({ page, ...ways }: TicketWays, asked: Asked, { unknown, open, why }: Tried): Decision | Promise<Decision> {
  if (unknown !== undefined) {
    const refused = ways.refuseUnasked(asked);
    return page.isWanted(asked) ? { kind: 'refuse', answer: page.unknown(unknown, asked) } : refused;
  }
  const next = open === undefined ? asked : { ...asked, held: open };
  return why === undefined ? ways.askToPay(next) : ways.challengeAgain(next, why);
}
