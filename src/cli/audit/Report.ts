/**
 * An audit in words: a line for each probe as it ends, then what was found, the worst first, each with what to do. As JSON lines for a
 * program. Whatever a server wrote is made fit to be shown, and no token, preimage or invoice is.
 */
import * as Amount from '../../core/Amount.ts';
import { printable, type Terminal, type Tone } from '../Terminal.ts';
import { networkOf, type Offer } from './Offer.ts';
import { groups, type Outcome, severities } from './Probe.ts';
import { type Audit, type Done, exitCodeFor, findingsOf } from './run.ts';
import { maxRequests } from './Wire.ts';

export type Report = {
  readonly opening: (offer: Offer) => void;
  readonly tell: (done: Done) => void;
  readonly ending: (audit: Audit) => void;
};

export type ReportOptions = {
  /** Such as `GET https://api.example.com/v1`. */
  readonly what: string;
  /** Undefined where nothing is paid. */
  readonly pays: { readonly maxMsat: bigint; readonly wallet: string } | undefined;
};

export function createReport(terminal: Terminal, { what, pays }: ReportOptions): Report {
  const { line, tone, data } = terminal;
  let group: string | undefined;
  return {
    opening: (offer) => {
      const price = priceOf(offer);
      data({ kind: 'offer', what, price, maxMsat: pays?.maxMsat, maxRequests });
      line();
      line(` ${tone('strong', 'farebox audit')}   ${tone('wire', printable(what))}`);
      line();
      line(`    price    ${tone('money', price)}`);
      const limit = pays && Amount.format(Amount.fromMsat(pays.maxMsat));
      line(
        `    may pay  ${pays ? `up to ${limit} in all, fees included, from the sandbox wallet "${printable(pays.wallet)}"` : 'nothing: --pay --max "…" tries what money buys'}`,
      );
      line(`    may ask  ${maxRequests} times`);
    },
    tell: (done) => {
      data({ kind: 'probe', ...toData(done) });
      const { probe, outcome } = done;
      if (group !== probe.group) {
        group = probe.group;
        line();
        line(` ${tone('strong', groups[probe.group])}`);
        line();
      }
      const [word, color] = labelOf(done);
      const room = Math.max(24, terminal.width - nameWidth - labelWidth - 8);
      line(`    ${tone(color, word.padEnd(labelWidth))}  ${probe.name.padEnd(nameWidth)}  ${tone('quiet', clip(printable(wordsOf(outcome)), room))}`);
    },
    ending: (audit) => end(terminal, audit, what),
  };
}

/** Widest label and widest name. */
const labelWidth = 'could not tell'.length;
const nameWidth = 'challenge-grammar'.length;

function end(terminal: Terminal, audit: Audit, what: string): void {
  const { line, tone, data, note } = terminal;
  const exitCode = exitCodeFor(audit);
  if (audit.kind === 'impossible') {
    data({ kind: 'audit', what, why: audit.why, exitCode });
    return note(`${tone('bad', 'nothing audited')}  ${printable(audit.why)}.`);
  }
  const { done, requests, payments, spentMsat } = audit;
  const findings = findingsOf(done);
  const count = (kind: Outcome['kind']) => done.filter(({ outcome }) => outcome.kind === kind).length;
  const spent = Amount.format(Amount.fromMsat(spentMsat));
  data({
    kind: 'audit',
    what,
    exitCode,
    requests,
    payments,
    spentMsat,
    counts: { ok: count('ok'), finding: count('finding'), unknown: count('unknown'), skipped: count('skipped') },
    findings: findings.map(({ probe }) => ({ name: probe.name, severity: probe.severity })),
  });
  tellFindings(terminal, findings);
  tellUntold(terminal, done);
  line();
  const worse = findings.filter(({ probe }) => probe.severity !== 'advice').length;
  const words = [
    tone('good', `${count('ok')} ok`),
    worse === 0 ? tone('good', 'no findings') : tone('bad', plural(worse, 'finding')),
    ...(findings.length > worse ? [tone('warning', `${findings.length - worse} of advice`)] : []),
    ...(count('unknown') > 0 ? [tone('warning', `${count('unknown')} could not be told`)] : []),
    ...(count('skipped') > 0 ? [`${count('skipped')} not asked`] : []),
  ];
  line(` ${words.join(' · ')}`);
  line(tone('quiet', ` ${plural(requests, 'request')}, ${payments === 0 ? 'nothing paid' : `${plural(payments, 'payment')}, ${spent} with fees`}`));
  line();
}

function tellFindings({ line, tone, width }: Terminal, findings: ReturnType<typeof findingsOf>): void {
  for (const [severity, meaning] of Object.entries(severities)) {
    const here = findings.filter(({ probe }) => probe.severity === severity);
    if (here.length === 0) continue;
    line();
    line(` ${tone(severity === 'advice' ? 'warning' : 'bad', severity)}${tone('quiet', `: ${meaning}`)}`);
    for (const { probe, outcome } of here) {
      line();
      line(`    ${tone('strong', probe.name)}`);
      const shown = outcome.saw.slice(0, maxShown);
      for (const [index, saw] of shown.entries()) paragraph(line, index === 0 ? 'seen' : '', printable(saw), width);
      if (outcome.saw.length > maxShown) paragraph(line, '', `and ${outcome.saw.length - maxShown} more`, width);
      paragraph(line, 'means', `${probe.means}.`, width);
      paragraph(line, 'mend', probe.mend, width);
    }
  }
}

function tellUntold({ line, tone, width }: Terminal, done: readonly Done[]): void {
  const untold = done.filter(({ outcome }) => outcome.kind === 'unknown');
  if (untold.length === 0) return;
  line();
  line(` ${tone('warning', 'could not tell')}${tone('quiet', ': neither good nor bad until somebody looks')}`);
  line();
  const reasons = new Map<string, string[]>();
  for (const { probe, outcome } of untold) {
    const why = wordsOf(outcome);
    reasons.set(why, [...(reasons.get(why) ?? []), probe.name]);
  }
  for (const [why, names] of reasons) {
    for (const text of wrap(names.join(', '), width - 4)) line(`    ${tone('strong', text)}`);
    for (const text of wrap(`${printable(why)}.`, width - 6)) line(`      ${text}`);
  }
}

/** How many of the ways that a finding was seen in are told one by one. */
const maxShown = 8;

function paragraph(line: Terminal['line'], label: string, text: string, width: number): void {
  for (const [index, part] of wrap(text, width - 14).entries()) line(`      ${(index === 0 ? label : '').padEnd(6)}  ${part}`);
}

/** A text in lines of that width, broken at spaces. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function clip(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

function labelOf({ probe, outcome }: Done): readonly [string, Tone] {
  switch (outcome.kind) {
    case 'ok':
      return ['ok', 'good'];
    case 'finding':
      return probe.severity === 'advice' ? ['advice', 'warning'] : ['finding', 'bad'];
    case 'unknown':
      return ['could not tell', 'warning'];
    case 'skipped':
      return ['not asked', 'quiet'];
  }
}

function wordsOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'ok':
      return outcome.saw;
    case 'finding':
      return `${outcome.saw[0]}${outcome.saw.length > 1 ? `; and ${outcome.saw.length - 1} more` : ''}`;
    case 'unknown':
    case 'skipped':
      return outcome.why;
  }
}

function toData({ probe, outcome }: Done): object {
  const { name, group, severity, means, mend } = probe;
  const saw = outcome.kind === 'finding' ? outcome.saw : [outcome.kind === 'ok' ? outcome.saw : outcome.why];
  return { name, group, outcome: outcome.kind, saw, ...(outcome.kind === 'finding' ? { severity, means, mend } : {}) };
}

/** What is asked for, as the invoice says it. */
function priceOf({ invoice }: Offer): string {
  if ('fault' in invoice) return 'one that cannot be read';
  const { amountMsat } = invoice.value;
  const price = amountMsat === undefined ? 'whatever one likes to pay' : `${Amount.format(amountMsat)}`;
  const network = networkOf(invoice.value);
  return network === 'bitcoin' ? price : `${price}, play money (${invoice.value.chain})`;
}
