/**
 * The demo's story: what goes over the wire and what it means, a step at a time, for a reader at a terminal; as JSON lines for a program.
 */
import * as Amount from '../../core/Amount.ts';
import type { LedgerTotals } from '../../store/Store.ts';
import type { Terminal } from '../Terminal.ts';
import type { BuyerReport } from './buyer.ts';

/** Tells the demo. */
export type Story = {
  readonly opening: (url: string) => void;
  readonly tell: (report: BuyerReport) => void;
  readonly ending: (done: BuyerReport & { readonly kind: 'done' }, totals: LedgerTotals) => void;
  readonly tryNext: (url: string, command: string) => void;
};

/** Headers that the story is about; the others are left out. */
const shownHeaders = ['www-authenticate', 'l402-price', 'l402-payment', 'payment-receipt', 'content-type'];

const names: { readonly [name: string]: string } = {
  'www-authenticate': 'WWW-Authenticate',
  'l402-price': 'L402-Price',
  'l402-payment': 'L402-Payment',
  'payment-receipt': 'Payment-Receipt',
  'content-type': 'Content-Type',
};

/** A story on this terminal. */
export function createStory(terminal: Terminal): Story {
  const { line, tone } = terminal;
  let step = 0;
  const heading = (text: string) => {
    line();
    line(tone('strong', ` ${++step}  ${text}`));
    line();
  };
  const wire = (arrow: string, text: string) => line(`    ${tone('quiet', arrow)} ${text}`);

  const request = (report: BuyerReport & { kind: 'request' }) => {
    const { host, pathname, search } = new URL(report.url);
    heading(report.authorization === undefined ? 'A program asks for a translation' : 'It asks again, with the proof');
    wire('→', tone('wire', `${report.method} ${pathname}${search} HTTP/1.1`));
    wire(' ', `Host: ${host}`);
    if (report.authorization !== undefined) wire(' ', `Authorization: ${tone('wire', report.authorization)}`);
  };
  const response = (report: BuyerReport & { kind: 'response' }) => {
    heading(
      report.status === 402 ? 'The gateway names its price: 402, and a Lightning invoice' : 'The gateway checks the proof by hashing, and lets it through',
    );
    wire('←', tone(report.status === 402 ? 'warning' : 'good', `HTTP/1.1 ${report.status} ${report.statusText}`));
    for (const [name, value] of report.headers) if (shownHeaders.includes(name)) wire(' ', `${names[name]}: ${tone('wire', shorten(value, 46))}`);
    line();
    for (const text of bodyLines(report.body)) wire(' ', text);
  };

  return {
    opening: (url) => {
      terminal.data({ kind: 'listening', url, network: 'sandbox' });
      line();
      line(` ${tone('strong', 'farebox demo')}   ${tone('warning', 'sandbox: play money on this machine, the real protocol')}`);
      line();
      line(`    seller   a translation API behind a paywall, ${tone('wire', url)}`);
    },
    tell: (report) => {
      terminal.data(report);
      switch (report.kind) {
        case 'wallet':
          return line(`    buyer    a program in a process of its own; its wallet holds ${money(report.spendableMsat)}`);
        case 'request':
          return request(report);
        case 'response':
          return response(report);
        case 'paying':
          return heading(`It may spend 60 sat, so it pays ${money(report.amountMsat)}`);
        case 'paid':
          wire('⚡', `${tone('money', money(report.amountMsat))}, fee ${money(report.feeMsat)}, in ${Math.max(1, Math.round(report.ms))} ms`);
          wire(' ', `payment hash ${report.paymentHash.slice(0, 16)}…, and the preimage that proves it`);
          return;
        case 'failed':
          return terminal.note(tone('bad', `The buyer gave up: ${report.message}`));
        case 'done':
          return;
      }
    },
    ending: (done, totals) => {
      terminal.data({ kind: 'sold', sales: totals.sales, earnedMsat: totals.earnedMsat });
      line();
      const { translation } = JSON.parse(done.body) as { translation?: string };
      line(` ${tone('good', '✓ Sold.')}  The program has its "${translation}", the seller has ${tone('money', money(String(totals.earnedMsat)))}.`);
      line(`   ${done.requests} HTTP requests, 1 payment, ${Math.round(done.ms)} ms. No account, no key, no card.`);
      line();
    },
    tryNext: (url, command) => {
      if (terminal.isJson) return;
      const translate = `${url}/api/v1/translate?text=hello&target=es`;
      const examples = [
        ['The 402, as any program sees it', `curl -i "${translate}"`],
        ['Buy it yourself, for at most 60 sat', `${command} get "${translate}" --max "60 sat"`],
        [
          'Buy an hour of the dictionary, narrow it to Spanish, and see German refused',
          `${command} get "${url}/api/v1/words/es" --max "110 sat" --credential > pass.txt`,
          `${command} token attenuate --path /api/v1/words/es < pass.txt > narrowed.txt`,
          `curl -i -H "Authorization: $(cat narrowed.txt)" "${url}/api/v1/words/es"`,
          `curl -i -H "Authorization: $(cat narrowed.txt)" "${url}/api/v1/words/de"`,
        ],
        ['What was earned, live', `${command} sales`],
        ['A price on your own server', `${command} serve http://localhost:3000 --price "10 sat" --listen 127.0.0.1:8403`],
      ];
      line(tone('strong', ' Try next, in another terminal:'));
      for (const [title, ...commands] of examples) {
        line();
        line(`   ${tone('quiet', `# ${title}`)}`);
        for (const one of commands) line(`   ${one}`);
      }
      line();
      line(tone('quiet', ' This stays up, and shows what happens. Ctrl-C ends it.'));
      line();
    },
  };
}

function money(msat: string): string {
  return Amount.format(Amount.fromMsat(BigInt(msat))).replace(/\B(?=(\d{3})+(?= sat))/g, ',');
}

/** Long values by their beginning: a token or an invoice is some hundred characters. */
function shorten(text: string, length: number): string {
  return text
    .replace(/"([^"]*)"/g, (_, value: string) => `"${value.length > 24 ? `${value.slice(0, 20)}…` : value}"`)
    .replace(/^([^" ]{46})\S+$/, (_, start: string) => `${start.slice(0, length)}…`);
}

/** The first keys of a JSON object, a line each, and the names of the others. */
function bodyLines(body: string): readonly string[] {
  const entries = Object.entries(JSON.parse(body) as { [key: string]: unknown });
  const shown = entries.slice(0, 4).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const others = entries.slice(4).map(([key]) => key);
  const rest = others.length === 0 ? [] : [`… and ${others.slice(-8, -1).join(', ')} and ${others.at(-1)}`];
  return ['{', ...[...shown, ...rest].map((text, index) => `  ${text}${index < shown.length - 1 ? ',' : ''}`), '}'];
}
