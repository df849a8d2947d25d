/**
 * The payment page: the same 402 for people. A browser that asks for HTML is sent a page with the invoice, and a ticket as a cookie; the page waits
 * until the wallet says that the invoice was paid, and then the same URL shows what was bought. Status, price and challenge lines are those that
 * programs get.
 *
 *     GET with `Accept: text/html`      402, the page, and a ticket
 *     the same with `L402-Page: wait`   what becomes of the ticket's invoice, as `text/event-stream`: `data: open`, `paid`, `over`, `unknown`, `none`
 *     the same with `L402-Page: state`  what has become of it by now, and nothing more: for where no stream gets through
 *     GET with a ticket that was paid   what was bought
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

/** What a request is answered with that the paywall has something to say about. */
type Asked = { readonly request: RequestView; readonly target: Path.Target; readonly offer: Offer };

/** See the head of this file. */
export type PageDesk = {
  /** Whether the request comes from a person's browser, which is to be shown a page if it has to pay. */
  readonly isWanted: (asked: Asked) => boolean;
  /** The ticket that lets a request in once it is paid; undefined where there is none. */
  readonly held: (asked: Asked, demand: Demand) => Held | undefined;
  /** What has become of its invoice. */
  readonly stateOf: (held: Held, asked: Asked) => Promise<PaidState>;
  /** Whether a page asks what has become of its ticket. */
  readonly isAsked: (request: RequestView) => boolean;
  /** The answer to that. */
  readonly tell: (request: RequestView, held: Held | undefined, offer: Offer) => Promise<Decision>;
  /** A challenge as a page, with its ticket; as it was, where it does not fit into a head. */
  readonly dress: (challenge: Answer, minted: MintedChallenge, asked: Asked, why: FareboxError | undefined) => Answer;
  /** The page of a ticket that waits to be paid, again. */
  readonly again: (held: Held, asked: Asked) => Answer;
  /** That it could not be found out whether a ticket was paid. */
  readonly unknown: (held: Held, asked: Asked) => Answer;
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
    return [['Set-Cookie', `${Tickets.nameOf(offer.service)}=${value}; Path=${path}; Max-Age=${lasts}; HttpOnly; SameSite=Lax${secure}`]];
  };
  const drawn = ({ request, target, offer }: Asked, { invoice, expiresAt, amountMsat }: Omit<MintedChallenge, 'token'>, why: FareboxError | undefined) => {
    const payable = { invoice, expiresInSeconds: Math.max(0, expiresAt - nowAt(clock)) };
    return draw({ request, offer, path: target.path, amountMsat, payable, why });
  };
  return {
    isWanted: ({ request, offer }) => {
      const { lookup, history } = receiverOf(offer).capabilities;
      return lookup && history && isGet(request) && prefersHtml(request.header('accept') ?? '');
    },
    held: ({ request, target, offer }, demand) => {
      if (!isGet(request)) return undefined;
      for (const ticket of Tickets.read(keys, request, target, offer.service)) {
        const principal = principalOf(ticket.token, demand, options.skipUnknownCaveats);
        if (principal instanceof FareboxError || principal.topUp !== undefined) continue;
        return { ticket, principal, branches: branchesOf(ticket.token) };
      }
      return undefined;
    },
    stateOf,
    isAsked: (request) => isGet(request) && request.header(header) !== undefined,
    tell: async (request, held, offer) => {
      if (held === undefined) return { kind: 'answer', answer: eventsOf('none') };
      const state = await stateOf(held, { request, offer });
      const answer = eventsOf(state);
      const isOver = request.header(header) !== 'wait' || state === 'paid' || state === 'over' || signal.aborted || !watch.hasRoom(request.clientAddress);
      if (isOver) return { kind: 'answer', answer };
      const follow = (gone: AbortSignal) => textsOf((either) => watch.follow(watched(request, held, offer), state, either), [gone, signal]);
      return { kind: 'answer', answer, follow };
    },
    dress: (challenge, minted, asked, why) => {
      const cookie = cookieOf(asked, { token: minted.token, invoice: minted.invoice }, minted.expiresAt + asked.offer.terms.lastsSeconds);
      return cookie.length === 0 ? challenge : fitted(challenge, cookie, drawn(asked, minted, why));
    },
    again: ({ ticket, principal }, asked) => {
      const invoice = ticket.invoice as string;
      const { paymentHash, expiresAt } = Bolt11.peek(invoice);
      const minted = { token: ticket.text, invoice, paymentHash, amountMsat: principal.amountMsat, expiresAt };
      return fitted(Answers.challenge(asked.request, asked.offer, minted, undefined), [], drawn(asked, minted, undefined));
    },
    unknown: ({ principal }, { request, target, offer }) => {
      const { headers, body } = draw({ request, offer, path: target.path, amountMsat: principal.amountMsat, payable: undefined, why: undefined });
      return { status: 503, headers: [['Retry-After', '5'], ['Cache-Control', 'no-store'], ...headers], body };
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

function eventsOf(state: PaidState | 'none'): Answer {
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

function textOf(state: PaidState | 'none'): string {
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
