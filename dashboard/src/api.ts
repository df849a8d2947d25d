/**
 * What the pages ask the admin listener for. A session is a cookie that no script can read, and a proof that is kept here and sent with every call.
 */

/** A refusal, in the listener's words. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What is sent with a call. */
export type Input = { readonly [name: string]: string | number | boolean | undefined | readonly string[] | null | object };

const place = 'farebox-session';
const header = 'X-Farebox-Session';

/** Whether this browser has begun a session here; it may be over by now. */
export function hasSession(): boolean {
  return localStorage.getItem(place) !== null;
}

/** Begins a session with what stands behind `#` in a sign-in link. */
export async function signIn(link: string): Promise<void> {
  const { proof } = await post<{ readonly proof: string }>('/v1/session', { link });
  localStorage.setItem(place, proof);
}

/** Ends the session here and at the listener. */
export async function signOut(): Promise<void> {
  try {
    await post('/v1/session/end', {});
  } finally {
    localStorage.removeItem(place);
  }
}

/** Forgets a session that is over. */
export function forget(): void {
  localStorage.removeItem(place);
}

/** Asks what changes nothing: `ask('payments.list', { limit: 50 })`. */
export async function ask<Answer>(name: string, input: Input = {}, signal?: AbortSignal): Promise<Answer> {
  const response = await fetch(addressOf(name, input), { headers: headers(), ...(signal && { signal }) });
  return read(response);
}

/** Changes something, or says with `dryRun` what would change. */
export function change<Answer>(name: string, input: Input): Promise<Answer> {
  return post(`/v1/${name.replace('.', '/')}`, input);
}

/** What a stream of events tells, as it comes. Ends with the stream; throws where it breaks. */
export async function* follow<Item>(name: string, input: Input, signal: AbortSignal): AsyncGenerator<Item> {
  const response = await fetch(addressOf(name, input), { headers: headers(), signal });
  if (!response.ok || response.body === null) throw await refusalOf(response);
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) if (block.startsWith('data: ')) yield JSON.parse(block.slice(6)) as Item;
  }
}

/** Rows as a file of the reader's. */
export async function download(name: string, input: Input, file: string): Promise<void> {
  const response = await fetch(addressOf(name, input), { headers: headers() });
  if (!response.ok) throw await refusalOf(response);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = address;
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

async function post<Answer>(path: string, body: object): Promise<Answer> {
  return read(await fetch(path, { method: 'POST', headers: { ...headers(), 'Content-Type': 'application/json' }, body: JSON.stringify(body) }));
}

function headers(): Record<string, string> {
  const proof = localStorage.getItem(place);
  return proof === null ? {} : { [header]: proof };
}

function addressOf(name: string, input: Input): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(input)) {
    if (value === undefined || value === '' || value === null) continue;
    if (Array.isArray(value)) for (const one of value) query.append(key, String(one));
    else query.set(key, String(value));
  }
  const text = query.toString();
  return `/v1/${name.replace('.', '/')}${text === '' ? '' : `?${text}`}`;
}

async function read<Answer>(response: Response): Promise<Answer> {
  if (!response.ok) throw await refusalOf(response);
  return (await response.json()) as Answer;
}

async function refusalOf(response: Response): Promise<Refusal> {
  const problem = (await response.json().catch(() => ({}))) as { readonly code?: string; readonly detail?: string; readonly title?: string };
  const refusal = new Refusal(response.status, problem.code ?? '', problem.detail ?? problem.title ?? `The answer was ${response.status}.`);
  if (response.status === 401) dispatchEvent(new Event('farebox:signed-out'));
  return refusal;
}
