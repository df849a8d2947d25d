/**
 * What pages share: the address, what is loaded, and what happens meanwhile.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Happening } from './answers.ts';
import { ask, change, follow, type Input, Refusal } from './api.ts';

/** Where the reader is: `#/payments/<hash>?state=earned` as its parts. */
export type Address = { readonly page: string; readonly rest: string; readonly query: URLSearchParams };

export function readAddress(): Address {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', ...rest] = path.split('/');
  return { page, rest: decodeURIComponent(rest.join('/')), query: new URLSearchParams(query) };
}

export function useAddress(): Address {
  const [address, setAddress] = useState(readAddress);
  useEffect(() => {
    const change = () => setAddress(readAddress());
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return address;
}

/** Something that is asked for: what came, why nothing did, and how to ask again. What was there stays while it is asked for again. */
export type Loaded<Answer> = {
  readonly value: Answer | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
  readonly reload: () => void;
};

/** Asks an operation, and again whenever what is asked changes. `name` undefined: nothing is asked. */
export function useAsk<Answer>(name: string | undefined, input: Input = {}): Loaded<Answer> {
  const [state, setState] = useState<{ readonly value?: Answer; readonly error?: string; readonly asked?: string }>({});
  const [round, setRound] = useState(0);
  const asked = JSON.stringify([name, input]);
  useEffect(() => {
    if (name === undefined) return;
    const stop = new AbortController();
    ask<Answer>(name, JSON.parse(asked)[1], stop.signal).then(
      (value) => setState({ value, asked }),
      (error: unknown) => {
        if (!stop.signal.aborted) setState((before) => ({ ...before, error: wordsOf(error), asked }));
      },
    );
    return () => stop.abort();
  }, [asked, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { value: state.value, error: state.asked === asked ? state.error : undefined, isLoading: state.asked !== asked, reload };
}

/** What went wrong, in words. */
export function wordsOf(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  return 'The gateway does not answer. Is it running?';
}

/** Calls at once, and then at most so often, the last time for certain. */
export function useThrottled(work: () => void, everyMs: number): () => void {
  const state = useRef<{ timer?: ReturnType<typeof setTimeout>; again: boolean }>({ again: false });
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => () => clearTimeout(state.current.timer), []);
  return useCallback(() => {
    const now = state.current;
    if (now.timer !== undefined) {
      now.again = true;
      return;
    }
    const rest = () => {
      delete now.timer;
      if (!now.again) return;
      now.again = false;
      latest.current();
      now.timer = setTimeout(rest, everyMs);
    };
    latest.current();
    now.timer = setTimeout(rest, everyMs);
  }, [everyMs]);
}

/** Whether the stream of events is open. */
export type Liveness = 'opening' | 'live' | 'away';

type Listener = (happening: Happening) => void;
const listeners = new Set<Listener>();

/** One stream for all pages, opened again where it breaks. */
export function useStream(isOpen: boolean): Liveness {
  const [liveness, setLiveness] = useState<Liveness>('opening');
  useEffect(() => {
    if (!isOpen) return;
    const stop = new AbortController();
    void (async () => {
      let seq: number | undefined;
      for (let waitMs = 500; !stop.signal.aborted; waitMs = Math.min(10_000, waitMs * 2)) {
        try {
          const opened = setTimeout(() => setLiveness('live'), 300);
          try {
            for await (const happening of follow<Happening>('events.follow', { after: seq }, stop.signal)) {
              setLiveness('live');
              waitMs = 500;
              seq = happening.seq ?? seq;
              for (const listener of listeners) listener(happening);
            }
          } finally {
            clearTimeout(opened);
          }
        } catch (error) {
          if (error instanceof Refusal && error.status === 401) return;
        }
        if (!stop.signal.aborted) setLiveness('away');
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    })();
    return () => stop.abort();
  }, [isOpen]);
  return liveness;
}

/** Hears everything that happens while the page is there. */
export function useHappenings(listener: Listener): void {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    const hear: Listener = (happening) => latest.current(happening);
    listeners.add(hear);
    return () => {
      listeners.delete(hear);
    };
  }, []);
}

/** The time, told again every so often. */
export function useNow(everyMs = 15_000): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** What a change would come to, found out a moment after it was last altered. Undefined `input`: nothing is asked. */
export function useDryRun<Answer>(name: string, input: Input | undefined): { readonly value: Answer | undefined; readonly error: string | undefined } {
  const [state, setState] = useState<{ readonly value?: Answer; readonly error?: string }>({});
  const asked = input === undefined ? undefined : JSON.stringify(input);
  useEffect(() => {
    if (asked === undefined) return setState({});
    let isOver = false;
    const timer = setTimeout(() => {
      change<Answer>(name, { ...JSON.parse(asked), dryRun: true }).then(
        (value) => !isOver && setState({ value }),
        (error: unknown) => !isOver && setState({ error: wordsOf(error) }),
      );
    }, 250);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [name, asked]);
  return { value: state.value, error: state.error };
}
