/**
 * What a supervisor and its workers tell one another.
 */
import type { Code } from '../../core/Errors.ts';
import type { Snapshot } from '../../gateway/index.ts';
import type { FreeQuotaOptions } from '../../server/FreeQuota.ts';
import type { RateScope, RequestRate } from '../../server/Limits.ts';

/** Ports of this start, where the configuration takes any: all processes have the same, also when none of them is left. */
export type Ports = { readonly listen?: number; readonly introspection?: number; readonly health?: number; readonly metrics?: number; readonly admin?: number };

/** To a worker. */
export type ToWorker =
  /** The first: which it is, of how many, the configuration's text, what a person has typed in, and which ports were found where any would do. */
  | {
      readonly kind: 'start';
      readonly slot: number;
      readonly count: number;
      readonly text: string;
      readonly secret?: string | undefined;
      readonly ports: Ports;
    }
  /** Makes another configuration ready, and says whether it is. */
  | { readonly kind: 'prepare'; readonly id: number; readonly text: string }
  /** All have: it holds from now on. */
  | { readonly kind: 'apply'; readonly id: number }
  /** Somebody has not: it is forgotten. */
  | { readonly kind: 'forget'; readonly id: number }
  /** Its files were moved away: it opens them anew. */
  | { readonly kind: 'reopen' }
  /** It follows what arrives in the wallets from now on; one does at a time. */
  | { readonly kind: 'follow' }
  /** Another has its place: it takes no new connections, and ends when those that are open have gone. */
  | { readonly kind: 'leave' }
  /** It ends. */
  | { readonly kind: 'stop' }
  /** Says what it has counted. */
  | { readonly kind: 'measure'; readonly id: number }
  /** What all of them have counted, for the one that asked. */
  | { readonly kind: 'measured-all'; readonly id: number; readonly snapshot: Snapshot }
  /** What came of asking for a rate; null: nothing is given. */
  | { readonly kind: 'rate'; readonly id: number; readonly value: number | null };

/** From a worker. */
export type FromWorker =
  | ({ readonly kind: 'ready'; readonly url: string } & {
      readonly [Name in 'introspectionUrl' | 'healthUrl' | 'metricsUrl' | 'adminUrl' | 'adminLink']?: string | undefined;
    })
  /** Another configuration is ready, or cannot be. */
  | { readonly kind: 'prepared'; readonly id: number; readonly refused?: { readonly code: Code; readonly message: string } }
  /** What it has counted. */
  | { readonly kind: 'measured'; readonly id: number; readonly snapshot: Snapshot }
  /** Somebody asks what all of them have counted. */
  | { readonly kind: 'measure-all'; readonly id: number }
  /** It follows no more, and another may. */
  | { readonly kind: 'unfollowed' }
  /** An invoice is asked for. */
  | { readonly kind: 'mint'; readonly id: number; readonly client: string }
  /** Something is asked for for nothing. */
  | { readonly kind: 'give'; readonly id: number; readonly name: string; readonly quota: FreeQuotaOptions; readonly client: string; readonly trial?: string }
  /** A request wants to go on. */
  | { readonly kind: 'take'; readonly id: number; readonly scope: RateScope; readonly key: string; readonly rate: RequestRate };

/** A worker's way to its supervisor. */
export type WorkerLink = {
  readonly send: (message: FromWorker) => void;
  /** Hears everything, also what came before anybody listened. */
  readonly hear: (listener: (message: ToWorker) => void) => void;
  /** Lets go of it, so that the process may end. */
  readonly close: () => void;
};

/** The link of a process that was started with one. */
export function linkOf(process: NodeJS.Process): WorkerLink {
  const early: ToWorker[] = [];
  let listener = (message: ToWorker): void => void early.push(message);
  process.on('message', (message) => listener(message as ToWorker));
  return {
    send: (message) => {
      // One that has ended hears nothing, and ends this process.
      if (process.connected) process.send?.(message, undefined, {}, () => {});
    },
    hear: (hears) => {
      for (const message of early.splice(0)) hears(message);
      listener = hears;
    },
    // One that is cut ends the process at once, whatever it has still to say.
    close: () => process.channel?.unref(),
  };
}
