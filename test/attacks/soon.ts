/**
 * A word for what does not come: a test of something that must end fails by it, instead of waiting.
 */

/** What a promise gives, or words for a defence that is not there: nobody waits for minutes to see a test fail. `ms`: more where processes wait for one another. */
export function soon<T>(promise: Promise<T>, ms = 3000): Promise<T | 'nothing happened'> {
  let timer: NodeJS.Timeout | undefined;
  const guard = new Promise<'nothing happened'>((resolve) => {
    timer = setTimeout(() => resolve('nothing happened'), ms);
  });
  return Promise.race([promise, guard]).finally(() => clearTimeout(timer));
}
