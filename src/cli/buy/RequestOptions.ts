/**
 * What is asked for, in curl's words: the options that `farebox get` and `farebox quote` share, and the request that they come to.
 */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { fromUtf8 } from '../../core/internal/bytes.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import { version } from '../version.ts';

/** As commander hands them over. */
export type RequestOptions = {
  readonly request?: string;
  readonly header: readonly string[];
  readonly data?: readonly string[];
  readonly dataBinary?: readonly string[];
  readonly dataRaw?: readonly string[];
  /** Words behind `--json`; '' where it stood alone. */
  readonly json?: readonly string[];
  readonly userAgent?: string;
  readonly head?: boolean;
  readonly location?: boolean;
  readonly compressed?: boolean;
  readonly connectTimeout?: number;
  readonly maxTime?: number;
};

/** A request, ready to be sent any number of times, and for any number of addresses. */
export type AskedRequest = {
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Whether redirects are followed. */
  readonly follows: boolean;
  /** Until a connection stands, each time; undefined: as long as the runtime waits. */
  readonly connectMs: number | undefined;
  /** Undefined: as long as it takes. */
  readonly maxTimeMs: number | undefined;
  /** Whether what came of it is printed as JSON. */
  readonly isJson: boolean;
};

/** Adds the options of a request to a command. */
export function withRequestOptions(command: Command): Command {
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  return command
    .option('-X, --request <method>', 'the method; default GET, or POST with a body')
    .option('-H, --header <line>', 'a header, such as "Accept: text/plain"; "Name:" takes one away, @file reads lines; may repeat', several, [])
    .option('-d, --data <body>', 'a body, byte for byte; @file reads it from a file, @- from standard input; several are joined by "&"', several)
    .option('--data-binary <body>', 'the same', several)
    .option('--data-raw <body>', 'the same, without a meaning for "@"', several)
    .addOption(
      new Option('--json [body]', 'with a body (JSON, @file or @-): send it as JSON. Alone: print what came of it as a line of JSON')
        .preset('')
        .argParser(several),
    )
    .option('-A, --user-agent <name>', `what to call ourselves; default "farebox/${version}"`)
    .option('-I, --head', 'ask for the head alone (HEAD), and print it')
    .option('-L, --location', 'follow redirects; a credential never goes along')
    .option('--compressed', 'ask for a compressed answer, and unpack it')
    .option('--connect-timeout <seconds>', 'give up where no connection stands after so long', (text: string) => readSeconds('--connect-timeout', text, 86_400))
    .option('--max-time <seconds>', 'give up after so long', (text: string) => readSeconds('--max-time', text));
}

/**
 * The addresses and the request that the words of a command come to.
 * @throws Ended – 2: a word that cannot be understood, a file that cannot be read
 */
export async function readRequest(
  context: CliContext,
  words: readonly string[],
  options: RequestOptions,
): Promise<{ readonly urls: readonly URL[]; readonly request: AskedRequest }> {
  // Our own connections know nothing of the runtime's proxy, and nobody is to be asked past it.
  if (options.connectTimeout !== undefined && usesProxy(context.environment))
    throw wrong('--connect-timeout does not go through the proxy that Node was told to use: take --max-time.');
  const { bodies, strays, isJson } = readJson(options.json ?? []);
  const urls = [...words, ...strays].map(readUrl);
  if (urls.length === 0) throw wrong('What is to be fetched? Name a URL, such as https://api.example.com/translate');
  const parts = [...(options.data ?? []), ...(options.dataBinary ?? [])].map((text) => readBody(context, text));
  const raw = (options.dataRaw ?? []).map(async (text) => fromUtf8(text));
  const json = bodies.map((text) => readBody(context, text));
  if (json.length > 0 && parts.length + raw.length > 0) throw wrong('A body is given by --json or by --data, not by both.');
  const pieces = await Promise.all([...json, ...parts, ...raw]);
  const body = pieces.length === 0 ? undefined : joined(pieces, json.length > 0 ? '' : '&');
  if (options.head && body !== undefined) throw wrong('--head asks without a body: leave --data away.');
  const defaults: [string, string][] = [
    ['User-Agent', options.userAgent ?? `farebox/${version}`],
    ['Accept', json.length > 0 ? 'application/json' : '*/*'],
    // What is printed is what was sent, and a part of a file is counted in the file's own bytes.
    ['Accept-Encoding', options.compressed ? 'gzip, deflate, br' : 'identity'],
    ...(body === undefined ? [] : [['Content-Type', json.length > 0 ? 'application/json' : 'application/x-www-form-urlencoded'] as [string, string]]),
  ];
  const request: AskedRequest = {
    method: options.request ?? (options.head ? 'HEAD' : body === undefined ? 'GET' : 'POST'),
    headers: readHeaders(options.header, defaults),
    body,
    follows: options.location === true,
    connectMs: options.connectTimeout === undefined ? undefined : Math.round(options.connectTimeout * 1000),
    maxTimeMs: options.maxTime === undefined ? undefined : options.maxTime * 1000,
    isJson,
  };
  return { urls, request };
}

/** A command line that cannot be understood. */
export function wrong(message: string): Ended {
  return new Ended(2, 'usage', message);
}

/** `--json` has two meanings, as nothing is both JSON and an address: what is no body was meant as the address behind a `--json` that stands alone. */
function readJson(words: readonly string[]) {
  const isBody = (text: string) => text.startsWith('@') || isJsonText(text);
  const strays = words.filter((word) => word !== '' && !isBody(word));
  return { bodies: words.filter(isBody), strays, isJson: words.includes('') || strays.length > 0 };
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** As a browser's address line: where no scheme is named it is https, and http on this machine. */
function readUrl(text: string): URL {
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(?=[:/?]|$)/i.test(text);
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${isLocal ? 'http' : 'https'}://${text}`);
  if (!url || !/^https?:$/.test(url.protocol)) throw wrong(`"${text.slice(0, 64)}" is no address that can be fetched: http or https.`);
  if (url.username !== '' || url.password !== '') throw wrong('A name and a password do not go into the address: send them with -H "Authorization: …".');
  return url;
}

async function readBody(context: CliContext, text: string): Promise<Uint8Array> {
  if (text === '@-') return context.readInput();
  return text.startsWith('@') ? readFile(text.slice(1)) : fromUtf8(text);
}

function readFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Ended(2, 'usage', `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`, { cause: error });
  }
}

function joined(pieces: readonly Uint8Array[], separator: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(pieces.flatMap((piece, index) => (index === 0 ? [piece] : [fromUtf8(separator), piece]))));
}

/** The headers of the command line, and those of ours that it says nothing of. */
function readHeaders(lines: readonly string[], defaults: readonly (readonly [string, string])[]): AskedRequest['headers'] {
  const given: [string, string][] = [];
  const named = new Set<string>();
  const all = lines.flatMap((line) =>
    line.startsWith('@')
      ? Buffer.from(readFile(line.slice(1)))
          .toString()
          .split(/\r?\n/)
          .filter(Boolean)
      : [line],
  );
  for (const line of all) {
    // "Name;" sends it empty, "Name:" sends it not at all.
    const [, name, mark, value = ''] = /^([^\s:;]+)\s*([:;])(.*)$/s.exec(line) ?? [];
    if (name === undefined || (mark === ';' && value.trim() !== '')) throw wrong('--header is written "Name: value".');
    named.add(name.toLowerCase());
    if (mark === ':' && value.trim() === '') continue;
    try {
      new Headers([[name, value.trim()]]);
    } catch (error) {
      throw new Ended(2, 'usage', `The header ${JSON.stringify(name.slice(0, 64))} cannot be sent: it has a character that no header has.`, { cause: error });
    }
    given.push([name, value.trim()]);
  }
  return [...defaults.filter(([name]) => !named.has(name.toLowerCase())), ...given];
}

/** Whether Node's own `fetch` goes through the proxy that the environment names. */
function usesProxy({ NODE_USE_ENV_PROXY, NODE_OPTIONS }: CliContext['environment']): boolean {
  return NODE_USE_ENV_PROXY === '1' || /(^|\s)--use-env-proxy(\s|$)/.test(NODE_OPTIONS ?? '');
}

function readSeconds(name: string, text: string, most = 999_999.999): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0)) throw wrong(`${name} is a number of seconds, such as 30 or 2.5.`);
  if (value > most) throw wrong(`${name} is at most ${most} seconds.`);
  return value;
}
