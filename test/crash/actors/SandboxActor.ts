/**
 * The Lightning network of a sale, on its file and port.
 */
import { appendFileSync } from 'node:fs';
import { systemRandom } from '../../../src/core/Clock.ts';
import type { CrashPoint } from '../../../src/core/CrashPoint.ts';
import { toHex } from '../../../src/core/internal/bytes.ts';
import { type SandboxAudit, type SandboxFault, type SandboxPayment, startSandbox } from '../../../src/lightning/sandbox.ts';
import { type Actor, idle, type Surroundings } from './Surroundings.ts';

/** Where it keeps its books and where others find it. */
export type SandboxPlace = {
  readonly path: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly token: string;
};

/** What the runner asks of it. */
export type SandboxActor = Actor & {
  readonly setFault: (fault: SandboxFault) => Promise<void>;
  readonly clearFaults: () => Promise<void>;
  readonly release: (paymentHash: string, as: 'settled' | 'failed') => Promise<number>;
  /** Attempts to pay this hash, oldest first. */
  readonly attempts: (paymentHash: string) => Promise<readonly SandboxPayment[]>;
  readonly audit: () => Promise<SandboxAudit>;
  readonly addFunds: (node: string, openingMsat: bigint) => Promise<void>;
};

/** The file that holds every 32 random bytes that the sandbox drew, a line each: its preimages are among them. */
export function drawsOf(path: string): string {
  return `${path}.draws`;
}

/** Opens the books and listens. */
export async function openSandbox({ path, port, token }: SandboxPlace, { clock, reached, tell }: Surroundings): Promise<SandboxActor> {
  const random = (length: number) => {
    const drawn = systemRandom(length);
    if (length === 32) appendFileSync(drawsOf(path), `${toHex(drawn)}\n`);
    return drawn;
  };
  const tellOfPending = async () => {
    if ((await running.network.audit()).heldMsat > 0n) tell({ kind: 'under-way' });
  };
  const watched = (point: CrashPoint) => {
    reached(point);
    if (point === 'sandbox.payment.committed') setImmediate(tellOfPending);
  };
  const running = await startSandbox({ path, port, token, clock, reached: watched, random });
  const { network } = running;
  return {
    url: async () => running.url,
    idle,
    setFault: (fault) => network.setFault(fault),
    clearFaults: () => network.clearFaults(),
    release: (paymentHash, as) => network.releasePayment(paymentHash as never, as),
    attempts: async (paymentHash) => (await network.audit()).payments.filter((payment) => payment.paymentHash === paymentHash),
    audit: () => network.audit(),
    addFunds: async (node, openingMsat) => void (await network.addFunds(node, { openingMsat: openingMsat as never })),
    close: () => running.close(),
  };
}
