/**
 * The payment page as HTML: one answer with everything in it, small enough to be there at once, and with a policy that lets nothing else in. Style and
 * script stand in it and are known by their digests, so that there is no address of ours among the operator's, and nothing to cache.
 *
 * @see Content Security Policy Level 3, section 2.3.1; docs/decisions/0068-a-page-in-one-answer.md
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Msat } from '../../core/Amount.ts';
import type { Answer } from '../../http/RequestView.ts';
import type { Offer } from '../../server/Offer.ts';
import type { DrawPage, PageView } from '../../server/page/Page.ts';
import type { PageRate } from '../config/ConfigPage.ts';
import { type Html, html, Html as Safe } from './Html.ts';
import { fill, type Language, languageFor, languages, type PageWords } from './PageText.ts';
import { pageScript } from './pageScript.ts';
import { pageStyle } from './pageStyle.ts';
import * as QrCode from './QrCode.ts';

/** How an operator's pages look. */
export type PageLook = {
  readonly name: string | undefined;
  /** As `data:` of an image. */
  readonly logo: string | undefined;
  /** `#rrggbb`. */
  readonly colour: string;
  readonly rate: PageRate | undefined;
};

/** Pages of that look. */
export function createPage(look: PageLook): DrawPage {
  const style = pageStyle(look.colour, readableOn(look.colour));
  const policy = [
    "default-src 'none'",
    `script-src ${digestOf(pageScript)}`,
    `style-src ${digestOf(style)}`,
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ].join('; ');
  return (view) => {
    const language = languageFor(view.request.header('accept-language') ?? '');
    const text = (view.isPaidFor ? linkPageOf : pageOf)(view, look, language, style).text;
    const headers: Answer['headers'] = [
      ['Content-Type', 'text/html; charset=utf-8'],
      ['Content-Language', language],
      ['Content-Security-Policy', policy],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'same-origin'],
    ];
    const takesGzip = /(?:^|[\s,])gzip(?:\s*;\s*q=(?:1|0?\.[0-9]*[1-9]))?(?:[\s,]|$)/i.test(view.request.header('accept-encoding') ?? '');
    return takesGzip ? { headers: [...headers, ['Content-Encoding', 'gzip']], body: gzipSync(text) } : { headers, body: text };
  };
}

function pageOf(view: PageView, look: PageLook, language: Language, style: string): Html {
  const words = languages[language];
  const price = priceOf(view.amountMsat, language, words);
  const { payable } = view;
  const said: readonly (readonly [string, string])[] = [
    ...(['waiting', 'paid', 'over', 'unknown', 'none', 'gone', 'unsure', 'copy', 'copied', 'left', 'renew', 'reload'] as const).map(
      (name) => [name, words[name]] as const,
    ),
    ['seconds', String(payable?.expiresInSeconds ?? 0)],
    ['payment', view.paymentHash],
  ];
  const state = payable === undefined ? 'unknown' : 'waiting';
  return html`<!doctype html>
<html lang="${language}" dir="${words.direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${titleOf(view.offer)} · ${price}</title>
<style>${new Safe(style)}</style>
</head>
<body data-state="${state}"${payable === undefined ? undefined : new Safe(' data-pay')}${said.map(([name, value]) => html` data-${name}="${value}"`)}>
<main><div>
${whatOf(view, look, language, price)}
${payable === undefined ? undefined : payableOf(payable.invoice, words)}
<div class="so">
<p id="state" role="status">${words[state]}</p>
<p id="left"></p>
${payable === undefined ? undefined : html`<noscript><p>${words.withoutScript}</p></noscript><a class="button" id="check" href="">${words.check}</a>`}
<a class="button main" id="again" href=""${payable === undefined ? undefined : new Safe(' hidden')}>${words.reload}</a>
</div>
</div></main>
<footer class="foot">${words.ticket}</footer>
<script>${new Safe(pageScript)}</script>
</body>
</html>
`;
}

/** A link to the same place, and nothing else. */
function linkPageOf(view: PageView, look: PageLook, language: Language, style: string): Html {
  const words = languages[language];
  return html`<!doctype html>
<html lang="${language}" dir="${words.direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${titleOf(view.offer)}</title>
<style>${new Safe(style)}</style>
</head>
<body>
<main>
<div class="what">
${placeOf(view, look)}
<p class="note">${words.elsewhere}</p>
</div>
<div class="so"><a class="button main" href="">${words.go}</a></div>
</main>
</body>
</html>
`;
}

function whatOf(view: PageView, look: PageLook, language: Language, price: string): Html {
  const { offer, amountMsat, why } = view;
  const { rate } = look;
  const words = languages[language];
  const money = rate && fill(words.about, { money: moneyOf(amountMsat, rate, language) });
  return html`<div class="what">
${placeOf(view, look)}
<p class="price">${price}</p>
${money === undefined ? undefined : html`<p class="money">${money}</p>`}
<p class="buys">${buysOf(offer, language, words)}</p>
${why?.code === 'CREDENTIAL_USED' ? html`<p class="note">${words.used}</p>` : undefined}
</div>`;
}

/** Whose it is, what, and where. */
function placeOf({ offer, path, request }: PageView, { name, logo }: PageLook): Html {
  return html`${name === undefined && logo === undefined ? undefined : html`<p class="who">${logo === undefined ? undefined : html`<img src="${logo}" alt="${name === undefined ? hostOf(request.header('host')) : ''}">`}${name === undefined ? undefined : html`<bdi>${name}</bdi>`}</p>`}
<h1><bdi>${titleOf(offer)}</bdi></h1>
<p class="where"><bdi dir="ltr">${hostOf(request.header('host'))}${path}</bdi></p>`;
}

function payableOf(invoice: string, words: PageWords): Html {
  const link = `lightning:${invoice}`;
  return html`<div class="how" id="pay">
<p class="scan">${words.scan}</p>
<a class="qr" href="${link}" aria-label="${words.open}">${QrCode.draw(link.toUpperCase())}</a>
<div class="act">
<button class="button main" id="own" type="button" hidden>${words.webln}</button>
<a class="button main" href="${link}">${words.open}</a>
<div class="line"><input id="invoice" readonly value="${invoice}" aria-label="${words.invoice}" dir="ltr"><button class="button" id="copy" type="button" hidden>${words.copy}</button></div>
</div>
</div>`;
}

/** What is sold, without how much of it, which is said in the reader's language. */
function titleOf({ description, terms }: Offer): string {
  const units = ` - ${terms.units}`;
  return description.length > units.length && description.endsWith(units) ? description.slice(0, -units.length) : description;
}

/** A host as it is shown: what a client made up is text like any other. */
function hostOf(host: string | undefined): string {
  return (host ?? '').slice(0, 253).toLowerCase();
}

function priceOf(amountMsat: Msat, language: Language, words: PageWords): string {
  return fill(words.sat, { n: new Intl.NumberFormat(language, { maximumFractionDigits: 3 }).format(Number(amountMsat) / 1000) });
}

/** What a payment buys, in words. */
function buysOf({ terms }: Offer, language: Language, words: PageWords): string {
  const sold = terms.describe();
  if (terms.kind === 'pass') return fill(words.pass, { time: timeOf(terms.lastsSeconds, language) });
  if (terms.kind === 'bucket') return fill(words.requests, { n: new Intl.NumberFormat(language).format(Number(sold.units) / Number(sold.perRequest ?? 1)) });
  if (terms.kind === 'credit') return fill(words.balance, { money: priceOf((terms.holds ?? 0n) as Msat, language, words) });
  return words.once;
}

function timeOf(seconds: number, language: Language): string {
  const units = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1],
  ] as const;
  const [unit, size] = units.find(([, length]) => seconds % length === 0) ?? ['second', 1];
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(seconds / size);
}

/** In the operator's currency, at the operator's rate; what is less than a hundredth, by its first two digits. */
function moneyOf(amountMsat: Msat, { currency, bitcoin }: PageRate, language: Language): string {
  const value = (Number(amountMsat) / 1e11) * bitcoin;
  return new Intl.NumberFormat(language, { style: 'currency', currency, ...(value < 0.1 && { maximumSignificantDigits: 2 }) }).format(value);
}

function digestOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** Black or white, whichever stands out more. @see WCAG 2.2, relative luminance and contrast ratio */
export function readableOn(colour: string): '#000' | '#fff' {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? '#000' : '#fff';
}
