/**
 * What a store forgets, a few hundred at a time so that nobody waits for it. While an audit is under way what it reads stays, and goes another time.
 */
import type { Reached } from '../../core/CrashPoint.ts';
import * as ClaimLife from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { Asking } from './asking.ts';
import { formatCell, parseAccount, parseClaim, parseReservation, parseSource } from './cells.ts';
import type { Keys } from './keys.ts';
import type { Draft } from './page.ts';
import { closeHolder } from './payments.ts';
import { type Script, scripts } from './scripts.ts';
import { Audited, type Steps } from './steps.ts';

const batchSize = 250;

/** One sweep: forgets batch after batch of what is over, and tells how much went with each. */
type Sweep = (onGone: (went: number) => void) => Promise<void>;

/** What forgets all that is over; its answer is how much went. */
export function createPruning(steps: Steps, asking: Asking, keys: Keys, now: () => number, reached: Reached): () => Promise<number> {
  const over = () => now() - ClaimLife.graceSeconds;
  const forget = createForgetting(asking, reached);
  const sweeps: readonly Sweep[] = [
    createCellSweep(steps, asking, keys, { what: 'claims', cell: keys.claim, over: now, forget: forgetClaim }),
    createCellSweep(steps, asking, keys, { what: 'reservations', cell: keys.reservation, over, forget: forgetReservation }),
    forget(scripts.forget, [keys.expiring('answers')], () => `(${now()}`, keys.answer('')),
    forget(scripts.forget, [keys.expiring('counters')], () => `${now()}`, keys.counter('')),
    createCellSweep(steps, asking, keys, { what: 'accounts', cell: keys.account, over, forget: forgetAccount, index: keys.debits }),
    createCellSweep(steps, asking, keys, { what: 'sources', cell: keys.source, over, forget: forgetSource }),
    forget(scripts.forgetDenials, [keys.expiring('denials'), keys.denials, keys.denied], () => `${over()}`),
  ];
  return async () => {
    let gone = 0;
    const onGone = (went: number) => {
      gone += went;
    };
    for (const sweep of sweeps) {
      await sweep(onGone).catch((error: unknown) => {
        if (!(error instanceof Audited)) throw error;
      });
    }
    return gone;
  };
}

/** Cells that are forgotten by the rules of what they are. */
type Cells = {
  readonly what: 'claims' | 'reservations' | 'accounts' | 'sources';
  readonly cell: (name: string) => string;
  /** Unix seconds; up to then they are over. */
  readonly over: () => number;
  /** Takes one out, if it may be. */
  readonly forget: (draft: Draft, keys: Keys, name: string, over: number) => boolean;
  /** The index that has to be empty for one to be taken out. */
  readonly index?: (name: string) => string;
};

function createCellSweep(steps: Steps, asking: Asking, keys: Keys, { what, cell, over, forget, index }: Cells): Sweep {
  async function sweepBatch(names: readonly string[]): Promise<number> {
    const texts = await asking.ask(names.map((name) => ['GET', cell(name)]));
    const counts = index ? await asking.ask(names.map((name) => ['ZCARD', index(name)])) : [];
    const known = new Map(names.map((name, i) => [cell(name), String(texts[i] ?? '')]));
    const free = names.filter((_, i) => !counts[i]);
    return steps.take({
      operation: 'prune',
      cells: free.map(cell),
      known,
      isUnaudited: true,
      decide: (draft) => {
        // Whoever puts something into the index writes the cell too: one that is as it was when both were looked at is free still.
        const gone = free.filter((name) => (!index || draft.read(cell(name)) === known.get(cell(name))) && forget(draft, keys, name, over()));
        for (const name of gone) draft.run('ZREM', keys.expiring(what), name);
        return gone.length;
      },
    });
  }

  return async (onGone) => {
    for (let passed = 0; ; ) {
      const [reply] = await asking.ask([['ZRANGEBYSCORE', keys.expiring(what), '-inf', `${over()}`, 'LIMIT', `${passed}`, `${batchSize}`]]);
      const names = reply as readonly string[];
      const went = names.length === 0 ? 0 : await sweepBatch(names);
      onGone(went);
      passed += names.length - went;
      if (names.length < batchSize) return;
    }
  };
}

function forgetClaim(draft: Draft, keys: Keys, key: string, now: number): boolean {
  const life = parseClaim(draft.read(keys.claim(key)));
  if (!life || !ClaimLife.isForgettable(life, now)) return false;
  draft.write(keys.claim(key), undefined);
  draft.run('DEL', keys.answer(key));
  draft.run('ZREM', keys.expiring('answers'), key);
  closeHolder(draft, keys, 'claims', key, Closings.ofClaim(life));
  return true;
}

/** The account keeps what it had spent. */
function forgetReservation(draft: Draft, keys: Keys, name: string, over: number): boolean {
  const life = parseReservation(draft.read(keys.reservation(name)));
  if (!life || life.leaseEndsAt > over) return false;
  draft.write(keys.reservation(name), undefined);
  for (const { account, spent } of life.debits) {
    const cell = parseAccount(draft.read(keys.account(account)));
    draft.run('ZREM', keys.debits(account), name);
    if (!cell) continue;
    const { [name]: _, ...holds } = cell.holds;
    draft.write(keys.account(account), formatCell({ ...cell, forgotten: cell.forgotten + spent, holds }));
  }
  return true;
}

/** Accounts that no reservation names any more. */
function forgetAccount(draft: Draft, keys: Keys, name: string, over: number): boolean {
  const cell = parseAccount(draft.read(keys.account(name)));
  if (!cell || cell.expiresAt > over) return false;
  draft.write(keys.account(name), undefined);
  draft.run('ZREM', keys.accounts, name);
  for (const lot of cell.lots) closeHolder(draft, keys, 'lots', lot.source, Closings.ofLots([lot]));
  return true;
}

/** Sources whose account is gone. */
function forgetSource(draft: Draft, keys: Keys, name: string): boolean {
  const source = parseSource(draft.read(keys.source(name)));
  if (!source || draft.read(keys.account(source.account)) !== undefined) return false;
  draft.write(keys.source(name), undefined);
  return true;
}

/** What is forgotten by its hour alone, in Redis itself. */
function createForgetting(asking: Asking, reached: Reached) {
  return (script: Script, names: readonly string[], over: () => string, prefix = ''): Sweep =>
    async (onGone) => {
      for (let went = batchSize; went >= batchSize; onGone(went)) {
        reached('store.prune.written');
        const [, count] = await asking.run(script, names, [over(), `${batchSize}`, prefix]);
        reached('store.prune.committed');
        went = Number(count);
      }
    };
}
