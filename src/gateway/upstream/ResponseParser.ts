/**
 * Reads an upstream's answers out of the bytes of one connection, in whatever pieces they come, and refuses what two readers could read
 * in two ways. Every byte is looked at once; nothing is kept beyond a line that is not whole yet and the head that it stands in.
 *
 *     head* (1xx) ─┬─ head ─┬─ no body ───────────────────────────────┬─ whole
 *                  │        ├─ so many bytes ─────────────────────────┤
 *                  │        ├─ (size ─ data)* ─ size 0 ─ trailers ────┤
 *                  │        └─ until the connection ends ─────────────┘
 *                  └─ 101, where it was asked for ─ no more of it is read
 *
 * @see RFC 9112, sections 2.2, 4, 5, 6, 7 and 8
 */
import { FareboxError } from '../../core/Errors.ts';
import { parseHeaderLine, parseKeepAlive, parseStatusLine } from './lines.ts';

/** Told of an answer. Headers and trailers are names and values in turn, one byte a character. */
export type AnswerSink = {
  readonly onInformational: (status: number, headers: readonly string[]) => void;
  readonly onHead: (status: number, headers: readonly string[]) => void;
  /** A part of what was read, good until this returns. */
  readonly onChunk: (bytes: Buffer, start: number, end: number) => void;
  readonly onEnd: (trailers: readonly string[]) => void;
};

/** What an answer may have. */
export type ParserLimits = {
  /** Of a head, with its status line and line ends. */
  readonly headBytes: number;
  /** Header lines in a head, and lines of trailers. */
  readonly lines: number;
  readonly trailerBytes: number;
  /** Answers before the answer. */
  readonly informationals: number;
  /** Of the extensions of one chunk. */
  readonly extensionBytes: number;
};

/** What no upstream in its right mind exceeds. */
export const parserLimits: ParserLimits = { headBytes: 65_536, lines: 256, trailerBytes: 16_384, informationals: 100, extensionBytes: 1024 };

/** See the head of this file. One a connection. */
export class ResponseParser {
  readonly #limits: ParserLimits;
  #sink: AnswerSink = nobody;
  #state: State = 'over';
  #isHead = false;
  #maySwitch = false;
  #isUntouched = true;
  #isReusable = false;
  #keepAliveMs: number | undefined;
  /** What has come of a line that is not whole. */
  #line = '';
  /** Bytes that head or trailers may still have. */
  #room = 0;
  #lines: string[] = [];
  #informationals = 0;
  #status = 0;
  #isOldVersion = false;
  #length: string | undefined;
  #isChunked = false;
  #saysClose = false;
  #saysKeepAlive = false;
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;
  /** Digits of a chunk's size, then bytes of its extensions. */
  #count = 0;

  constructor(limits: ParserLimits = parserLimits) {
    this.#limits = limits;
  }

  /** No answer is expected, or the last one is whole. */
  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** Whether not a byte has come since the answer was expected. */
  get isUntouched(): boolean {
    return this.#isUntouched;
  }

  /** The head of a 101 that was asked for; whatever stands behind it is of another protocol, and is not read here. Undefined where there was none. */
  get switchedHead(): readonly string[] | undefined {
    return this.#state === 'switched' ? this.#lines : undefined;
  }

  /** Whether another answer can follow on this connection: the last one is whole, nothing stands behind it, and the upstream has not said otherwise. */
  get isReusable(): boolean {
    return this.#state === 'over' && this.#isReusable;
  }

  /** How long the upstream says that it keeps the connection; undefined where it says nothing. */
  get keepAliveMs(): number | undefined {
    return this.#keepAliveMs;
  }

  /** Expects an answer to a request with this method. `maySwitch`: it asks to go on in another protocol. */
  expect(method: string, sink: AnswerSink, maySwitch = false): void {
    this.#sink = sink;
    this.#maySwitch = maySwitch;
    this.#isHead = method === 'HEAD';
    this.#isUntouched = true;
    this.#isReusable = false;
    this.#informationals = 0;
    this.#beginHead();
  }

  /** Tells nobody anything more; whatever still comes is passed over. */
  stop(): void {
    this.#sink = nobody;
    this.#state = 'over';
    this.#isReusable = false;
  }

  /**
   * Reads what has come. The answer is where it ended: before the end where another protocol begins.
   * @throws UPSTREAM_MALFORMED – it can be read in two ways, or is beyond a limit; nothing more is to be read after it
   */
  read(bytes: Buffer, start = 0, end = bytes.length): number {
    if (start < end) this.#isUntouched = false;
    let at = start;
    while (at < end) {
      if (this.#state === 'head' || this.#state === 'status' || this.#state === 'trailers') at = this.#readLines(bytes, at, end);
      else if (this.#state === 'length') at = this.#readLength(bytes, at, end);
      else if (this.#state === 'data') at = this.#readData(bytes, at, end);
      else if (this.#state === 'until-end') {
        this.#sink.onChunk(bytes, at, end);
        return end;
      } else if (this.#state === 'over') {
        // Bytes behind an answer belong to none: whoever is next on this connection would be given them.
        this.#isReusable = false;
        return end;
      } else if (this.#state === 'switched') return at;
      else at = this.#readSize(bytes, at, end);
    }
    return at;
  }

  /** The connection has ended; whether that leaves nothing half said. */
  end(): boolean {
    if (this.#state === 'until-end') this.#isWhole([]);
    this.#isReusable = false;
    return this.#state === 'over';
  }

  #readLines(bytes: Buffer, at: number, end: number): number {
    const windowEnd = Math.min(end, at + windowBytes);
    const text = bytes.toString('latin1', at, windowEnd);
    let from = 0;
    while (this.#state === 'head' || this.#state === 'status' || this.#state === 'trailers') {
      const feed = text.indexOf('\n', from);
      const isWhole = feed >= 0;
      const line = this.#line + text.slice(from, isWhole ? feed : undefined);
      if (line.length + (isWhole ? 1 : 0) > this.#room) throw malformed(this.#state === 'trailers' ? 'trailers beyond measure' : 'a head beyond measure');
      if (!isWhole) {
        this.#line = line;
        return windowEnd;
      }
      this.#line = '';
      this.#room -= line.length + 1;
      from = feed + 1;
      if (line.charCodeAt(line.length - 1) !== 13) throw malformed('a line feed alone');
      this.#takeLine(line.slice(0, -1));
    }
    return at + from;
  }

  #takeLine(line: string): void {
    if (this.#state === 'status') return this.#takeStatus(line);
    if (line === '') return this.#state === 'head' ? this.#takeHead() : this.#isWhole(this.#lines);
    if (this.#lines.length === 2 * this.#limits.lines) throw malformed('more lines than there may be');
    const colon = parseHeaderLine(line, this.#lines);
    if (colon === 0) throw malformed(line.charCodeAt(0) === 32 || line.charCodeAt(0) === 9 ? 'a folded line' : 'a line that is no header');
    if (this.#state === 'head' && (colon === 10 || colon === 14 || colon === 17)) this.#takeFraming();
  }

  #takeStatus(line: string): void {
    this.#status = parseStatusLine(line);
    if (this.#status === 0) throw malformed('a first line that is none of HTTP/1');
    this.#isOldVersion = line.startsWith('HTTP/1.0');
    this.#state = 'head';
  }

  /** The last line, where it says how long the body is, or what becomes of the connection. */
  #takeFraming(): void {
    const value = this.#lines[this.#lines.length - 1] as string;
    const name = (this.#lines[this.#lines.length - 2] as string).toLowerCase();
    if (name === 'content-length') {
      if (this.#length !== undefined) throw malformed('several lengths');
      if (!/^\d{1,15}$/.test(value)) throw malformed('a length that is no number');
      this.#length = value;
    } else if (name === 'transfer-encoding') {
      if (this.#isChunked || value.toLowerCase() !== 'chunked') throw malformed('a transfer coding beside chunked');
      this.#isChunked = true;
    } else if (name === 'connection') {
      this.#saysClose ||= /(?:^|[\s,])close(?:[\s,]|$)/i.test(value);
      this.#saysKeepAlive ||= /(?:^|[\s,])keep-alive(?:[\s,]|$)/i.test(value);
    } else if (name === 'keep-alive') this.#keepAliveMs = parseKeepAlive(value);
  }

  /** The empty line: how the body is framed. */
  #takeHead(): void {
    const status = this.#status;
    if (this.#isChunked && this.#length !== undefined) throw malformed('both lengths');
    if (this.#isChunked && this.#isOldVersion) throw malformed('chunks in HTTP/1.0');
    const length = this.#length === undefined ? 0 : Number(this.#length);
    if (status < 200) return this.#takeInformational(length);
    this.#isReusable = !this.#saysClose && (!this.#isOldVersion || this.#saysKeepAlive) && this.#keepAliveMs !== 0;
    this.#state = 'no-body';
    if (!this.#isHead && status !== 204 && status !== 304) {
      this.#left = length;
      if (this.#isChunked) this.#beginSize();
      else if (this.#length === undefined) this.#state = 'until-end';
      else if (length > 0) this.#state = 'length';
    } else if (status === 204 && (this.#isChunked || length > 0)) {
      // Some servers send it and some do not: whatever comes behind is taken for nobody's.
      this.#isReusable = false;
    }
    if (this.#state === 'until-end') this.#isReusable = false;
    this.#sink.onHead(status, this.#lines);
    if (this.#state === 'no-body') this.#isWhole([]);
  }

  #takeInformational(length: number): void {
    if (this.#status === 101 && !this.#maySwitch) throw malformed('another protocol that nobody asked for');
    if (this.#isChunked || length > 0) throw malformed('a body where none can be');
    if (this.#status === 101) {
      this.#state = 'switched';
      return;
    }
    if (++this.#informationals > this.#limits.informationals) throw malformed('more answers before the answer than there may be');
    const headers = this.#lines;
    const status = this.#status;
    this.#beginHead();
    this.#sink.onInformational(status, headers);
  }

  #readLength(bytes: Buffer, at: number, end: number): number {
    const to = Math.min(end, at + this.#left);
    this.#left -= to - at;
    this.#sink.onChunk(bytes, at, to);
    if (this.#left === 0 && this.#state === 'length') this.#isWhole([]);
    return to;
  }

  #readData(bytes: Buffer, at: number, end: number): number {
    const to = Math.min(end, at + this.#left);
    this.#left -= to - at;
    if (this.#left === 0) this.#state = 'data-return';
    this.#sink.onChunk(bytes, at, to);
    return to;
  }

  /** A chunk's size with its extensions and line end, or the line end behind its data, byte by byte. */
  #readSize(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const byte = bytes[at++] as number;
      if (this.#state === 'size') {
        const digit = hexValues[byte] as number;
        if (digit < 16) {
          if (++this.#count > sizeDigits) throw malformed('a chunk beyond measure');
          this.#left = this.#left * 16 + digit;
        } else if (this.#count === 0) throw malformed('a chunk without a size');
        else if (byte === 59) {
          this.#count = 0;
          this.#state = 'extension';
        } else if (byte === 13) this.#state = 'size-feed';
        else throw malformed('a chunk whose size is no number');
      } else if (this.#state === 'extension') {
        if (byte === 13) this.#state = 'size-feed';
        else if ((byte < 32 && byte !== 9) || byte === 127) throw malformed('an extension that ends a line');
        else if (++this.#count > this.#limits.extensionBytes) throw malformed('an extension beyond measure');
      } else if (this.#state === 'data-return') {
        if (byte !== 13) throw malformed('a chunk longer than its size');
        this.#state = 'data-feed';
      } else if (byte !== 10) throw malformed('a carriage return alone');
      else if (this.#state === 'data-feed') this.#beginSize();
      else return this.#takeSize(at);
    }
    return at;
  }

  #takeSize(at: number): number {
    if (this.#left > 0) this.#state = 'data';
    else {
      this.#state = 'trailers';
      this.#room = this.#limits.trailerBytes;
      this.#lines = [];
    }
    return at;
  }

  #beginHead(): void {
    this.#state = 'status';
    this.#line = '';
    this.#lines = [];
    this.#room = this.#limits.headBytes;
    this.#length = undefined;
    this.#isChunked = false;
    this.#saysClose = false;
    this.#saysKeepAlive = false;
    this.#keepAliveMs = undefined;
  }

  #beginSize(): void {
    this.#state = 'size';
    this.#left = 0;
    this.#count = 0;
  }

  #isWhole(trailers: readonly string[]): void {
    const sink = this.#sink;
    this.#sink = nobody;
    this.#state = 'over';
    sink.onEnd(trailers);
  }
}

type State =
  | 'over'
  | 'switched'
  | 'status'
  | 'head'
  | 'no-body'
  | 'length'
  | 'until-end'
  | 'size'
  | 'extension'
  | 'size-feed'
  | 'data'
  | 'data-return'
  | 'data-feed'
  | 'trailers';

const nobody: AnswerSink = { onInformational: () => {}, onHead: () => {}, onChunk: () => {}, onEnd: () => {} };

/** So much is looked at as text at once; what lies behind the head in it is looked at in vain. */
const windowBytes = 4096;

/** 2^48 bytes and no more in a chunk. */
const sizeDigits = 12;

const hexValues = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase());
  return value < 0 ? 255 : value;
});

/** `what` is one of our own words: nothing that the upstream sent is repeated. */
function malformed(what: string): FareboxError {
  return new FareboxError('UPSTREAM_MALFORMED', `The server behind this gateway sent ${what}. Send the same request again later; do not pay again.`, {
    details: { what },
  });
}
