/**
 * How accounts, lots, reservations and debits are locked, read and written. `$1` are names of accounts, `$2` of reservations.
 */

/** The accounts that are named, and those that the named reservations are over: these do not change while the reservations are locked. */
const touched = '(SELECT unnest($1::text[]) UNION SELECT account FROM debits WHERE reservation = ANY ($2::text[]))';

/** In the order of the locks' numbers, for everybody the same. */
export const lockAccounts = {
  name: 'lock accounts',
  text: `SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(current_schema() || ' accounts ' || account, 0) AS lock FROM ${touched} AS touched (account) ORDER BY lock
  ) AS locks`,
};

export const readAccounts = {
  name: 'read accounts',
  text: `SELECT *, EXISTS (SELECT 1 FROM debits WHERE debits.account = accounts.account) AS is_named
    FROM accounts WHERE account IN ${touched}`,
};

/** `$3` are sources: whether one has credited before, whichever account. */
export const readLots = {
  name: 'read lots',
  text: `SELECT * FROM lots WHERE account IN ${touched} UNION SELECT * FROM lots WHERE source = ANY ($3::text[]) ORDER BY number`,
};

export const readReservations = { name: 'read reservations', text: 'SELECT * FROM reservations WHERE reservation = ANY ($1::text[])' };

export const readDebits = { name: 'read debits', text: 'SELECT * FROM debits WHERE reservation = ANY ($1::text[]) ORDER BY reservation, number' };

/** `$3` is the hour. */
export const readHeld = {
  name: 'read held',
  text: `SELECT account, reservation, units, held_until FROM debits WHERE account IN ${touched} AND held_until > $3::double precision`,
};

export const writeAccounts = {
  name: 'write accounts',
  text: `INSERT INTO accounts (account, units, spent, forgotten, given_back, opened, expires_at)
    SELECT account, units, spent, forgotten, given_back, opened, expires_at
    FROM json_to_recordset($1) AS given (account text, units numeric, spent numeric, forgotten numeric, given_back text, opened bigint, expires_at bigint)
    ON CONFLICT (account) DO UPDATE SET units = excluded.units, spent = excluded.spent, forgotten = excluded.forgotten,
      given_back = excluded.given_back, opened = excluded.opened, expires_at = excluded.expires_at`,
};

/** Numbered in the order in which they were credited. */
export const writeLots = {
  name: 'write lots',
  text: `INSERT INTO lots (source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at)
    SELECT source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at
    FROM ROWS FROM (json_to_recordset($1) AS (
      source text, account text, units numeric, spent numeric, paid_msat numeric, earned_msat numeric, payment_hash text, expires_at bigint
    )) WITH ORDINALITY AS given (source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at, place) ORDER BY place
    ON CONFLICT (source) DO UPDATE SET spent = excluded.spent, earned_msat = excluded.earned_msat`,
};

export const writeReservations = {
  name: 'write reservations',
  text: `INSERT INTO reservations (reservation, state, lease_ends_at, units)
    SELECT reservation, state, lease_ends_at, units
    FROM json_to_recordset($1) AS given (reservation text, state text, lease_ends_at bigint, units numeric)
    ON CONFLICT (reservation) DO UPDATE SET state = excluded.state, lease_ends_at = excluded.lease_ends_at, units = excluded.units`,
};

export const writeDebits = {
  name: 'write debits',
  text: `INSERT INTO debits (reservation, number, account, units, spent, taken, held_until)
    SELECT reservation, number, account, units, spent, taken, held_until
    FROM json_to_recordset($1) AS given (
      reservation text, number integer, account text, units numeric, spent numeric, taken text, held_until bigint
    )`,
};

export const eraseAccounts = { name: 'erase accounts', text: 'DELETE FROM accounts WHERE account = ANY ($1::text[])' };
export const eraseReservations = { name: 'erase reservations', text: 'DELETE FROM reservations WHERE reservation = ANY ($1::text[])' };
export const eraseDebits = { name: 'erase debits', text: 'DELETE FROM debits WHERE reservation = ANY ($1::text[])' };

/** An account's standing at one moment: `$1` is its name, `$2` the hour. */
export const readBalance = {
  name: 'read balance',
  text: `SELECT units, spent, (
      SELECT coalesce(sum(debits.units), 0) FROM debits WHERE debits.account = accounts.account AND held_until > $2::double precision
    ) AS reserved
    FROM accounts WHERE account = $1`,
};
