/**
 * What a newcomer waits for: the path of `docs/wallets.md` from nothing to the first sale, its commands typed by a program, on the sandbox and into a
 * real lnd node, in turns. Every run begins with an empty folder and an empty home; API and nodes are there already.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildNodes } from '../../test/e2e/lnd/Binaries.ts';
import { type Newcomer, onSandbox, type Start, withNodes } from '../../test/e2e/lnd/Newcomer.ts';
import { type Nodes, startNodes } from '../../test/e2e/lnd/Nodes.ts';
import { openDesk } from '../../test/e2e/processes.ts';
import type { Run } from '../harness/Bench.ts';
import { quantile } from '../harness/Comparison.ts';
import { printRows } from '../harness/Table.ts';

export const summary = "a newcomer's path, from an API of their own to the first sale: on the sandbox, and into a real lnd node (needs Go)";

export const run: Run = async ({ isQuick }) => {
  const nodes = await startNodes(buildNodes((line) => console.error(line)));
  const api = createServer((_, response) => void response.end('an API of my own\n'));
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const times = new Map<string, Times>();
  try {
    for (let round = 0; round < (isQuick ? 1 : 3); round++) {
      // The longer path first: its steps are the rows.
      await time(times, 'lnd', address, (start) => withNodes(start, nodes.bob, nodes.alice));
      await atRest(nodes);
      await time(times, 'sandbox', address, onSandbox);
    }
    report(times);
  } finally {
    await new Promise((resolve) => api.close(resolve));
    await nodes.stop();
  }
};

/** Seconds of every run, on each of the two. */
type Times = { readonly sandbox: number[]; readonly lnd: number[] };

/** Walks the path once, each step by the clock on the wall. */
async function time(times: Map<string, Times>, where: keyof Times, api: string, walk: (start: Start) => Newcomer): Promise<void> {
  const desk = openDesk();
  try {
    const { steps, gateway } = walk({ desk, api });
    const note = (name: string, seconds: number) => {
      const noted = times.get(name) ?? { sandbox: [], lnd: [] };
      times.set(name, noted);
      noted[where].push(seconds);
    };
    let all = 0;
    for (const { name, run } of steps) {
      const from = performance.now();
      await run();
      const seconds = (performance.now() - from) / 1000;
      note(name, seconds);
      all += seconds;
    }
    note(whole, all);
    await gateway()?.stop();
  } finally {
    await desk.close();
  }
}

const whole = 'all of it';

async function atRest({ alice, bob, carol }: Nodes): Promise<void> {
  await Promise.all([alice, bob, carol].map((node) => node.atRest()));
}

function report(times: ReadonlyMap<string, Times>): void {
  const all = (seconds: readonly number[]) => (seconds.length === 0 ? '-' : `${seconds.map((one) => one.toFixed(2)).join(', ')} s`);
  const rows = [...times].map(([name, { sandbox, lnd }]) => {
    const ratio = sandbox.length === 0 ? '-' : (quantile(lnd, 0.5) / quantile(sandbox, 0.5)).toFixed(2);
    return [name.length > 60 ? `${name.slice(0, 59)}…` : name, all(sandbox), all(lnd), ratio];
  });
  printRows([['', 'sandbox', 'lnd', 'lnd/sandbox'], ...rows]);
  console.log('\nWhat is typed and read in between is not in it.');
}
