import { expect, it } from 'vitest';
import { askAtOwnTerminal, type Line } from './OwnTerminal.ts';

const never = new AbortController().signal;

/** A terminal at which this is typed. */
function typing(text: string, asked: string[] = []): () => Line {
  return () => ({
    ask: async (words) => {
      asked.push(words);
      return text;
    },
    close: () => asked.push('closed'),
  });
}

it('takes the word and the number that was drawn for a yes, and nothing else', async () => {
  for (const said of ['yes 4821', ' YES 4821 ']) expect(await askAtOwnTerminal('Pay?', never, typing(said), 4821)).toBe(true);
  for (const said of ['yes', 'y', '', '4821', 'yes 4822', 'yes 4821 no', 'no 4821'])
    expect(await askAtOwnTerminal('Pay?', never, typing(said), 4821)).toBe(false);
});

it('says nothing where there is no terminal', async () => {
  expect(await askAtOwnTerminal('Pay?', never, () => undefined)).toBeUndefined();
});

it('asks one question after the other, and none that nobody waits for any more', async () => {
  const asked: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const slow: Line = {
    ask: (words) => {
      asked.push(words);
      return promise;
    },
    close: () => asked.push('closed'),
  };
  const first = askAtOwnTerminal('one\u001b[2K', never, () => slow, 1111);
  const stop = new AbortController();
  const second = askAtOwnTerminal('two', stop.signal, typing('yes 2222', asked), 2222);
  const third = askAtOwnTerminal('three', never, typing('yes 3333', asked), 3333);
  stop.abort(new Error('gone'));
  resolve('yes 1111');
  expect(await first).toBe(true);
  await expect(second).rejects.toThrow('gone');
  expect(await third).toBe(true);
  expect(asked.map((words) => /one|two|three|closed/.exec(words)?.[0])).toEqual(['one', 'closed', 'three', 'closed']);
  expect(asked[0]).not.toContain('\u001b');
});
