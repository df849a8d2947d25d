/**
 * The payment page: the same 402 for people. A browser that asks for HTML is sent a page with the invoice, and a ticket as a cookie; the page waits
 * until the wallet says that the invoice was paid, and then the same URL shows what was bought. Status, price and challenge lines are those that
 * programs get.
 *
 *     GET with `Accept: text/html`      402, the page, and a ticket
 *     the same with `L402-Page: wait <payment hash>`   what becomes of that ticket's invoice, as `text/event-stream`: `data: open`, `paid`, `over`,
 *                                       `unknown`, `none` (no ticket), `gone` (tickets, and not that one)
 *     the same with `L402-Page: state <payment hash>`  what has become of it by now, and nothing more: for where no stream gets through
 *     GET with a ticket that was paid   what was bought
 *
 * What a ticket pays for once, or by and by, is not spent because a page elsewhere says so: then the person is shown a link, and goes on by it.
 *
 * How a page looks is handed in: this file knows no HTML.
 *
 * @see docs/wire.md, "The payment page"
 */
import type { Msat } from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { type Clock, nowAt } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type * as Path from '../../http/Path.ts';
import type { Answer, RequestView } from '../../http/RequestView.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import * as Answers from '../Answers.ts';
import type { Decision } from '../Decision.ts';
import type { Events } from '../Events.ts';
import type { MintedChallenge } from '../Mint.ts';
import type { Offer, Principal } from '../Offer.ts';
import type { RootKeys } from '../RootKeys.ts';
import type { Demand } from '../VerifiedTokens.ts';
import { branchesOf, principalOf } from '../Verifier.ts';
import { createPaidWatch, type PaidState, type Watched } from './PaidWatch.ts';
import * as Tickets from './Tickets.ts';

/** What a page shows. */
export type PageView = {
  readonly request: RequestView;
  readonly offer: Offer;
  /** Normalised, as it was asked for. */
  readonly path: string;
  /** What the invoice asks. */
  readonly amountMsat: Msat;
  /** Undefined: it could not be found out whether it was paid, and nothing is to be paid now. */
  readonly payable: { readonly invoice: string; readonly expiresInSeconds: number } | undefined;
  /** Which payment it waits for, in hex. */
  readonly paymentHash: string;
  /** It was paid, and is spent when the person says so: a link is shown, and nothing else. */
  readonly isPaidFor?: true;
  /** What was wrong with what came before, where something was. */
  readonly why: FareboxError | undefined;
};

/** Draws a page: its body, and every header that goes with it, `Content-Type` among them. Never throws. */
export type DrawPage = (view: PageView) => Pick<Answer, 'headers' | 'body'>;

/** How people are asked to pay. */
export type PageOptions = {
  readonly draw: DrawPage;
  /** When it aborts, nobody waits any longer. */
  readonly signal?: AbortSignal | undefined;
};

/** A ticket of this request, and whom it lets in. */
export type Held = { readonly ticket: Tickets.Ticket; readonly principal: Principal; readonly branches: readonly string[] };

/** The tickets of a request. */
export type Shown = {
  /** Those that are for this service, good or not for what is asked for. */
  readonly all: readonly Tickets.Ticket[];
  /** Those that let this request in once they are paid, in the order in which they are tried. */
  readonly held: readonly Held[];
  /** Those that open nothing any more, as far as it was found out meanwhile. */
  readonly dead: Set<Tickets.Ticket>;
};

/** What a request is answered with that the paywall has something to say about. */
type Asked = { readonly request: RequestView; readonly target: Path.Target; readonly offer: Offer };

/** See the head of this file. */
export type PageDesk = {
  /** Whether the request comes from a person's browser, which is to be shown a page if it has to pay. */
  readonly isWanted: (asked: Asked) => boolean;
  /** Whether a request may show a ticket, or asks about one. Only one that changes nothing does: a page elsewhere can make a browser send others. */
  readonly mayShow: (request: RequestView) => boolean;
  readonly shown: (asked: Asked, demand: Demand) => Shown;
  /** What has become of a ticket's invoice. */
  readonly stateOf: (held: Held, asked: Asked) => Promise<PaidState>;
  /** Whether a page asks what has become of its ticket. */
  readonly isAsked: (request: RequestView) => boolean;
  /** The answer to that. */
  readonly tell: (request: RequestView, shown: Shown, offer: Offer) => Promise<Decision>;
  /** A challenge as a page, with its ticket; as it was, where it does not fit into a head. */
  readonly dress: (challenge: Answer, minted: MintedChallenge, asked: Asked & { readonly shown?: Shown }, why: FareboxError | undefined) => Promise<Answer>;
  /** The page of a ticket that waits to be paid, again. */
  readonly again: (held: Held, asked: Asked) => Answer;
  /** That it could not be found out whether a ticket was paid. */
  readonly unknown: (held: Held, asked: Asked) => Answer;
  /** Whether letting this ticket in would spend something on the word of a page elsewhere, or before anybody looks. */
  readonly isUnasked: (held: Held, request: RequestView) => boolean;
  /** The page that asks whether to go on. */
  readonly ask: (held: Held, asked: Asked) => Answer;
  /** The headers by which a browser keeps a ticket as one that was paid; none where it does already. */
  readonly keep: (held: Held, asked: Asked) => Answer['headers'];
};

/** What a desk is made from. */
export type PageDeskOptions = PageOptions & {
  readonly keys: RootKeys;
  readonly receiver: Receiver;
  readonly clock: Clock;
  readonly events: Events;
  readonly nodeTimeoutMs: number;
  readonly skipUnknownCaveats: boolean;
};

/** The header by which a page asks. A page of another site cannot send it without asking first. */
export const header = 'l402-page';

/** nginx takes an upstream's head of 4 KB by default; so much of it is said by others. */
const [maxHeadBytes, headBytesOfOthers] = [4096, 256];

/** See the head of this file. */
export function createPageDesk(options: PageDeskOptions): PageDesk {
  const { keys, clock, draw, signal = new AbortController().signal } = options;
  const watch = createPaidWatch(options);
  const receiverOf = (offer: Offer) => offer.receiver ?? options.receiver;
  const watched = ({ clientAddress }: RequestView, { principal }: Held, offer: Offer): Watched => ({
    receiver: receiverOf(offer),
    paymentHash: principal.paymentHash,
    amountMsat: principal.amountMsat,
    clientAddress,
  });
  const stateOf = async (held: Held, { request, offer }: Pick<Asked, 'request' | 'offer'>): Promise<PaidState> =>
    held.ticket.invoice === undefined ? 'paid' : watch.ask(watched(request, held, offer));
  const cookieOf = ({ request, target, offer }: Asked, draft: Tickets.TicketDraft, until: number): Answer['headers'] => {
    const value = Tickets.format(keys, Tickets.siteOf(request, target), draft);
    if (value === undefined) return [];
    const path = Tickets.pathOf(offer, request.target, target.path);
    const lasts = Math.max(0, until - nowAt(clock));
    const secure = request.isSecure === true ? '; Secure' : '';
    const name = Tickets.nameOf(offer.service, draft.token);
    return [['Set-Cookie', `${name}=${value}; Path=${path}; Max-Age=${lasts}; HttpOnly; SameSite=Lax${secure}`]];
  };
  /** Those that a browser need not keep: the dead, and where there are too many for one more, the oldest that nobody has paid. Never one that may be paid. */
  const superseded = async ({ request, offer, shown }: Asked & { readonly shown?: Shown }): Promise<readonly Tickets.Ticket[]> => {
    if (shown === undefined) return [];
    const dropped = [...shown.dead];
    const rest = shown.all.filter((ticket) => !shown.dead.has(ticket)).sort((one, other) => (one.name < other.name ? -1 : 1));
    let kept = rest.length;
    for (const ticket of rest) {
      if (kept < Tickets.maxTickets) break;
      if (ticket.invoice === undefined) continue;
      const { paymentHash, amountMsat } = Bolt11.peek(ticket.invoice);
      if (amountMsat === undefined) continue;
      const state = await watch.ask({ receiver: receiverOf(offer), paymentHash, amountMsat, clientAddress: request.clientAddress });
      if (state !== 'open' && state !== 'over') continue;
      dropped.push(ticket);
      kept--;
    }
    return dropped;
  };
  const drawn = (
    { request, target, offer }: Asked,
    { invoice, expiresAt, amountMsat, paymentHash }: Omit<MintedChallenge, 'token'>,
    why: FareboxError | undefined,
  ) => {
    const payable = { invoice, expiresInSeconds: Math.max(0, expiresAt - nowAt(clock)) };
    return draw({ request, offer, path: target.path, amountMsat, payable, paymentHash, why });
  };
  return {
    isWanted: ({ request, offer }) => {
      const { lookup, history } = receiverOf(offer).capabilities;
      return lookup && history && isGet(request) && prefersHtml(request.header('accept') ?? '');
    },
    mayShow: (request) => isGet(request) && (request.header('cookie') !== undefined || request.header(header) !== undefined),
    shown: ({ request, target, offer }, demand) => {
      const dead = new Set<Tickets.Ticket>();
      const all = Tickets.read(keys, request, target, offer.service);
      const held = all.flatMap((ticket) => {
        const principal = principalOf(ticket.token, demand, options.skipUnknownCaveats);
        if (principal instanceof FareboxError || principal.topUp !== undefined) return [];
        return { ticket, principal, branches: branchesOf(ticket.token) };
      });
      return { all, held, dead };
    },
    stateOf,
    isAsked: (request) => isGet(request) && request.header(header) !== undefined,
    tell: async (request, { all, held }, offer) => {
      const [how, named] = (request.header(header) ?? '').split(' ', 2);
      const own = named === undefined ? held[0] : held.find(({ principal }) => principal.paymentHash === named);
      if (own === undefined) return { kind: 'answer', answer: eventsOf(all.length === 0 ? 'none' : 'gone') };
      const state = await stateOf(own, { request, offer });
      const answer = eventsOf(state);
      const isOver = how !== 'wait' || state === 'paid' || state === 'over' || signal.aborted || !watch.hasRoom(request.clientAddress);
      if (isOver) return { kind: 'answer', answer };
      const follow = (gone: AbortSignal) => textsOf((either) => watch.follow(watched(request, own, offer), state, either), [gone, signal]);
      return { kind: 'answer', answer, follow };
    },
    dress: async (challenge, minted, asked, why) => {
      const cookie = cookieOf(asked, { token: minted.token, invoice: minted.invoice }, minted.expiresAt + asked.offer.terms.lastsSeconds);
      if (cookie.length === 0) return challenge;
      const path = Tickets.pathOf(asked.offer, asked.request.target, asked.target.path);
      const ends = (await superseded(asked)).map(({ name }) => ['Set-Cookie', `${name}=; Path=${path}; Max-Age=0`] as const);
      const page = drawn(asked, minted, why);
      // Where all of them do not fit, the page comes without them.
      const whole = fitted(challenge, [...cookie, ...ends], page);
      return whole === challenge ? fitted(challenge, cookie, page) : whole;
    },
    again: ({ ticket, principal }, asked) => {
      const invoice = ticket.invoice as string;
      const { paymentHash, expiresAt } = Bolt11.peek(invoice);
      const minted = { token: ticket.text, invoice, paymentHash, amountMsat: principal.amountMsat, expiresAt };
      return fitted(Answers.challenge(asked.request, asked.offer, minted, undefined), [], drawn(asked, minted, undefined));
    },
    unknown: ({ principal }, { request, target, offer }) => {
      const { amountMsat, paymentHash } = principal;
      const { headers, body } = draw({ request, offer, path: target.path, amountMsat, payable: undefined, paymentHash, why: undefined });
      return { status: 503, headers: [['Retry-After', '5'], ['Cache-Control', 'no-store'], ...headers], body };
    },
    isUnasked: ({ principal }, request) => principal.terms !== 'pass' && isFromElsewhere(request),
    ask: ({ principal }, { request, target, offer }) => {
      const { amountMsat, paymentHash } = principal;
      const { headers, body } = draw({ request, offer, path: target.path, amountMsat, payable: undefined, paymentHash, why: undefined, isPaidFor: true });
      return { status: 403, headers: [['Cache-Control', 'no-store'], ...headers], body };
    },
    keep: ({ ticket, principal }, asked) => (ticket.invoice === undefined ? [] : cookieOf(asked, { token: ticket.text }, principal.validUntil)),
  };
}

/** A challenge with another body; as it was, where its head would be longer than proxies take. */
function fitted(challenge: Answer, cookie: Answer['headers'], page: Pick<Answer, 'headers' | 'body'>): Answer {
  const headers = [...challenge.headers.filter(([name]) => name !== 'Content-Type'), ...cookie, ...page.headers];
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, headBytesOfOthers);
  return bytes > maxHeadBytes ? challenge : { ...challenge, headers, body: page.body };
}

function isGet({ method }: RequestView): boolean {
  return method === 'GET' || method === 'HEAD';
}

/**
 * Whether another site's page, or a browser that only guesses, has sent a request. Of browsers that say nothing of it nothing is known.
 * @see Fetch Metadata Request Headers, section 2.3; Sec-Purpose, Fetch Standard, section 3.8
 */
function isFromElsewhere(request: RequestView): boolean {
  const site = request.header('sec-fetch-site');
  const purpose = `${request.header('sec-purpose') ?? ''} ${request.header('purpose') ?? ''}`;
  return site === 'cross-site' || site === 'same-site' || /\bprefetch\b/i.test(purpose);
}

/** Whether HTML is asked for by name, and JSON is not asked for rather. @see RFC 9110, section 12.5.1 */
export function prefersHtml(accept: string): boolean {
  if (!accept.includes('text/html') || accept.length > 1024) return false;
  const weights = new Map<string, number>();
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    weights.set(type, Number.isFinite(weight) ? weight : 0);
  }
  const html = weights.get('text/html') ?? 0;
  return html > 0 && html >= (weights.get('application/json') ?? 0) && html >= (weights.get('application/problem+json') ?? 0);
}

/** `none`: no ticket came; `gone`: not the one that was asked about. */
type Told = PaidState | 'none' | 'gone';

function eventsOf(state: Told): Answer {
  return {
    status: 200,
    headers: [
      ['Content-Type', 'text/event-stream'],
      ['Cache-Control', 'no-store'],
      ['X-Accel-Buffering', 'no'],
    ],
    body: textOf(state),
  };
}

function textOf(state: Told): string {
  return `data: ${state}\n\n`;
}

/** Until one of these aborts. By listeners that are taken off again: one of the two is there for as long as the gateway is. */
async function* textsOf(follow: (signal: AbortSignal) => AsyncIterable<PaidState>, signals: readonly AbortSignal[]): AsyncIterable<string> {
  const over = new AbortController();
  const end = () => over.abort();
  for (const signal of signals) signal.addEventListener('abort', end);
  if (signals.some(({ aborted }) => aborted)) end();
  try {
    for await (const state of follow(over.signal)) yield textOf(state);
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', end);
  }
}
