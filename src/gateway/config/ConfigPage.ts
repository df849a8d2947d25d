/**
 * The page that people are asked to pay on.
 *
 *     page: { name: The Toll House, logo: logo.svg, colour: "#0b6e4f", rate: { currency: EUR, bitcoin: 95000 } }
 */
import { z } from 'zod';
import * as Fields from '../ConfigFields.ts';

/** What a bitcoin costs, as the operator says it. */
export type PageRate = {
  /** ISO 4217, such as `EUR`. */
  readonly currency: string;
  readonly bitcoin: number;
};

/** See the schema. */
export type PageConfig = {
  readonly name: string | undefined;
  /** Absolute. */
  readonly logoPath: string | undefined;
  /** `#rrggbb`. */
  readonly colour: string;
  readonly rate: PageRate | undefined;
};

/** See the head of this file. `field` is that of the schema. */
export function pageSchema(field: <T>(read: (value: unknown) => T) => z.ZodType<T>) {
  return z.strictObject({
    /** `false`: browsers are answered as programs are. Default: `true`: who asks for HTML gets a page with the same challenge. */
    show: z.boolean().optional(),
    /** Whose page it is. Default: none; the host is shown all the same. */
    name: field(Fields.readLine).optional(),
    /** A picture beside the name: an SVG, PNG, JPEG or WebP of 6 KiB at most. Default: none. */
    logo: field(Fields.readLine).optional(),
    /** Of the button and the edge: `"#0b6e4f"`. Default: `"#f7931a"`. */
    colour: field(readColour).optional(),
    /** What a bitcoin costs, to show prices in a currency as well: `{ currency: EUR, bitcoin: 95000 }`. Default: prices are shown in satoshis alone. It is a rate of your own, which nobody keeps up to date for you: leave it out where nobody looks after it. */
    rate: z
      .strictObject({
        /** Three letters, such as `EUR`. No default. */
        currency: field(readCurrency),
        /** A whole number of it. No default. */
        bitcoin: field(Fields.readCount),
      })
      .optional(),
  });
}

/** As the schema reads it. */
export type PageFile = z.output<ReturnType<typeof pageSchema>>;

/** Completes it; undefined: no page is shown. */
export function readPage(found: PageFile | undefined, absolute: (path: string) => string): PageConfig | undefined {
  const { show = true, name, logo, colour = '#f7931a', rate } = found ?? {};
  return show ? { name, logoPath: logo === undefined ? undefined : absolute(logo), colour, rate } : undefined;
}

/** The choice in words. */
export function explainPage(page: PageConfig | undefined): string {
  if (page === undefined) return 'are asked to pay as programs are';
  const { name, logoPath, rate } = page;
  const looks = [name, logoPath, rate && `${rate.bitcoin} ${rate.currency} a bitcoin`].filter((one) => one !== undefined);
  return `whose browsers ask for HTML get a page to pay on${looks.length === 0 ? '' : `: ${looks.join(', ')}`}`;
}

function readColour(value: unknown): string {
  const match = typeof value === 'string' ? /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.exec(value.trim()) : null;
  if (!match) throw new Error('a colour is written as "#0b6e4f"');
  const [colour] = match;
  return (colour.length === 4 ? `#${[...colour.slice(1)].map((digit) => digit + digit).join('')}` : colour).toLowerCase();
}

function readCurrency(value: unknown): string {
  const currency = Fields.readLine(value);
  if (!Intl.supportedValuesOf('currency').includes(currency)) throw new Error('a currency is written in three capitals, such as "EUR"');
  return currency;
}
