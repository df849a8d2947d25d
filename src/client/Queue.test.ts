import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import type { Outgoing } from './Outgoing.ts';
import * as Queue from './Queue.ts';

/** A place of somebody whose payment may serve everybody. */
function place(signal: AbortSignal): Queue.Place {
  return { outgoing: { signal } as Outgoing, maySpare: () => true, isInvited: false, wake: () => {} };
}

it('who has waited leaves nothing behind with the one who may call him off', async () => {
  const { signal } = new AbortController();
  const [first, second, third] = [place(signal), place(signal), place(signal)];
  const queue: Queue.Queue = { places: [first, second, third] };
  const turns = Promise.all([Queue.turn(queue, second), Queue.turn(queue, third)]);
  Queue.leave(queue, first);
  await Promise.resolve();
  Queue.share(queue, second);
  expect(await turns).toEqual(['first', 'invited']);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('who is called off while he waits hears why', async () => {
  const stop = new AbortController();
  const [first, second] = [place(stop.signal), place(stop.signal)];
  const turn = Queue.turn({ places: [first, second] }, second);
  stop.abort(new Error('enough'));
  await expect(turn).rejects.toThrow('enough');
});
