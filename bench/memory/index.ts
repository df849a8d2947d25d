/**
 * Whether the gateway keeps anything of a challenge that nobody pays: the heap after collection, over a hundred thousand 402s that each go
 * to another client address, in turn with as many 404s.
 *
 *     npm run bench -- memory
 */
import { openStage, type Stage } from '../gateway/Stage.ts';
import { paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { quantile } from '../harness/Comparison.ts';
import { printRows } from '../harness/Table.ts';

export const summary = 'Heap of the gateway over 100,000 unpaid challenges from as many clients, beside 404s';

export const run: Run = async ({ isQuick }) => {
  const size = isQuick ? 1000 : 10_000;
  const stage = await openStage({ trustsLoad: true });
  const grown: { readonly [name in keyof typeof kinds]: number[] } = { unknown: [], challenge: [] };
  try {
    // Whoever limits clients keeps some of them: as many as it ever will, before anything is read.
    for (let i = 0; i < 3; i++) for (const name of names) await send(stage, name, size);
    let before = await stage.ask('heap');
    for (let round = 0; round < 10; round++) {
      for (const name of names) {
        await send(stage, name, size);
        const after = await stage.ask('heap');
        grown[name].push((after - before) / size);
        before = after;
      }
    }
    print(grown, size);
    console.log(`\nThe heap ended at ${(before / 1024 / 1024).toFixed(1)} MiB.`);
  } finally {
    await stage.stop();
  }
};

const kinds = { unknown: { path: paths.unknown, expect: 404 }, challenge: { path: paths.pass, expect: 402 } } as const;
const names = ['unknown', 'challenge'] as const;

let client = 0;

/** Each request from an address that never asked before. */
async function send(stage: Stage, name: keyof typeof kinds, count: number): Promise<void> {
  const { path, expect } = kinds[name];
  const requests = Array.from({ length: count }, () => {
    client++;
    return requestFor(path, undefined, { 'X-Forwarded-For': `10.${(client >> 16) & 255}.${(client >> 8) & 255}.${client & 255}` });
  });
  await stage.load.drive({ port: stage.gateway.ready.port, requests, expect });
}

function print(grown: { readonly [name in keyof typeof kinds]: readonly number[] }, size: number): void {
  const bytes = (value: number) => `${value.toFixed(1)} B`;
  const rows = names.map((name) => {
    const each = grown[name];
    const whole = each.reduce((sum, value) => sum + value, 0) / each.length;
    return [
      String(kinds[name].expect),
      String(each.length * size),
      bytes(whole),
      bytes(quantile(each, 0.5)),
      `${bytes(quantile(each, 0.25))} to ${bytes(quantile(each, 0.75))}`,
    ];
  });
  printRows([['answer', 'requests', 'heap grown, each', 'median of 10 turns', 'middle half of them'], ...rows]);
  const spread = Math.max(Math.abs(quantile(grown.unknown, 0.25)), Math.abs(quantile(grown.unknown, 0.75)));
  const typical = quantile(grown.challenge, 0.5);
  console.log(`\nGrowth over unpaid challenges is ${typical > spread ? 'more than' : 'within'} what the heap moves by over 404s, of which nothing is kept.`);
  console.log('One challenge that was kept would take 1,000 B or more: token, invoice and their place in a table.');
}
