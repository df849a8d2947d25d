/**
 * One connection to a PostgreSQL server, through the package `pg`: how it is opened, how long it waits, and how its end is noticed.
 *
 * Statements are pipelined: what is asked for at once goes out at once, and is answered in turn. Every wait has an end, also where the
 * server has stopped and says nothing: the connection is cut then.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html
 */
import { Socket } from 'node:net';
import { FareboxError } from '../../core/Errors.ts';

/** A statement that the server parses once for a connection. */
export type Statement = { readonly name: string; readonly text: string };

/** What a statement came to. `command` is what was done, such as `COMMIT`, or `ROLLBACK` where a commit was asked for in vain. */
export type Answer<Row> = { readonly command: string; readonly rows: readonly Row[] };

/** An open connection. What it throws is the server's or the network's own error; whether it is over then, `isGone` says. */
export type Client = {
  readonly ask: <Row>(statement: Statement | string, values?: readonly unknown[]) => Promise<Answer<Row>>;
  /** Sends everything that `work` asks for in one go. */
  readonly together: <T>(work: () => T) => T;
  /** Nothing can be asked any more. */
  readonly isGone: () => boolean;
  /** The server's number for this connection, which its notifications carry. */
  readonly processId: () => number | undefined;
  /** Told of notifications on the channels that this connection listens to, and of its end. */
  readonly listen: (onNotification: (payload: string, processId: number) => void, onGone: () => void) => void;
  /** Says goodbye where it can. */
  readonly end: () => Promise<void>;
};

/** Where a server is, and how long it is waited for. */
export type Address = {
  /** A secret: it may hold a password. */
  readonly url: string;
  /** The longest wait for a connection. */
  readonly connectTimeoutMs: number;
  /** The longest wait for the answer to a statement. */
  readonly timeoutMs: number;
};

/** The server's own limit comes first: only one that says nothing at all is cut off, this much later. */
const lateMs = 1000;

/** Errors after which the server ends the connection, is not the one that can be written to any more, or does not know itself what it has done. */
const lastWords = /^(08|57P0|25006|25P03|40003)/;

/** The type of 64-bit numbers, which `pg` hands over as text: ours stay below 2^53. */
const int8 = 20;

/**
 * Opens a connection.
 * @throws the network's or the server's own error; CONFIG_INVALID – the package `pg` is not installed; TypeError – no such address can be read
 */
export async function openClient({ url, connectTimeoutMs, timeoutMs }: Address): Promise<Client> {
  const pg = await loadPackage();
  const socket = new Socket();
  const client = read(() => {
    return new pg.Client({
      connectionString: url,
      fallback_application_name: 'farebox',
      stream: () => socket,
      pipeline: true,
      keepAlive: true,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: timeoutMs + lateMs,
      types: { getTypeParser: (oid, format) => (oid === int8 ? Number : pg.types.getTypeParser(oid, format as 'text')) },
    });
  });
  let gone = false;
  const over = () => {
    gone = true;
    socket.destroy();
  };
  // Without a listener an error between two statements would end the process.
  client.on('error', over);
  client.on('end', over);
  await client.connect().catch((error: unknown) => {
    over();
    throw error;
  });

  return {
    ask: async <Row>(statement: Statement | string, values: readonly unknown[] = []) => {
      try {
        const { command, rows } = await client.query(typeof statement === 'string' ? { text: statement } : { ...statement, values: [...values] });
        return { command, rows: rows as Row[] };
      } catch (error) {
        if (isLast(error)) over();
        throw error;
      }
    },
    together: (work) => {
      socket.cork();
      try {
        return work();
      } finally {
        socket.uncork();
      }
    },
    isGone: () => gone,
    processId: () => (client as { readonly processID?: number | null }).processID ?? undefined,
    listen: (onNotification, onGone) => {
      client.on('notification', ({ payload = '', processId }) => onNotification(payload, processId));
      client.on('error', onGone);
      client.on('end', onGone);
    },
    end: async () => {
      gone = true;
      const ended = client.end();
      const late = setTimeout(() => socket.destroy(), lateMs);
      await ended.finally(() => clearTimeout(late));
    },
  };
}

/** The SQLSTATE of the server's own errors; undefined of all others. */
export function stateOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'severity' in error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function isLast(error: unknown): boolean {
  const state = stateOf(error);
  return state === undefined || lastWords.test(state);
}

async function loadPackage() {
  try {
    const { default: pg } = await import('pg');
    return pg;
  } catch (cause) {
    throw new FareboxError('CONFIG_INVALID', 'A store in PostgreSQL needs the package "pg": npm install pg', { cause });
  }
}

/** An address that cannot be read is told without it: errors of its parser repeat what it was given. */
function read<T>(create: () => T): T {
  try {
    return create();
  } catch (cause) {
    const isFile = cause instanceof Error && 'path' in cause;
    throw new TypeError(`url: expected an address such as postgres://user@host:5432/database${isFile ? `, and files that can be read: ${cause.message}` : ''}`);
  }
}
