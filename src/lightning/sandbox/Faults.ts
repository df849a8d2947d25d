/**
 * Which fault the next payment meets. Kept in memory: what a payment met is written to its own row, so that a restart changes no payment.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { SandboxFault, SandboxFaultKind } from './Sandbox.ts';

/** The faults of all nodes. */
export type Faults = {
  /** Gives a node a fault in place of the one that it has. */
  readonly set: (fault: SandboxFault) => void;
  /** Takes back a node's fault, or all. */
  readonly clear: (node?: string) => void;
  readonly list: () => readonly SandboxFault[];
  /** @throws LIGHTNING_UNAVAILABLE – the node is down; that counts as one */
  readonly refuseWhenDown: (node: string) => void;
  /** The fault that a payment meets, the payer's first; that counts as one. */
  readonly take: (payer: string, payee: string) => SandboxFaultKind | undefined;
};

/** No faults yet. */
export function createFaults(): Faults {
  const faults = new Map<string, SandboxFault>();
  const use = (node: string): SandboxFaultKind | undefined => {
    const fault = faults.get(node);
    if (fault?.payments === 1) faults.delete(node);
    else if (fault?.payments !== undefined) faults.set(node, { ...fault, payments: fault.payments - 1 });
    return fault?.kind;
  };
  return {
    set: (fault) => {
      faults.set(fault.node, fault);
    },
    clear: (node) => {
      if (node === undefined) faults.clear();
      else faults.delete(node);
    },
    list: () => [...faults.values()],
    refuseWhenDown: (node) => {
      if (faults.get(node)?.kind !== 'node-down') return;
      use(node);
      throw new FareboxError('LIGHTNING_UNAVAILABLE', `The sandbox node ${node} is down (a fault that was set). Clear it, or try again.`);
    },
    take: (payer, payee) => use(payer) ?? use(payee),
  };
}
