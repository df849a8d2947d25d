/**
 * A word for what does not come: a test of something that must end fails by it, instead of waiting.
 */

/** What a promise gives, or words for a defence that is not there: nobody waits for minutes to see a test fail. */
export function soon<T>(promise: Promise<T>): Promise<T | 'nothing happened'> {
  let timer: NodeJS.Timeout | undefined;
  const guard = new Promise<'nothing happened'>((resolve) => {
    timer = setTimeout(() => resolve('nothing happened'), 3000);
  });
  return Promise.race([promise, guard]).finally(() => clearTimeout(timer));
}
