/**
 * What every command is handed: where to print, where its files are, and when to stop.
 */
import type { Clock } from '../core/Clock.ts';
import type { Home } from './Home.ts';
import type { Terminal } from './Terminal.ts';
import type { WorkerLink } from './workers/messages.ts';

/** See the head of this file. */
export type CliContext = {
  readonly terminal: Terminal;
  /** Opened when a command needs it. */
  readonly home: () => Home;
  readonly environment: { readonly [name: string]: string | undefined };
  /** Aborts when the command is told to end (Ctrl-C, or a signal). */
  readonly signal: AbortSignal;
  /** Told of SIGHUP, as long as the terminal that it was started from is there; the answer takes the listener off. Without a listener, SIGHUP ends the command. */
  readonly onHangUp?: (listener: () => void) => () => void;
  /** Standard input, read to its end. */
  readonly readInput: () => Promise<Uint8Array>;
  /** Asks a person; undefined where there is nobody to ask. `signal` takes the question back. */
  readonly ask: (question: string, fallback: string, signal?: AbortSignal) => Promise<string | undefined>;
  /** Asks for a yes at a terminal of its own, where standard input is no person's; undefined where there is none. Default: there is none. */
  readonly askAtOwnTerminal?: (words: string, signal: AbortSignal) => Promise<boolean | undefined>;
  /** The same for a secret: what is typed is not shown. */
  readonly askSecret: (question: string) => Promise<string | undefined>;
  /** Where this is one of several processes of a gateway: the way to who started it. */
  readonly worker?: WorkerLink | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock;
};
