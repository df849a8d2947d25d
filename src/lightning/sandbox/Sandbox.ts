/**
 * What a sandbox is to those who use it: a Lightning network on this machine, the same whether it lives in this process or is
 * reached over loopback HTTP.
 *
 * Every node has one channel, to the hub, and a payment goes payer → hub → payee. Money is created when a channel opens or grows and
 * never otherwise: what all nodes have, the hub among them, plus what is held for payments under way, is what was funded.
 */
import type { Msat } from '../../core/Amount.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import type { FailureReason, Payer, Receiver } from '../Lightning.ts';

/** The node in the middle, to which every other has its channel. */
export const hubName = 'hub';

/** How a node's channel begins. Of no effect on a node that is there already. */
export type SandboxOpening = {
  /** The node's own side: what it can spend. Default: the sandbox's, 1,000,000 sat. */
  readonly openingMsat?: Msat;
  /** The hub's side: what the node can be paid. Default: the sandbox's, 1 BTC. */
  readonly inboundMsat?: Msat;
};

/**
 * What can go wrong on demand, with the payments that a node makes or is paid (the payer's fault goes first):
 *
 * - `fails`: fails for certain, `no-route`.
 * - `no-balance`, `too-small`, `too-large`: fails for certain, for that reason.
 * - `hangs`: stays under way until it is released.
 * - `settles-late`: settles a second after the payer's time-out, or when it is released.
 * - `no-preimage`: the money moves, and the payer is not told the preimage: `unknown`, for ever.
 * - `overcharges`: costs the fee limit and the usual fee on top of it.
 * - `pays-expired`: settles after the invoice has expired: one second later, or at once where it had expired before.
 * - `node-down`: the node answers nothing (`LIGHTNING_UNAVAILABLE`; its own payments end `unknown`) and nobody can pay it (`no-route`).
 */
export type SandboxFaultKind = (typeof sandboxFaultKinds)[number];

/** Every fault by name. */
export const sandboxFaultKinds = [
  'fails',
  'hangs',
  'no-balance',
  'too-small',
  'too-large',
  'settles-late',
  'no-preimage',
  'overcharges',
  'pays-expired',
  'node-down',
] as const;

/** A fault that a node has now. A node has one at most; a new one takes the place of the old. Kept in memory: a restart clears it. */
export type SandboxFault = {
  /** The node's name; it need not be there yet. */
  readonly node: string;
  readonly kind: SandboxFaultKind;
  /** For how many payments (`node-down`: refused calls) more. Without it: until cleared. */
  readonly payments?: number;
};

/** One node as the audit shows it. */
export type SandboxNode = {
  /** As given; `hub` is the node in the middle. */
  readonly name: string;
  /** `sandbox-` and the name. */
  readonly alias: string;
  /** Compressed public key, 66 hex digits. */
  readonly nodeId: string;
  /** What it owns and can spend now. */
  readonly spendableMsat: Msat;
  /** What it owns and has locked in payments under way. */
  readonly heldMsat: Msat;
  /** What it can be paid now. */
  readonly receivableMsat: Msat;
  /** What it has paid to payees, fees not among it. */
  readonly sentMsat: Msat;
  /** What its payments have cost on top. */
  readonly feesPaidMsat: Msat;
  /** What it was paid, or, for the hub, earned in fees. */
  readonly receivedMsat: Msat;
};

/** One attempt to pay. */
export type SandboxPayment = {
  readonly paymentHash: PaymentHash;
  /** Node names. Without `payee`: the invoice is of nobody here. */
  readonly payer: string;
  readonly payee?: string;
  readonly amountMsat: Msat;
  /** What it cost on top, or, while under way, will; 0 where it failed. */
  readonly feeMsat: Msat;
  readonly state: 'pending' | 'settled' | 'failed';
  /** Why it failed. */
  readonly reason?: FailureReason;
  /** The fault that it met. */
  readonly fault?: SandboxFaultKind;
  /** Unix seconds. */
  readonly startedAt: number;
  /** Unix seconds; set once it is settled or failed. */
  readonly endedAt?: number;
};

/** The whole of the books. */
export type SandboxAudit = {
  /** Put into channels ever. */
  readonly fundedMsat: Msat;
  /** What the nodes can spend, the hub among them. */
  readonly spendableMsat: Msat;
  /** What is locked in payments under way. */
  readonly heldMsat: Msat;
  /** What settled payments cost on top: the hub has it. */
  readonly feesMsat: Msat;
  /** Whether `spendable + held = funded`, and every node has what its opening and its payments leave it with. */
  readonly balanced: boolean;
  /** By name, the hub first. */
  readonly nodes: readonly SandboxNode[];
  /** Oldest first. */
  readonly payments: readonly SandboxPayment[];
};

/** A sandbox, here or behind a connection. Every call may throw `LIGHTNING_UNAVAILABLE` or `LIGHTNING_UNAUTHORIZED`. */
export type Sandbox = {
  /** A node as one that is paid; it comes into being at the first call that reaches the sandbox. */
  readonly receiver: (node: string, opening?: SandboxOpening) => Receiver;
  /** A node as one that pays; it comes into being at the first call that reaches the sandbox. */
  readonly payer: (node: string, opening?: SandboxOpening) => Payer;
  /** The node of that name, opened where it is not there. */
  readonly openNode: (node: string, opening?: SandboxOpening) => Promise<SandboxNode>;
  /** Puts more into both sides of a node's channel. */
  readonly addFunds: (node: string, amounts: SandboxOpening) => Promise<SandboxNode>;
  /** Makes something go wrong from the next payment on. */
  readonly setFault: (fault: SandboxFault) => Promise<void>;
  /** Takes faults back: a node's, or all. Payments that hang go on hanging. */
  readonly clearFaults: (node?: string) => Promise<void>;
  readonly faults: () => Promise<readonly SandboxFault[]>;
  /** Ends the payments of that hash that are under way. The answer is how many there were. Settling one fails it where the invoice has been paid meanwhile, or has expired (but for `settles-late` and `pays-expired`). */
  readonly releasePayment: (paymentHash: PaymentHash, as: 'settled' | 'failed') => Promise<number>;
  /** How long every payment takes from now on, in milliseconds. */
  readonly setDelay: (delayMs: number) => Promise<void>;
  readonly audit: () => Promise<SandboxAudit>;
  /** Ends what is waiting and lets go of file and sockets. */
  readonly close: () => Promise<void>;
};
