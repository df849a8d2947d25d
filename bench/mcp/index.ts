/**
 * What `mcp gate` adds to a tool call: to a free and to a paid one beside the same call at the server itself, and to a paid one beside a free one through
 * the gate.
 *
 *     npm run bench -- mcp [stdio] [http]      one of them
 *
 * One call after the other, since that is how an agent calls. Counted is the processor time of all that takes part: client, gate and server. A bare call is
 * one round trip of the transport, so that a gate which adds no more than another one at most doubles it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { formatProof, paymentKey } from '../../src/mcp/ToolPayment.ts';
import type { Run } from '../harness/Bench.ts';
import { type Comparison, compare, type Side } from '../harness/Comparison.ts';
import { loopAsync } from '../harness/Loop.ts';
import { threadsNs } from '../harness/Program.ts';
import { printTable } from '../harness/Table.ts';

export const summary = 'Processor time of a tool call through mcp gate beside one at the server, and of a paid one beside a free one';

/** A client, and the processes behind it. */
type Way = { readonly client: Client; readonly pids: readonly number[] };
type Stage = { readonly bare: Way; readonly gated: Way; readonly credential: string; readonly close: () => Promise<void> };

/** Of A, B and A again, in a round. */
const turns = 40;

export const run: Run = async ({ isQuick, args }) => {
  const results: Comparison[] = [];
  // So many that a round takes about as long over either transport, in turns so short that the moods of the machine fall on all alike.
  for (const [name, open, calls] of [
    ['stdio', openStdio, 200],
    ['HTTP', openHttp, 40],
  ] as const) {
    const count = isQuick ? calls / 4 : calls;
    if (args.length > 0 && !args.includes(name.toLowerCase())) continue;
    const stage = await open();
    try {
      const free = sideOf('gate, free', stage.gated, 'free', count);
      const common = { rounds: isQuick ? 9 : 15, warmUps: 2, turns: isQuick ? 4 : turns };
      results.push(await compare({ name: `${name}: a free tool`, a: sideOf('bare', stage.bare, 'free', count), b: free, bound: { atMost: 2 }, ...common }));
      const paid = sideOf('gate, paid', stage.gated, 'paid', count, stage.credential);
      results.push(await compare({ name: `${name}: a paid tool (pass)`, a: free, b: paid, ...common }));
      // The same call with the same proof, which the server passes over. One more round trip, and the verification, for which nothing is allowed.
      results.push(
        await compare({
          name: `${name}: a paid tool, beside bare`,
          a: sideOf('bare', stage.bare, 'free', count, stage.credential),
          b: paid,
          bound: { atMost: 2 },
          ...common,
        }),
      );
    } finally {
      await stage.close();
    }
  }
  printTable(results);
  console.log(
    `${turns} turns of 200 calls (HTTP: 40) a round, one call after the other, a kilobyte of text each; client, gate and server are counted together.`,
  );
};

function sideOf(name: string, { client, pids }: Way, tool: string, count: number, credential?: string): Side {
  const [token = '', preimage = ''] = credential?.split(':') ?? [];
  const params = { name: tool, arguments: {}, ...(credential !== undefined && { _meta: { [paymentKey]: formatProof(token, preimage) } }) };
  const others = async () => (await Promise.all(pids.map((pid) => threadsNs(pid)))).reduce<number>((sum, each) => sum + (each ?? 0), 0);
  return {
    name,
    run: async () => {
      const before = await others();
      const own = await loopAsync(async () => {
        const { isError } = await client.callTool(params);
        if (isError) throw new Error(`${tool} failed`);
      }, count);
      return { cpuNs: own.cpuNs + (await others()) - before, count };
    },
  };
}

async function openStdio(): Promise<Stage> {
  const bare = new StdioClientTransport({ command: process.execPath, args: [fileOf('serverProgram.ts')] });
  const gated = new StdioClientTransport({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', fileOf('gateProgram.ts')],
    stderr: 'pipe',
  });
  const said = firstLine(gated.stderr as unknown as NodeJS.ReadableStream);
  const [bareWay, gatedWay] = [await enter(bare), await enter(gated)];
  const gate = gated.pid ?? 0;
  return {
    bare: { client: bareWay, pids: [bare.pid ?? 0] },
    gated: { client: gatedWay, pids: [gate, ...childrenOf(gate)] },
    credential: String((await said).credential),
    close: async () => void (await Promise.all([bareWay.close(), gatedWay.close()])),
  };
}

async function openHttp(): Promise<Stage> {
  const server = spawn(process.execPath, [fileOf('serverProgram.ts'), 'http'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const { url } = await firstLine(server.stderr);
  const gate = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileOf('gateProgram.ts'), String(url)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said = await firstLine(gate.stderr);
  const pidOf = ({ pid }: ChildProcess) => pid ?? 0;
  const [bare, gated] = [await enter(over(String(url))), await enter(over(String(said.url)))];
  return {
    bare: { client: bare, pids: [pidOf(server)] },
    gated: { client: gated, pids: [pidOf(gate), pidOf(server)] },
    credential: String(said.credential),
    close: async () => {
      await Promise.all([bare.close(), gated.close()]);
      gate.kill();
      server.kill();
    },
  };
}

async function enter(transport: Transport): Promise<Client> {
  const client = new Client({ name: 'bench', version: '1' });
  await client.connect(transport);
  return client;
}

function over(url: string): Transport {
  return new StreamableHTTPClientTransport(new URL(url)) as Transport;
}

/** What a program says first. */
function firstLine(stream: NodeJS.ReadableStream): Promise<{ readonly [name: string]: unknown }> {
  return new Promise((resolve) => {
    createInterface({ input: stream }).on('line', (line) => line.startsWith('{') && resolve(JSON.parse(line) as { [name: string]: unknown }));
  });
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}

function fileOf(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
