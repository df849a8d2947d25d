/**
 * A look into a thread that may never answer again: what it is reading, in memory that it shares.
 */

/** What is shown. */
export type View = {
  /** Goes up with every input. */
  readonly beat: number;
  /** Which target, by its place in the list. */
  readonly target: number;
  readonly input: string;
};

/** Both sides of it. */
export type Window = { readonly show: (target: number, input: string) => void; readonly look: () => View };

/** Longest input that fits; of a longer one the beginning is shown. */
const longest = 65_536;

/** The memory for one. */
export function createWindow(): SharedArrayBuffer {
  return new SharedArrayBuffer(12 + 2 * longest);
}

/** Opens one side. */
export function openWindow(memory: SharedArrayBuffer): Window {
  const head = new Int32Array(memory, 0, 3);
  const units = new Uint16Array(memory, 12);
  return {
    show: (target, input) => {
      const length = Math.min(input.length, longest);
      for (let at = 0; at < length; at++) units[at] = input.charCodeAt(at);
      head[1] = target;
      head[2] = length;
      Atomics.add(head, 0, 1);
    },
    look: () => {
      const length = head[2] as number;
      let input = '';
      for (let at = 0; at < length; at++) input += String.fromCharCode(units[at] as number);
      return { beat: Atomics.load(head, 0), target: head[1] as number, input };
    },
  };
}
