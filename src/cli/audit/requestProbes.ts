/**
 * Probes of the ways around a price: other spellings of the path, other methods, headers that some server believes.
 */

import { readOffer } from './Offer.ts';
import { finding, type Outcome, ok, type Probe, unknown } from './Probe.ts';
import { type Case, counted, mustRefuse } from './refusing.ts';
import type { Visit } from './Visit.ts';
import { headerLines, type Reply, Silence } from './Wire.ts';

/** Asks at the same instant. */
const atOnce = 8;

const planted = 'X-Farebox-Audit';

export const requestProbes: readonly Probe[] = [
  {
    name: 'path-spellings',
    group: 'requests',
    asks: 'for the same path spelled otherwise: //, /./, %2f, %2e%2e, ;x, capitals, an absolute form, escapes of escapes',
    severity: 'loses money',
    means: 'the price looks at one path and the API behind it at another',
    mend: 'Normalise the path once; price, bind and forward that very text, and refuse what two servers could read differently.',
    run: (visit) => mustRefuse(visit, pathSpellings(visit.url), 'elsewhere'),
  },
  {
    name: 'other-methods',
    group: 'requests',
    asks: 'for the same path with another method: POST without a body, QUERY, PROPFIND',
    severity: 'loses money',
    means: 'the price hangs on the method, and the API behind it does not',
    mend: 'Put the price on the path, for every method that reaches the API.',
    run: (visit) => {
      const methods = [visit.method === 'POST' ? 'GET' : 'POST', 'QUERY', 'PROPFIND'];
      return mustRefuse(
        visit,
        methods.map((method) => [method, { method }]),
        'elsewhere',
      );
    },
  },
  {
    name: 'rewrite-headers',
    group: 'requests',
    asks: 'whether X-Original-URL, X-Rewrite-URL or X-HTTP-Method-Override lead around the price',
    severity: 'loses money',
    means: 'the price looks at the request, and the API behind it at these headers',
    mend: 'Take these headers off every request before it is priced.',
    run: (visit) => mustRefuse(visit, rewriteHeaders(visit), 'elsewhere'),
  },
  {
    name: 'trusted-headers',
    group: 'requests',
    asks: 'whether X-Forwarded-For, Forwarded and headers that say "paid" are believed from anybody',
    severity: 'loses money',
    means: 'whoever says that he is inside, or has paid, is served',
    mend: 'Believe forwarding headers from proxies that are named alone, and take off whatever the API behind reads as proof.',
    run: (visit) => mustRefuse(visit, trustedHeaders),
  },
  {
    name: 'header-injection',
    group: 'requests',
    asks: 'whether an escaped line break in path or query becomes a header of the answer',
    severity: 'forges',
    means: 'strangers write headers into what others get, cookies among them',
    mend: 'Write nothing from a URL into a header, or escape it.',
    run: headerInjection,
  },
  {
    name: 'asks-at-once',
    group: 'requests',
    asks: `${atOnce} times at the same instant, without payment; says whether there is a limit`,
    severity: 'loses money',
    means: 'those who ask together get one invoice, and one payment opens the door for all of them',
    mend: 'Make an invoice for every 402, however close together they are.',
    follows: ['fresh-invoice'],
    run: asksAtOnce,
  },
];

/** Spellings that some server takes for the path. */
function pathSpellings({ pathname, search, origin }: URL): readonly Case[] {
  const at = pathname.lastIndexOf('/');
  const [folder, last] = [pathname.slice(0, at), pathname.slice(at + 1)];
  const letter = /[a-z]/i.exec(last)?.[0];
  const escaped = (prefix: string) => (letter === undefined ? pathname : `${folder}/${last.replace(letter, prefix + letter.charCodeAt(0).toString(16))}`);
  const capitals = pathname === pathname.toUpperCase() ? pathname.toLowerCase() : pathname.toUpperCase();
  const spelled: readonly (readonly [string, string])[] = [
    ['a slash twice at the front', `/${pathname}`],
    ['a slash twice', `${folder}//${last}`],
    ['a segment of one dot', `/.${pathname}`],
    ['a way there and back', `/farebox-audit/..${pathname}`],
    ['a way there and back, escaped', `/farebox-audit/%2e%2e${pathname}`],
    ['an escaped slash', `${folder}%2f${last}`],
    ['a backslash', `${folder}\\${last}`],
    ['an escaped letter', escaped('%')],
    ['a letter escaped twice', escaped('%25')],
    ['capitals', capitals],
    ['a slash at the end', `${pathname}/`],
    ['a dot at the end', `${pathname}.`],
    ['a dot segment at the end', `${pathname}/.`],
    ['a parameter', `${pathname};x=y`],
    ['a NUL at the end', `${pathname}%00`],
    ['a line feed at the end', `${pathname}%0a`],
    ['an ending', `${pathname}.json`],
    ['an absolute form', `${origin}${pathname}`],
  ];
  const seen = new Set([pathname]);
  return spelled.flatMap(([what, path]) => {
    if (seen.has(path)) return [];
    seen.add(path);
    return [[`${what}, ${path.slice(0, 60)}`, { target: path + search }] as const];
  });
}

function rewriteHeaders({ target, nowhere }: Visit): readonly Case[] {
  return [
    ['another path in X-Original-URL', { headers: [['X-Original-URL', nowhere]] }],
    ['another path in X-Rewrite-URL', { headers: [['X-Rewrite-URL', nowhere]] }],
    ['the path in X-Original-URL, at another one', { target: nowhere, headers: [['X-Original-URL', target]] }],
    ['the path in X-Rewrite-URL, at another one', { target: nowhere, headers: [['X-Rewrite-URL', target]] }],
    ['OPTIONS in X-HTTP-Method-Override', { headers: [['X-HTTP-Method-Override', 'OPTIONS']] }],
  ];
}

const trustedHeaders: readonly Case[] = [
  [
    'the address of the machine itself',
    {
      headers: [
        ['X-Forwarded-For', '127.0.0.1'],
        ['X-Real-IP', '127.0.0.1'],
        ['Forwarded', 'for=127.0.0.1;host=localhost;proto=https'],
      ],
    },
  ],
  [
    'another host',
    {
      headers: [
        ['X-Forwarded-Host', 'localhost'],
        ['X-Forwarded-Proto', 'https'],
        ['X-Forwarded-Prefix', '/farebox-audit'],
      ],
    },
  ],
  [
    'words of payment',
    {
      headers: [
        ['X-Paid', 'true'],
        ['X-Payment-Verified', 'true'],
        ['L402-Payment', 'charged'],
        ['X-L402-Verified', '1'],
      ],
    },
  ],
];

async function headerInjection(visit: Visit): Promise<Outcome> {
  const { pathname, search } = visit.url;
  const text = `%0d%0a${planted}:%20planted`;
  const found: string[] = [];
  const untold: string[] = [];
  const statuses: number[] = [];
  for (const [what, target] of [
    ['in the path', `${pathname}${text}${search}`],
    ['in the query', `${pathname}${search === '' ? '?' : `${search}&`}x=${text}`],
  ] as const) {
    try {
      const reply = await visit.try(`a line break ${what}`, { target });
      statuses.push(reply.status);
      if (headerLines(reply, planted.toLowerCase()).length > 0) found.push(`${what}: the answer has the header ${planted}`);
    } catch (error) {
      if (!(error instanceof Silence)) throw error;
      untold.push(`${what}: no answer, ${error.message}`);
    }
  }
  if (found.length > 0) return finding(...found);
  return untold.length > 0 ? unknown(untold.join('; '), 7) : ok(`nothing was planted: ${counted(statuses)}`);
}

async function asksAtOnce(visit: Visit): Promise<Outcome> {
  const replies: Reply[] = await Promise.all(Array.from({ length: atOnce }, () => visit.ask()));
  const offers = replies.filter(({ status }) => status === 402).map(readOffer);
  const hashes = offers.flatMap(({ invoice }) => ('value' in invoice ? [invoice.value.paymentHash] : []));
  const different = new Set(hashes).size;
  if (different < hashes.length) return finding(`${hashes.length} asks at once, ${different} ${different === 1 ? 'invoice' : 'different invoices'}`);
  const limited = replies.filter(({ status }) => status === 429).length;
  const others = replies.filter(({ status }) => status !== 429 && status !== 402);
  if (others.length > 0) return unknown(`answered ${counted(replies.map(({ status }) => status))}`, 7);
  if (hashes.length < offers.length) return unknown('the invoices cannot be read');
  return ok(`${different} invoices; ${limited > 0 ? `${limited} were held off with 429` : 'no limit was reached'}`);
}
