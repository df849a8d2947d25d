/**
 * A buyer's connection to the gateways: lean, from an address of its own, and aware of what broke.
 */
import { Agent, request } from 'node:http';

/** What came of one request. */
export type Got =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** `L402-Payment`, or `free` where the answer was for nothing. */
      readonly charge: string | undefined;
      readonly code: string;
      /** The lines of `WWW-Authenticate`. */
      readonly lines: readonly string[];
      /** False: it broke off. */
      readonly whole: boolean;
    }
  /** Nobody is there. */
  | { readonly kind: 'refused' }
  /** No head came. */
  | { readonly kind: 'broken' };

/** See the head of this file. */
export type Caller = {
  /** Asks, and hangs up when `hangUp` resolves. */
  readonly ask: (url: string, authorization?: string, hangUp?: Promise<void>) => Promise<Got>;
  readonly close: () => void;
};

/** Longer than anything that is not stuck. */
const stuckMs = 60_000;

/** A caller with an address of its own, on loopback. */
export function createCaller(number: number): Caller {
  const agent = new Agent({ keepAlive: true, localAddress: `127.0.1.${number + 1}` });
  return {
    ask: (url, authorization, hangUp) =>
      new Promise((resolve, reject) => {
        const sent = request(url, { agent, headers: authorization === undefined ? {} : { authorization } }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', () => {});
          response.on('close', () => {
            clearTimeout(timer);
            const { statusCode: status = 0, headers } = response;
            const free = headers['l402-free'] === undefined ? undefined : 'free';
            const charge = free ?? (headers['l402-payment'] as string | undefined);
            const lines = response.headersDistinct['www-authenticate'] ?? [];
            resolve({ kind: 'answered', status, charge, code: codeIn(status, chunks), lines, whole: response.complete });
          });
        });
        const timer = setTimeout(() => {
          reject(new Error(`${url} was not answered within a minute`));
          sent.destroy();
        }, stuckMs);
        sent.on('error', (error: NodeJS.ErrnoException) => {
          clearTimeout(timer);
          resolve({ kind: error.code === 'ECONNREFUSED' ? 'refused' : 'broken' });
        });
        void hangUp?.then(() => sent.destroy());
        sent.end();
      }),
    close: () => agent.destroy(),
  };
}

function codeIn(status: number, chunks: readonly Buffer[]): string {
  if (status < 400) return '';
  try {
    return (JSON.parse(Buffer.concat(chunks).toString()) as { readonly code?: string }).code ?? '';
  } catch {
    return '';
  }
}
