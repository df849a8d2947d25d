/**
 * One sandbox for everything on this machine: whoever needs it first runs it, and says in the home folder where it is; the others
 * connect to it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { FareboxError } from '../core/Errors.ts';
import { connectSandbox, type RunningSandbox, type Sandbox, type SandboxAddress, startSandbox } from '../lightning/sandbox.ts';
import type { Home } from './Home.ts';

/** A way to the sandbox. */
export type SandboxLink = {
  readonly sandbox: Sandbox;
  /** Where others reach it. */
  readonly address: SandboxAddress;
  /** Whether it runs in this process, and ends with it. */
  readonly isHost: boolean;
  readonly close: () => Promise<void>;
};

/** The sandbox that runs, or a new one in this process. @throws SANDBOX_UNAVAILABLE – its books are in use by something that does not answer */
export async function openSandbox(home: Home, port = 0): Promise<SandboxLink> {
  const found = await findSandbox(home);
  if (found) return found;
  let running: RunningSandbox;
  try {
    running = await startSandbox({ path: home.sandboxStore, port });
  } catch (error) {
    // Another process may have been a moment faster.
    const other = await findSandbox(home);
    if (other) return other;
    throw error;
  }
  const address = { url: running.url, token: running.token };
  const draft = `${home.sandboxAddress}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(address)}\n`, { mode: 0o600 });
  renameSync(draft, home.sandboxAddress);
  return {
    sandbox: running.network,
    address,
    isHost: true,
    close: async () => {
      if (readAddress(home)?.url === address.url) rmSync(home.sandboxAddress, { force: true });
      await running.close();
    },
  };
}

/** The sandbox that runs somewhere on this machine, if one does. */
export async function findSandbox(home: Home): Promise<SandboxLink | undefined> {
  const address = readAddress(home);
  if (!address) return undefined;
  const sandbox = connectSandbox(address);
  try {
    await sandbox.faults();
    return { sandbox, address, isHost: false, close: sandbox.close };
  } catch (error) {
    await sandbox.close();
    if (FareboxError.is(error, 'LIGHTNING_UNAVAILABLE', 'LIGHTNING_UNAUTHORIZED')) return undefined;
    throw error;
  }
}

/** The sandbox that runs. @throws SANDBOX_UNAVAILABLE – none does */
export async function requireSandbox(home: Home): Promise<SandboxLink> {
  const found = await findSandbox(home);
  if (found) return found;
  throw new FareboxError('SANDBOX_UNAVAILABLE', noSandbox);
}

/** What to do where none runs. */
export const noSandbox = 'No sandbox runs on this machine. Start one with: farebox sandbox (a gateway on the sandbox runs one too).';

function readAddress(home: Home): SandboxAddress | undefined {
  try {
    const { url, token } = JSON.parse(readFileSync(home.sandboxAddress, 'utf8')) as Partial<SandboxAddress>;
    return typeof url === 'string' && typeof token === 'string' ? { url, token } : undefined;
  } catch {
    return undefined;
  }
}
