/**
 * What a gateway says of its requests and sales while it runs: as words at a terminal, as JSON where that is piped, or as `logs` in the configuration
 * says, by pino.
 *
 *     {"level":"info","at":"2026-11-28T16:05:00.000Z","kind":"request","id":"5f0c3a91b2d4e6f8-1a","method":"GET","path":"/api","route":"GET /api",
 *      "status":200,"bytes":512,"durationMs":12,"ended":"delivered","client":"192.0.2.7","payment":"charged","chargedMsat":"10000","token":"301225cd"}
 *
 * What is written is named here, field by field: no header's value, no query, no credential has a way into it. Of an error that befell a request its code
 * is written and not its words, which may be somebody else's.
 */
import type { Logger } from 'pino';
import * as Amount from '../../core/Amount.ts';
import { seldom, systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { LogLevel, LogsConfig, RequestOutcome } from '../../gateway/index.ts';
import type { PaywallEvent } from '../../server/Events.ts';
import { printable, type Terminal } from '../Terminal.ts';
import { type LogFile, openLogFile } from './LogFile.ts';

/** See the head of this file. */
export type Logs = {
  readonly request: (outcome: RequestOutcome) => void;
  readonly event: (event: PaywallEvent) => void;
  /** Something else: facts for programs, words for people. */
  readonly note: (level: LogLevel, facts: { readonly kind: string; readonly [name: string]: unknown }, words: string) => void;
  /** Opens its file anew, after it was moved away. */
  readonly reopen: () => void;
  /** Writes what is still to be written. */
  readonly close: () => Promise<void>;
};

/** As the configuration says. `worker`: which of several processes it is. @throws Error – its file cannot be written */
export async function openLogs(terminal: Terminal, config: LogsConfig | undefined, worker?: number): Promise<Logs> {
  const onTerminal = terminalLogs(terminal);
  if (config === undefined) return onTerminal;
  const { pino } = await import('pino');
  const make = (stream: { readonly write: (line: string) => unknown }, level: LogLevel): Logger =>
    pino(
      {
        level,
        base: worker === undefined ? null : { worker },
        timestamp: () => `,"at":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
        messageKey: 'message',
      },
      stream,
    );
  const { access } = config;
  const file = typeof access === 'object' ? await openAccessLog(terminal, access.path) : undefined;
  const isJson = config.format === undefined ? !terminal.isInteractive : config.format === 'json';
  const lines = isJson ? make(toTerminal(terminal), config.level) : undefined;
  const requests = file === undefined ? lines : make(file, 'info');
  const isShown = (level: LogLevel) => levels.indexOf(level) >= levels.indexOf(config.level);
  return {
    request: (outcome) => {
      const level = outcome.status >= 500 || outcome.ended === 'upstream-failed' ? 'warn' : 'info';
      if (requests !== undefined && access !== false) requests[level](factsOf(outcome));
      else if (access === true && isShown(level)) onTerminal.request(outcome);
    },
    event: (event) => {
      const level = levelOf(event);
      if (lines !== undefined) lines[level](factsOfEvent(event));
      else if (isShown(level)) onTerminal.event(event);
    },
    note: (level, facts, words) => {
      if (lines !== undefined) lines[level](facts);
      else if (isShown(level)) terminal.note(words);
    },
    reopen: () => file?.reopen(),
    close: async () => file?.close(),
  };
}

function openAccessLog(terminal: Terminal, path: string): Promise<LogFile> {
  return openLogFile(
    path,
    seldom(systemClock, () => terminal.note(terminal.tone('bad', `The access log cannot be written to ${path}.`))),
  );
}

/** What is said where the configuration says nothing of it. */
function terminalLogs(terminal: Terminal): Logs {
  return {
    request: (outcome) => showRequest(terminal, outcome),
    event: (event) => showEvent(terminal, event),
    note: (_, facts, words) => {
      terminal.data({ ...facts, at: new Date().toISOString() });
      terminal.note(words);
    },
    reopen: () => {},
    close: async () => {},
  };
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Standard output, as the terminal guards it. */
function toTerminal(terminal: Terminal): { readonly write: (line: string) => void } {
  const encoder = new TextEncoder();
  return { write: (line) => void terminal.raw(encoder.encode(line)).catch(() => {}) };
}

/** What is written of a request, and nothing else. */
function factsOf(outcome: RequestOutcome): { readonly [name: string]: unknown } {
  const { requestId, method, path, route, status, bytes, answerBytes, durationMs, ended, client, payment, chargedMsat, token, error } = outcome;
  return {
    kind: 'request',
    id: requestId,
    method,
    path,
    route,
    status,
    bytes: bytes?.out ?? answerBytes,
    bytesIn: bytes?.in,
    durationMs: Math.round(durationMs),
    ended,
    client,
    payment,
    chargedMsat: chargedMsat === undefined ? undefined : String(chargedMsat),
    token,
    error: codeOf(error),
  };
}

/** Steps of a sale that the line of its request, or another event, tells as well. */
const inDetail: ReadonlySet<PaywallEvent['kind']> = new Set(['challenged', 'delivered', 'given', 'left', 'passed', 'refused', 'repeated']);

function levelOf(event: PaywallEvent): LogLevel {
  const { kind } = event;
  if (event.kind === 'alert' && (event.state === 'cleared' || event.alert === 'account-low')) return 'info';
  if (kind === 'trouble' || kind === 'left-out' || kind === 'alert') return 'error';
  return inDetail.has(kind) ? 'debug' : 'info';
}

function factsOfEvent(event: PaywallEvent): { readonly [name: string]: unknown } {
  if (event.kind === 'trouble')
    return { kind: event.kind, what: event.what, payee: event.payee, code: codeOf(event.error), message: printable(messageOf(event.error)) };
  const { at: _, ...facts } = event;
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value]));
}

/** A coded error's code, or a system's, such as `ECONNREFUSED`; otherwise what kind it is. */
function codeOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  if (FareboxError.is(error)) return error.code;
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  const word = typeof code === 'string' ? code : name;
  return typeof word === 'string' && /^[A-Za-z0-9_]{1,64}$/.test(word) ? word : 'Error';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function showRequest(terminal: Terminal, outcome: RequestOutcome): void {
  const { method, path, status, ended, durationMs, route } = outcome;
  terminal.data({ kind: 'request', at: new Date().toISOString(), method, path, route, status, ended, durationMs: Math.round(durationMs) });
  const tone = status >= 500 ? 'bad' : status === 402 ? 'warning' : status >= 400 ? 'bad' : 'good';
  const time = terminal.tone('quiet', new Date().toTimeString().slice(0, 8));
  terminal.line(
    `${time}  ${terminal.tone(tone, String(status || '---'))}  ${method} ${path}${ended === 'delivered' || ended === 'answered' || ended === 'refused' ? '' : `  ${ended}`}`,
  );
}

function showEvent(terminal: Terminal, event: PaywallEvent): void {
  const { at, ...news } = event;
  const time = new Date(at);
  if (event.kind === 'trouble') {
    const message = messageOf(event.error);
    terminal.data({ kind: 'trouble', at: time.toISOString(), what: event.what, message });
    return terminal.note(terminal.tone('bad', `trouble with ${event.what}: ${message}`));
  }
  terminal.data({ ...news, at: time.toISOString() });
  if (event.kind === 'alert') return terminal.note(terminal.tone(event.state === 'cleared' ? 'good' : 'warning', event.words));
  if (event.kind === 'left-out') return terminal.note(terminal.tone('bad', `left out: ${event.upstream} (${event.why})`));
  if (event.kind === 'back') return terminal.note(terminal.tone('good', `back: ${event.upstream}`));
  if (event.kind !== 'charged' && event.kind !== 'settled' && event.kind !== 'topped-up') return;
  const amount = Amount.format(event.amountMsat);
  const words = { charged: `+ ${amount}`, settled: `⚡ ${amount} arrived`, 'topped-up': `${amount} for a top-up` };
  const sold = terminal.tone(event.kind === 'charged' ? 'money' : 'quiet', words[event.kind]);
  terminal.line(
    `${terminal.tone('quiet', time.toTimeString().slice(0, 8))}  ${sold}  ${event.route}  ${terminal.tone('quiet', event.paymentHash.slice(0, 16))}`,
  );
}
