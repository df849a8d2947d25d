/**
 * Witnesses of what a process makes durable and sends, below all code of ours: every commit of SQLite that changed anything, every write to a
 * socket. They know nothing of crash points.
 */
import { Socket } from 'node:net';
import { DatabaseSync, StatementSync } from 'node:sqlite';

/** Told of a change that was committed, by the name of its file. `isAlone`: it was made outside any transaction. */
export type OnCommit = (file: string, isAlone: boolean) => void;

/** Told of bytes that are handed to the system. */
export type OnSend = (socket: Socket, text: () => string) => void;

/** Watches every database of this process, until the answer is called. */
export function watchDatabases(onCommit: OnCommit): () => void {
  const { exec, prepare } = DatabaseSync.prototype;
  const { run, get, all } = StatementSync.prototype;
  const owners = new WeakMap<StatementSync, DatabaseSync>();
  const begun = new WeakMap<DatabaseSync, number>();
  const changesOf = (database: DatabaseSync) => Number(Reflect.apply(get, Reflect.apply(prepare, database, ['SELECT total_changes() AS changes']), []).changes);
  /** What is done outside a transaction is its own commit. */
  const alone = <T>(database: DatabaseSync | undefined, work: () => T): T => {
    if (!database || database.isTransaction) return work();
    const before = changesOf(database);
    const result = work();
    if (!database.isTransaction && changesOf(database) !== before) onCommit(database.location() ?? '', true);
    return result;
  };
  DatabaseSync.prototype.exec = function (sql) {
    if (/\bBEGIN\b/.test(sql)) begun.set(this, changesOf(this));
    if (sql !== 'COMMIT') return alone(this, () => exec.call(this, sql));
    const changed = changesOf(this) !== begun.get(this);
    exec.call(this, sql);
    if (changed) onCommit(this.location() ?? '', false);
  };
  DatabaseSync.prototype.prepare = function (sql, ...rest) {
    const statement = prepare.call(this, sql, ...rest);
    owners.set(statement, this);
    return statement;
  };
  const watched = { run, get, all } as const;
  for (const name of Object.keys(watched) as (keyof typeof watched)[]) {
    const original = watched[name] as (...args: readonly unknown[]) => never;
    StatementSync.prototype[name] = function (this: StatementSync, ...args: readonly unknown[]) {
      return alone(owners.get(this), () => original.apply(this, args as never));
    } as never;
  }
  return () => {
    Object.assign(DatabaseSync.prototype, { exec, prepare });
    Object.assign(StatementSync.prototype, watched);
  };
}

/** Watches every socket of this process, until the answer is called. */
export function watchSockets(onSend: OnSend): () => void {
  const prototype = Socket.prototype as unknown as { _writeGeneric: (...args: readonly unknown[]) => unknown };
  const original = prototype._writeGeneric;
  prototype._writeGeneric = function (this: Socket, ...args: readonly unknown[]) {
    // What is written before there is a connection comes by here once more.
    if (!this.connecting) onSend(this, () => textOf(args[1]));
    return original.apply(this, [...args]);
  };
  return () => {
    prototype._writeGeneric = original;
  };
}

function textOf(data: unknown): string {
  return Array.isArray(data) ? data.map((each: { readonly chunk: unknown }) => String(each.chunk)).join('') : String(data);
}
