/**
 * The rows of `docs/guide/selling.md`: each configuration as it stands under `examples`, and what one payment of it buys, over sockets. When
 * that is used up, nothing more is served.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import * as Challenge from '../../../src/core/Challenge.ts';
import { type Clock, systemClock } from '../../../src/core/Clock.ts';
import * as Books from '../../../src/store/Books.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { openDesk } from '../../e2e/processes.ts';
import { type Example, exampleConfig, type OpenStore, openGateway } from './Example.ts';

/** One row: a configuration below `examples`, and what is tried on it. */
type Row = { readonly file: string; readonly buys: string } & (
  | { readonly run: (till: Till, clock: FixedClock.FixedClock) => Promise<void> }
  /** The program beside it plays it, and says this. */
  | { readonly says: string; readonly served: number; readonly earnedMsat: bigint }
);

/** Whoever buys there. */
type Till = Example & {
  /** Pays for what a path sells; the answer is the credential. */
  readonly buy: (path: string) => Promise<string>;
  /** Asks with a credential: the status, and what is left or the code of the refusal. */
  readonly get: (path: string, authorization?: string, from?: string) => Promise<string>;
  /** Asks without paying, with a trial token or without: the status, and what is left or the code of the refusal; and the trial token that it is given. */
  readonly taste: (path: string, trial?: string, from?: string) => Promise<{ readonly said: string; readonly trial: string | undefined }>;
  /** Asks so often, a few at a time: how often it was served. */
  readonly take: (path: string, authorization: string, times: number) => Promise<number>;
  /** Whatever is tried with the credential from now on gets this, and the upstream sees none of it. */
  readonly serveNoMore: (authorization: string, paths: readonly string[], said: string) => Promise<void>;
};

const translate = '/api/v1/translate';
const document = '/api/v1/document';
const pictures = '/api/v1/pictures';
const used = '402 CREDENTIAL_USED';

/** Every row of the guide's tables, in their order. */
export const rows: readonly Row[] = [
  {
    file: 'selling/per-request',
    buys: 'one request',
    run: async ({ buy, get, serveNoMore }) => {
      const bought = await buy(translate);
      expect(await get(translate, bought)).toBe('200 charged');
      await serveNoMore(bought, [translate, `${translate}?again`], used);
    },
  },
  {
    file: 'selling/pass',
    buys: 'any number of requests for an hour',
    run: async ({ buy, get, take, serveNoMore }, clock) => {
      const bought = await buy('/api/v1/batch/a');
      expect(await take('/api/v1/batch/b', bought, 200)).toBe(200);
      // What is bought lasts from the end of its invoice; what was revoked is asked anew when the hour has moved so far.
      for (const [ms, said] of [
        [4_200_000, /^200/],
        [1000, /^402/],
      ] as const) {
        clock.advance(ms);
        let got = '503';
        while (got.startsWith('503')) got = await get('/api/v1/batch/c', bought);
        expect(got).toMatch(said);
      }
      await serveNoMore(bought, ['/api/v1/batch/a', '/api/v1/batch/b'], '402 CREDENTIAL_EXPIRED');
    },
  },
  {
    file: 'selling/bucket',
    buys: '1,500 requests of one route',
    run: async ({ buy, get, take, serveNoMore }) => {
      const bought = await buy(translate);
      expect(await get(translate, bought)).toBe('200 1499');
      expect(await take(translate, bought, 1498)).toBe(1498);
      expect(await get(translate, bought)).toBe('200 0');
      await serveNoMore(bought, [translate], used);
    },
  },
  {
    file: 'selling/leased',
    buys: '1,500 requests of one route, counted twenty at a time',
    run: async ({ buy, get, take, serveNoMore, store }) => {
      const bought = await buy(translate);
      expect(await get(translate, bought)).toBe('200 1499');
      expect(await take(translate, bought, 1498)).toBe(1498);
      expect(await get(translate, bought)).toBe('200 0');
      await serveNoMore(bought, [translate], used);
      const { earnedMsat, sales } = await store.totals();
      expect([earnedMsat, sales]).toEqual([1_000_000n, 75]);
    },
  },
  {
    file: 'selling/service-bucket',
    buys: '1,500 units of a service',
    run: async ({ buy, get, take, serveNoMore }) => {
      const bought = await buy(document);
      expect(await get(document, bought)).toBe('200 1480');
      expect(await take(document, bought, 73)).toBe(73);
      expect(await get(translate, bought)).toBe('200 19');
      await serveNoMore(bought, [document], used);
      expect(await take(translate, bought, 19)).toBe(19);
      await serveNoMore(bought, [document, translate], used);
    },
  },
  {
    file: 'selling/credit',
    buys: 'a balance, spent at the price of each route',
    run: async ({ buy, get, take, serveNoMore, store }) => {
      const bought = await buy(document);
      expect(await get(translate, bought)).toBe('200 9993 sat');
      expect(await take(document, bought, 71)).toBe(71);
      await serveNoMore(bought, [document], used);
      expect(await take(translate, bought, 7)).toBe(7);
      await serveNoMore(bought, [document, translate], used);
      const { columns } = await Books.verify(store.audit());
      expect([columns.received.amountMsat, columns.earned.amountMsat]).toEqual([9_000_000n, (9_000_000n * 9996n) / 10_000n]);
    },
  },
  {
    file: 'selling/on-request',
    buys: '100 requests, each charged when it is let through',
    run: async ({ buy, get, take, serveNoMore, store }) => {
      const bought = await buy(pictures);
      expect(await get(pictures, bought)).toBe('200 99');
      expect(await take(`${pictures}?do=status-503`, bought, 3)).toBe(0);
      expect(await get(`${pictures}?do=reset`, bought)).toBe('502 UPSTREAM_UNREACHABLE');
      expect(await get(pictures, bought)).toBe('200 94');
      expect(await take(pictures, bought, 94)).toBe(94);
      await serveNoMore(bought, [pictures], used);
      expect((await store.totals()).earnedMsat).toBe(5_000_000n);
    },
  },
  {
    file: 'selling/free-quota',
    buys: 'five requests a day for nothing, for each client',
    run: async ({ buy, get, serveNoMore }, clock) => {
      for (const from of ['127.0.0.1', '127.0.0.9']) {
        for (const left of [4, 3, 2, 1, 0]) expect(await get(translate, undefined, from)).toBe(`200 free ${left}`);
        expect(await get(translate, undefined, from)).toMatch(/^402/);
      }
      const bought = await buy(translate);
      expect(await get(translate, bought)).toBe('200 charged');
      await serveNoMore(bought, [translate], used);
      clock.advance(86_400_000);
      expect(await get(translate)).toBe('200 free 4');
    },
  },
  {
    file: 'selling/free-trials',
    buys: 'five requests a day for nothing, for each of four clients at one address',
    run: async ({ taste, upstream }, clock) => {
      const anonymous = await taste(translate);
      expect(anonymous.said).toBe('200 free 4');
      const trials = [anonymous.trial, (await taste(translate)).trial, (await taste(translate)).trial, (await taste(translate)).trial];
      for (const trial of trials.slice(0, 3)) {
        for (const left of [4, 3, 2, 1, 0]) expect(await taste(translate, trial)).toEqual({ said: `200 free ${left}`, trial: undefined });
        expect((await taste(translate, trial)).said).toMatch(/^402/);
      }
      // The fourth has no share of his own any more, and none of them has one elsewhere.
      expect([(await taste(translate, trials[3])).said, (await taste(translate, trials[3])).said]).toEqual(['200 free 0', '402 PAYMENT_REQUIRED']);
      const elsewhere = await taste(translate, trials[0], '127.0.0.9');
      expect([elsewhere.said, elsewhere.trial]).toEqual(['200 free 4', expect.stringMatching(/^[0-9a-f]{74}$/)]);
      expect(upstream.seen.filter(({ headers }) => headers['l402-trial'] !== undefined)).toEqual([]);
      clock.advance(86_400_000);
      expect((await taste(translate, trials[2])).said).toBe('200 free 4');
    },
  },
  {
    file: 'handing-on/research',
    buys: 'a credit, of which three helpers have 200 sat each',
    says: `The agent has paid once, read a paper, and has 950 sat left.
ada: 4 papers, then 403 CREDENTIAL_NARROWED
ben: 4 papers, then 403 CREDENTIAL_NARROWED
cleo: 4 papers, then 403 CREDENTIAL_NARROWED
The agent has 300 sat left.
`,
    served: 14,
    earnedMsat: 630_000n,
  },
  {
    file: 'handing-on/storage',
    buys: 'a storage, of which somebody else reads one directory',
    says: `owner: PUT /files/reports/may.txt 200
owner: PUT /files/letters/to-anna.txt 200
reader: GET /files/reports/may.txt 200
reader: PUT /files/reports/may.txt 403
reader: DELETE /files/reports/may.txt 403
reader: GET /files/letters/to-anna.txt 403
reader: GET /files/reports/%2e%2e/letters/to-anna.txt 403
`,
    served: 3,
    earnedMsat: 18_900n,
  },
];

/** Tests one kind of store, a new one for each row. */
export function testRows(openStore: OpenStore): void {
  const closing: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(file: string, clock: Clock): Promise<Till> {
    const example = await openGateway((upstream) => exampleConfig(file, upstream), openStore, clock);
    const till = tillOf(example);
    closing.push(till.close);
    return till;
  }

  test.each(rows)(
    '$file: $buys',
    async (row) => {
      if ('run' in row) {
        const clock = FixedClock.create();
        const till = await open(row.file, clock);
        await row.run(till, clock);
        expect((await Books.verify(till.store.audit())).discrepancies).toEqual([]);
        return;
      }
      const { store, sandbox, upstream, url } = await open(row.file, systemClock);
      const desk = openDesk({ program: fileURLToPath(new URL('../../../examples/run.ts', import.meta.url)) });
      closing.push(desk.close);
      mkdirSync(join(desk.folder, 'home'));
      writeFileSync(join(desk.folder, 'home', 'sandbox.json'), JSON.stringify({ url: sandbox.url, token: sandbox.token }));
      expect(await desk.run(row.file, url)).toEqual({ code: 0, signal: null, stdout: row.says, stderr: '' });
      expect(upstream.seen.length).toBe(row.served);
      const { columns, discrepancies } = await Books.verify(store.audit());
      expect([discrepancies, columns.received.payments, columns.earned.amountMsat, columns.held.amountMsat]).toEqual([[], 1, row.earnedMsat, 0n]);
    },
    60_000,
  );
}

function tillOf(example: Example): Till {
  const { url, upstream, sandbox } = example;
  const payer = sandbox.network.payer('buyer');
  const agent = new Agent({ keepAlive: true });
  const said = ({ status, headers, body }: Answer): string => {
    const free = headers['l402-free'];
    if (free !== undefined) return `${status} free ${free}`;
    return `${status} ${status < 400 ? (headers['l402-remaining'] ?? headers['l402-payment'] ?? '') : (JSON.parse(body) as { readonly code: string }).code}`;
  };
  const get: Till['get'] = async (path, authorization, from) => said(await ask(agent, url + path, authorization === undefined ? {} : { authorization }, from));
  const take: Till['take'] = async (path, authorization, times) => {
    let served = 0;
    for (let left = times; left > 0; left -= 25) {
      const said = await Promise.all(Array.from({ length: Math.min(25, left) }, () => get(path, authorization)));
      served += said.filter((one) => one.startsWith('200')).length;
    }
    return served;
  };
  return {
    ...example,
    close: async () => {
      agent.destroy();
      await example.close();
    },
    get,
    taste: async (path, trial, from) => {
      const answer = await ask(agent, url + path, trial === undefined ? {} : { 'l402-trial': trial }, from);
      return { said: said(answer), trial: answer.headers['l402-trial'] as string | undefined };
    },
    take,
    buy: async (path) => {
      const { lines } = await ask(agent, url + path);
      const challenge = Challenge.choose(Challenge.parse(lines));
      if (!challenge) throw new Error(`${path} offers nothing`);
      const paid = await payer.pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(20), timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(`not paid: ${paid.kind}`);
      return `L402 ${challenge.token}:${paid.preimage}`;
    },
    serveNoMore: async (authorization, paths, said) => {
      const before = upstream.seen.length;
      const answers = await Promise.all([...paths, ...paths, ...paths].map((path) => get(path, authorization)));
      expect([...new Set(answers)]).toEqual([said]);
      expect(upstream.seen.length).toBe(before);
    },
  };
}

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly lines: readonly string[];
  readonly body: string;
};

/** One request from this address. */
function ask(agent: Agent, url: string, headers: Record<string, string> = {}, from = '127.0.0.1'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, agent, localAddress: from }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const { statusCode = 0, headers, headersDistinct } = response;
      resolve({ status: statusCode, headers, lines: headersDistinct['www-authenticate'] ?? [], body: Buffer.concat(chunks).toString() });
    });
    sent.on('error', reject);
    sent.end();
  });
}
