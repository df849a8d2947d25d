/**
 * Which key seals a client store in SQLite, and the sealing of one that was written before there was a seal. The store says by which key it is
 * sealed; a key is made only where it is sealed by none.
 */
import type { DatabaseSync } from 'node:sqlite';
import { FareboxError } from '../../core/Errors.ts';
import { createSeal, type Seal } from '../store/Seal.ts';
import { makeKeyFile, readKeyFile } from '../store/SealKey.ts';

/** The seal of an open store. */
export type Sealing = {
  readonly seal: Seal;
  /** Rows lay open until now: what the file still holds of them has to be wiped. */
  readonly hasSealed: boolean;
};

/**
 * Finds the key and seals what lies open, inside the transaction that is open.
 * @param key - of the caller's; otherwise the one in the file beside the store
 * @throws STORE_LOCKED – the store is sealed with a key that is not here; nothing was changed
 */
export function sealed(database: DatabaseSync, path: string, key: Uint8Array | undefined): Sealing {
  const keyFile = `${path}.key`;
  const sealedBy = database.prepare('SELECT key_id FROM seal').get()?.key_id as string | undefined;
  const found = key ?? readKeyFile(keyFile);
  if (sealedBy !== undefined) {
    const where = key ? 'the key that was given' : `the key file ${keyFile}`;
    if (found === undefined) throw locked(path, `${where} is missing. Put it back`);
    const seal = createSeal(found);
    if (seal.keyId !== sealedBy) throw locked(path, `${where} is another store's. Use the key that it was made with`);
    return { seal, hasSealed: false };
  }
  const seal = createSeal(found ?? makeKeyFile(keyFile));
  const rows = database.prepare('SELECT payment_hash, token, preimage FROM payment').all();
  const write = database.prepare('UPDATE payment SET token = ?, preimage = ? WHERE payment_hash = ?');
  for (const row of rows) {
    const [hash, token, preimage] = [row.payment_hash as string, row.token as string, row.preimage as string | null];
    write.run(seal.seal(token, `${hash}/token`), preimage === null ? null : seal.seal(preimage, `${hash}/preimage`), hash);
  }
  database.prepare('INSERT INTO seal VALUES (?)').run(seal.keyId);
  return { seal, hasSealed: rows.length > 0 };
}

/** Wipes what pages that are no longer in use, and the log, still hold of rows that lay open. Where another process stands in the way, it comes to that as the file is used. */
export function wipe(database: DatabaseSync): void {
  try {
    database.exec('VACUUM');
  } catch {
    // Somebody else has it open. New pages are written over all the same.
  }
  database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
}

function locked(path: string, why: string): FareboxError {
  return new FareboxError(
    'STORE_LOCKED',
    `The client store ${path} is sealed, and ${why}. Nothing was changed, and nothing is lost as long as the key exists.`,
  );
}
