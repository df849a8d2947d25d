/**
 * The certificate that clients are shown, and its key: read at the start, and again whenever the files have changed, so that a renewed one is
 * shown without a restart.
 *
 * A change is taken whole or not at all: what cannot be read, or a key that is not that of its certificate, leaves the pair as it is. It is taken
 * once it has stood still for a second: two files are never written at the same instant.
 */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { createSecureContext } from 'node:tls';
import { type Clock, type Random, wait } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { secretOf } from '../ConfigSecrets.ts';
import type { TlsConfig } from '../config/ConfigTls.ts';
import { selfSigned } from './SelfSigned.ts';

/** Both in PEM. The key is a secret. */
export type TlsPair = { readonly certificate: string; readonly key: string };

/** See the head of this file. */
export type Certificates = {
  /** As read at the start. */
  readonly pair: TlsPair;
  /** Follows the files from now on. */
  readonly follow: (onChange: (pair: TlsPair) => void) => { readonly close: () => Promise<void> };
};

/** What opening them needs. */
export type CertificatesOptions = {
  readonly clock: Clock;
  readonly random: Random;
  /** Where it listens, for a certificate that signs itself. */
  readonly host: string;
  /** Told when a change cannot be taken, and again every minute while that is so. */
  readonly onTrouble: (error: unknown) => void;
};

/** How often the files are looked at. */
const lookMs = 1000;

/** How often trouble is told, and what was refused is tried again. */
const tellMs = 60_000;

/**
 * Reads what the configuration names.
 * @throws CONFIG_INVALID – a file cannot be read, or they are no certificate and its key
 */
export async function openCertificates(config: TlsConfig, options: CertificatesOptions): Promise<Certificates> {
  if (config.kind === 'self-signed') {
    const pair = selfSigned(hostsOf(options.host), options.clock.nowMs(), options.random);
    return { pair, follow: () => ({ close: async () => {} }) };
  }
  const read = async (): Promise<TlsPair> => ({
    certificate: await readCertificate(config.certificatePath),
    key: await secretOf(config.key, "the certificate's key"),
  });
  const pair = await read();
  check(pair, config.certificatePath);
  return { pair, follow: (onChange) => followFiles({ pair, read, check: (next) => check(next, config.certificatePath), onChange, ...options }) };
}

type Following = Pick<CertificatesOptions, 'clock' | 'onTrouble'> & {
  readonly pair: TlsPair;
  readonly read: () => Promise<TlsPair>;
  readonly check: (pair: TlsPair) => void;
  readonly onChange: (pair: TlsPair) => void;
};

function followFiles({ pair, read, check: assertGood, onChange, clock, onTrouble }: Following): { readonly close: () => Promise<void> } {
  const stop = new AbortController();
  const { signal } = stop;
  let taken = pair;
  let seen = pair;
  let refused: { readonly pair: TlsPair; readonly atMs: number } | undefined;
  let told = { message: '', atMs: Number.NEGATIVE_INFINITY };
  const tell = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    if (signal.aborted || (message === told.message && clock.nowMs() - told.atMs < tellMs)) return;
    told = { message, atMs: clock.nowMs() };
    onTrouble(error);
  };
  const look = async () => {
    const found = await read();
    const stands = isSame(found, seen);
    seen = found;
    if (signal.aborted || !stands || isSame(found, taken)) return;
    if (refused && isSame(found, refused.pair) && clock.nowMs() - refused.atMs < tellMs) return;
    refused = { pair: found, atMs: clock.nowMs() };
    assertGood(found);
    onChange(found);
    taken = found;
    told = { message: '', atMs: Number.NEGATIVE_INFINITY };
  };
  const follow = async () => {
    while (!signal.aborted) {
      await wait(clock, lookMs, signal);
      if (!signal.aborted) await look().catch(tell);
    }
  };
  const following = follow();
  return {
    close: async () => {
      stop.abort();
      await following;
    },
  };
}

function isSame(one: TlsPair, other: TlsPair): boolean {
  return one.certificate === other.certificate && one.key === other.key;
}

async function readCertificate(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new FareboxError('CONFIG_INVALID', `The certificate, ${path}, cannot be read (${code}).`, { cause: error });
  }
}

/** Each by itself, so that the mistake is named. @throws CONFIG_INVALID */
function check({ certificate, key }: TlsPair, path: string): void {
  const attempt = (options: { cert?: string; key?: string }, what: string) => {
    try {
      createSecureContext(options);
    } catch (error) {
      throw new FareboxError('CONFIG_INVALID', `${what} cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`, { cause: error });
    }
  };
  if (!certificate.includes('-----BEGIN CERTIFICATE-----'))
    throw new FareboxError('CONFIG_INVALID', `The certificate, ${path}, cannot be read: it holds none.`);
  attempt({ cert: certificate }, `The certificate, ${path},`);
  attempt({ key }, "The certificate's key");
  attempt({ cert: certificate, key }, `The key is not that of the certificate, ${path}: the pair`);
}

/** What clients may call this machine. */
function hostsOf(host: string): readonly string[] {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address.split('%', 1)[0] as string));
  const all = ['localhost', '127.0.0.1', '::1', ...(host === '0.0.0.0' || host === '::' ? own : [host])];
  return [...new Set(all)];
}
