/**
 * What a probe is handed: the server, what has been seen of it so far, and what has been bought. What several probes need is asked once.
 */
import { isSafe } from '../../client/Outgoing.ts';
import { type Clock, nowAt, type Random } from '../../core/Clock.ts';
import { toHex } from '../../core/internal/bytes.ts';
import type { Payer } from '../../lightning/Lightning.ts';
import { type Offer, readOffer } from './Offer.ts';
import { createPurse, isServed, type Paid, type Purse } from './Purse.ts';
import { type Ask, createWire, headerOf, type Lines, type Reply } from './Wire.ts';

export type VisitOptions = {
  readonly url: URL;
  readonly method: string;
  readonly headers: Lines;
  /** Undefined: nothing is paid. */
  readonly payer: Payer | undefined;
  /** The most that all payments may cost together, fees included. */
  readonly maxMsat: bigint;
  /** Whether the owner says that a payment buys one answer. */
  readonly isSingleUse: boolean;
  /** A dearer target of the same server. */
  readonly dearer: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
};

/** Something that had to be refused, and what came of it. */
export type Presented = { readonly what: string; readonly status: number };

export type Visit = {
  readonly url: URL;
  /** The audited path with its query. */
  readonly target: string;
  readonly method: string;
  readonly dearer: string | undefined;
  readonly isSingleUse: boolean;
  /** Whether credentials are safe on the way there. */
  readonly isSafe: boolean;
  readonly nowAt: () => number;
  readonly random: Random;
  /** @throws Silence – no answer */
  readonly ask: (ask?: Ask) => Promise<Reply>;
  /** The same for what has to be refused; it is remembered how it was. */
  readonly try: (what: string, ask: Ask) => Promise<Reply>;
  readonly tried: () => readonly Presented[];
  /** The first 402. */
  readonly offer: () => Promise<Offer>;
  /** One more. */
  readonly another: () => Promise<Offer>;
  /** A path of this server that nobody has heard of. */
  readonly nowhere: string;
  /** How a success compares with what is sold. */
  readonly compare: (reply: Reply) => Promise<'sold' | 'perhaps' | 'other' | 'nothing'>;
  readonly purse: Purse;
  /** Keeps an eye on a secret in all answers from now on. */
  readonly watch: (secret: string, what: string) => void;
  /** Where secrets were seen, in words. */
  readonly echoes: () => readonly string[];
  readonly requests: () => number;
};

/** Hex digits of a preimage. */
const preimageLength = 64;

export function createVisit(options: VisitOptions): Visit {
  const { url, method, clock, random } = options;
  const watched = new Map<string, string>();
  const echoes = new Set<string>();
  const tried: Presented[] = [];
  const onReply = (_: Ask, reply: Reply) => {
    // What a 402 offers is public: a token in it that was paid for is the same offer twice, which is another probe's.
    const secrets = [...watched].filter(([secret]) => reply.status !== 402 || secret.length === preimageLength);
    for (const [secret, what] of secrets) for (const place of placesOf(reply, secret)) echoes.add(`${what}: in ${place} of a ${reply.status}`);
  };
  const wire = createWire({ ...options, onReply });
  const watch = (secret: string, what: string) => void watched.set(secret.toLowerCase(), what);
  const onBought = (paid: Paid) => {
    watch(paid.preimage, 'the preimage of a payment');
    watch(paid.token, 'a token that was paid for');
  };
  const purse = createPurse({ ...options, ask: wire.ask, onBought });
  const nowhere = `/farebox-audit-${toHex(random(6))}`;
  const firstOffer = once(async () => readOffer(await wire.ask()));
  const control = once(() => wire.ask({ target: nowhere, method: 'GET' }));
  return {
    url,
    target: url.pathname + url.search,
    method,
    dearer: options.dearer,
    isSingleUse: options.isSingleUse,
    isSafe: isSafe(url),
    nowAt: () => nowAt(clock),
    random,
    ask: wire.ask,
    try: async (what, ask) => {
      const reply = await wire.ask(ask);
      tried.push({ what, status: reply.status });
      return reply;
    },
    tried: () => tried,
    offer: firstOffer,
    another: once(async () => readOffer(await wire.ask())),
    nowhere,
    compare: async (reply) => {
      if (!isServed(reply) || reply.body.length === 0 || isSame(reply, await control(), nowhere)) return 'nothing';
      const goods = purse.goods();
      return goods === undefined ? 'perhaps' : isAlike(reply, goods) ? 'sold' : 'other';
    },
    purse,
    watch,
    echoes: () => [...echoes],
    requests: wire.asked,
  };
}

/** Whether a server says the very same of a path that it does not know: a page for everything is nothing that is sold. */
function isSame(a: Reply, control: Reply, nowhere: string): boolean {
  const textOf = ({ body }: Reply) => body.toString('latin1').replaceAll(nowhere, '');
  return isServed(control) && textOf(a) === textOf(control);
}

/** Two answers that say the same: byte for byte, or of one kind and about one length, as answers with the time or an id in them are. */
function isAlike(a: Reply, b: Reply): boolean {
  if (!isServed(a) || !isServed(b)) return false;
  if (a.body.equals(b.body)) return true;
  const [shorter, longer] = [a.body.length, b.body.length].sort((x, y) => x - y) as [number, number];
  return shorter > 0 && headerOf(a, 'content-type') === headerOf(b, 'content-type') && longer - shorter <= Math.min(64, longer / 8);
}

/** Where in an answer a text stands, whatever its letter case. */
function placesOf({ lines, body }: Reply, secret: string): readonly string[] {
  const headers = lines.filter(([, value]) => value.toLowerCase().includes(secret)).map(([name]) => `the header ${name}`);
  return body.toString('latin1').toLowerCase().includes(secret) ? [...headers, 'the body'] : headers;
}

/** What is asked the first time is the answer for all. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => (answer ??= ask());
}
