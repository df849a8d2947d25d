/** Bytes on this process's heap once nothing is left to collect. It is to run with `--expose-gc`. */
export async function collected(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}
