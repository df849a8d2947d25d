/**
 * Asking what has to be answered, whoever is killed meanwhile.
 */
import { Killed } from './Spares.ts';
import type { Stage } from './Stage.ts';

/** Asks, and asks again whoever was killed in between, until there is an answer. */
export async function surely<T>(stage: Stage, ask: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 8; tries++) {
    await stage.up();
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }
  throw new Error('asked eight times, and there was no answer');
}
