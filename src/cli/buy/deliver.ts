/**
 * Brings an answer to where it belongs: its body, byte for byte, to standard output or into a file, and what was paid to standard error.
 */
import { shown } from '../../client/Client.ts';
import type { ResponsePayment } from '../../client/index.ts';
import { fromUtf8, toBase64, toUtf8 } from '../../core/internal/bytes.ts';
import { Ended } from '../exit.ts';
import { printable, toJson } from '../Terminal.ts';
import type { Call, Desk, Record } from './call.ts';
import * as Download from './Download.ts';
import { BodyBroken, type Failure } from './failure.ts';
import { paidLine } from './Paying.ts';
import { sizeOf } from './Progress.ts';

/** An answer, and what is done with it. */
export type Answer = {
  readonly response: Response;
  readonly payment: ResponsePayment | undefined;
  readonly download: Download.Download | undefined;
  /** The credential that was kept back instead of being shown. */
  readonly credential: string | undefined;
  /** Where it is an offer that is not taken. */
  readonly refusal: Failure | undefined;
};

/** See the head of this file. False: it is a server's error. @throws BodyBroken – the body breaks off; Ended – it does not fit what is here of it */
export async function deliver(desk: Desk, call: Call, record: Record, answer: Answer): Promise<boolean> {
  const { purse, request, manner } = desk;
  const { response, payment, credential, download } = answer;
  if (credential !== undefined) {
    await call.slot.write(fromUtf8(`${credential}\n`));
    if (payment) note(desk, call, `${paidLine(payment, purse.network)}; whoever has this line can use it: Authorization: <it>`);
    return true;
  }
  const isWhole = download !== undefined && download.have > 0 && response.status === 416;
  const isError = response.status >= 400 && !isWhole;
  if (!request.isJson && (manner.includesHead || request.method === 'HEAD')) await call.slot.write(fromUtf8(headOf(response)));
  if (isWhole) await endAtWhole(call, record, download, response);
  else if (isError && manner.fails) await response.body?.cancel();
  else if (download !== undefined && !isError) await save(desk, call, record, response, download);
  else if (request.isJson) await writeJson(call, record, answer);
  else if (call.file !== undefined) await sayError(desk, call, response);
  else await writeOut(desk, call, record, response);
  if (request.isJson && (download !== undefined || manner.fails) && !(isError && !manner.fails)) {
    await writeLine(call, answer, { ...(download && !isError && { file: download.path }) });
  }
  if (payment) note(desk, call, paidLine(payment, purse.network));
  const location = response.status >= 300 && response.status < 400 ? response.headers.get('Location') : null;
  if (location !== null && !request.follows) note(desk, call, `${response.status}: it is at ${printable(location)}; --location goes there.`);
  return !isError;
}

/** Something about a call, to standard error. */
export function note({ context: { terminal }, manner }: Desk, { name }: Pick<Call, 'name'>, text: string): void {
  if (!manner.isSilent) terminal.note(terminal.tone('quiet', name === '' ? text : `${name}  ${text}`));
}

async function writeOut(desk: Desk, call: Call, record: Record, response: Response): Promise<void> {
  const { terminal } = desk.context;
  // The body is what is to be seen from here on.
  if (terminal.isInteractive) call.track.ends();
  const total = totalOf(response);
  record.tell({ kind: 'receiving', status: response.status, from: 0, total });
  let last: number | undefined;
  let bytes = 0;
  for await (const chunk of chunksOf(response, () => `${sizeOf(bytes)} of it came.`)) {
    if (chunk.byteLength === 0) continue;
    bytes += chunk.byteLength;
    last = chunk.at(-1);
    if (!terminal.isInteractive) call.track.has(bytes, total);
    await call.slot.write(chunk);
  }
  if (terminal.isInteractive && bytes > 0 && last !== 10) await call.slot.write(Uint8Array.of(10));
  record.tell({ kind: 'received', bytes, file: undefined });
}

/** Characters of an error's words that are shown; what comes behind them is not read. */
const mostSaid = 2000;

/** The words of an error are for a person: they do not go into the file that was asked for. */
async function sayError(desk: Desk, call: Call, response: Response): Promise<void> {
  let head = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunksOf(response, () => '')) {
    head += decoder.decode(chunk, { stream: true });
    if (head.length > mostSaid) break;
  }
  const text = head.slice(0, mostSaid).trim();
  if (text !== '') note(desk, call, printable(text));
}

async function save(desk: Desk, call: Call, record: Record, response: Response, download: Download.Download): Promise<void> {
  const { path, isDevice } = download;
  const writing = await Download.write(download, response);
  if (writing.isAnew) note(desk, call, `${path} has changed since, or its server has no parts of it: it is fetched anew.`);
  else if (writing.from > 0) note(desk, call, `${path} goes on at ${sizeOf(writing.from)}.`);
  record.tell({ kind: 'receiving', status: response.status, from: writing.from, total: writing.total });
  let bytes = writing.from;
  const state = () => {
    if (isDevice) return `${sizeOf(bytes)} of it came.`;
    return `${Download.partOf(path)} has ${sizeOf(bytes)} of it${writing.isResumable ? ': --continue goes on there.' : ', and its server offers no way to go on there.'}`;
  };
  try {
    for await (const chunk of chunksOf(response, state)) {
      await writing.write(chunk);
      bytes += chunk.byteLength;
      call.track.has(bytes, writing.total);
    }
  } catch (error) {
    await writing.leave();
    throw error;
  }
  await writing.finish();
  record.tell({ kind: 'received', bytes, file: path });
  if (!isDevice) note(desk, call, `${path}  ${sizeOf(bytes)}`);
}

/** There is no rest: the part is the whole, or it is another version's. */
async function endAtWhole(call: Call, record: Record, download: Download.Download, response: Response): Promise<void> {
  await response.body?.cancel();
  if (!Download.isWholeBy(response, download)) {
    const message = `What ${call.url.host} has now is not what ${Download.partOf(download.path)} is the beginning of. Fetch it anew, without --continue.`;
    throw new Ended(1, 'changed', message);
  }
  await Download.complete(download);
  record.tell({ kind: 'received', bytes: download.have, file: download.path });
}

async function writeJson(call: Call, record: Record, answer: Answer): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(answer.response, () => '')) chunks.push(chunk);
  const body = new Uint8Array(Buffer.concat(chunks));
  const text = toUtf8(body);
  record.tell({ kind: 'received', bytes: body.byteLength, file: undefined });
  await writeLine(call, answer, text === undefined ? { bodyBase64: toBase64(body) } : { body: text });
}

function writeLine(call: Call, { response, payment, refusal }: Answer, more: object): Promise<void> {
  const paid = payment && { paymentHash: payment.paymentHash, amountMsat: payment.amountMsat, feeMsat: payment.feeMsat, reused: payment.reused };
  const refused = refusal && { refused: { code: refusal.code, message: refusal.message } };
  const { status, headers } = response;
  return call.slot.write(fromUtf8(`${toJson({ url: shown(call.url), status, headers: Object.fromEntries(headers), payment: paid, ...refused, ...more })}\n`));
}

/** The parts of a body. @throws BodyBroken – it breaks off */
async function* chunksOf(response: Response, state: () => string): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let isWhole = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw new BodyBroken(state(), { cause: error });
      });
      if (done) {
        isWhole = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!isWhole) await reader.cancel().catch(() => undefined);
  }
}

function headOf(response: Response): string {
  const lines = [...response.headers].map(([name, value]) => `${name}: ${printable(value)}`);
  return [`HTTP/1.1 ${response.status} ${printable(response.statusText)}`, ...lines, '', ''].join('\n');
}

function totalOf(response: Response): number | undefined {
  const text = response.headers.get('Content-Length');
  return text !== null && /^\d{1,15}$/.test(text) && !response.headers.has('Content-Encoding') ? Number(text) : undefined;
}
