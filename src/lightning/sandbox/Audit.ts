/**
 * The books of a sandbox, added up twice: what the channels hold, and what openings and payments say that they must hold.
 */
import * as Amount from '../../core/Amount.ts';
import type { Books, NodeRow, PaymentRow } from './Books.ts';
import { hubName, type SandboxAudit, type SandboxNode, type SandboxPayment } from './Sandbox.ts';

type Msat = Amount.Msat;
type Sums = { heldMsat: bigint; sentMsat: bigint; feesPaidMsat: bigint; receivedMsat: bigint; incomingMsat: bigint };

/** Adds up everything. */
export function audit(books: Books): SandboxAudit & { nodes: SandboxNode[]; payments: SandboxPayment[] } {
  const rows = books.nodes();
  const payments = books.payments();
  const sums = sumsOf(payments);
  const channels = rows.filter((row) => !isHub(row));
  const nodes = rows.map((row) => (isHub(row) ? hubOf(row, channels, payments) : toNode(row, sums.get(row.name))));
  const fundedMsat = total(rows, (row) => row.capacityMsat);
  const spendableMsat = total(nodes, (node) => node.spendableMsat);
  const heldMsat = total(nodes, (node) => node.heldMsat);
  return {
    fundedMsat,
    spendableMsat,
    heldMsat,
    feesMsat: total(nodes, (node) => node.feesPaidMsat),
    balanced: spendableMsat + heldMsat === fundedMsat && channels.every((row) => isAccountedFor(row, sums.get(row.name))),
    nodes: nodes.sort((a, b) => (a.name === hubName ? -1 : b.name === hubName ? 1 : a.name < b.name ? -1 : 1)),
    payments: payments.map(toPayment),
  };
}

/** One node, with what its payments add up to. */
export function nodeOf(books: Books, row: NodeRow): SandboxNode {
  return toNode(row, sumsOf(books.payments()).get(row.name));
}

const noSums: Sums = { heldMsat: 0n, sentMsat: 0n, feesPaidMsat: 0n, receivedMsat: 0n, incomingMsat: 0n };

function isHub(row: NodeRow): boolean {
  return row.name === hubName;
}

function sumsOf(payments: readonly PaymentRow[]): ReadonlyMap<string, Sums> {
  const all = new Map<string, Sums>();
  const of = (name: string): Sums => {
    const sums = all.get(name) ?? { ...noSums };
    all.set(name, sums);
    return sums;
  };
  for (const { payer, payee, state, amountMsat, feeMsat } of payments) {
    if (payee === undefined) continue;
    if (state === 'pending') {
      of(payer).heldMsat += amountMsat + feeMsat;
      of(payee).incomingMsat += amountMsat;
    } else if (state === 'settled') {
      of(payer).sentMsat += amountMsat;
      of(payer).feesPaidMsat += feeMsat;
      of(payee).receivedMsat += amountMsat;
    }
  }
  return all;
}

function toNode(row: NodeRow, sums = noSums): SandboxNode {
  return {
    name: row.name,
    alias: `sandbox-${row.name}`,
    nodeId: row.nodeId,
    spendableMsat: row.localMsat,
    heldMsat: Amount.fromMsat(sums.heldMsat),
    receivableMsat: row.remoteMsat,
    sentMsat: Amount.fromMsat(sums.sentMsat),
    feesPaidMsat: Amount.fromMsat(sums.feesPaidMsat),
    receivedMsat: Amount.fromMsat(sums.receivedMsat),
  };
}

/** The hub owns the other side of every channel, earns the fees, and holds its part of every payment under way. */
function hubOf(row: NodeRow, channels: readonly NodeRow[], payments: readonly PaymentRow[]): SandboxNode {
  return {
    ...toNode(row),
    spendableMsat: total(channels, (channel) => channel.remoteMsat),
    heldMsat: total(payments, (payment) => (payment.state === 'pending' ? payment.amountMsat : Amount.zero)),
    receivableMsat: total(channels, (channel) => channel.localMsat),
    receivedMsat: total(payments, (payment) => (payment.state === 'settled' ? payment.feeMsat : Amount.zero)),
  };
}

/** Whether both sides of a channel are what its opening and its payments leave. */
function isAccountedFor(row: NodeRow, sums = noSums): boolean {
  const earnedMsat = sums.receivedMsat - sums.sentMsat - sums.feesPaidMsat;
  const local = row.openedMsat + earnedMsat - sums.heldMsat;
  const remote = row.capacityMsat - row.openedMsat - earnedMsat - sums.incomingMsat;
  return row.localMsat === local && row.remoteMsat === remote;
}

function toPayment(row: PaymentRow): SandboxPayment {
  const { paymentHash, payer, payee, amountMsat, feeMsat, state, reason, fault, startedAt, endedAt } = row;
  return {
    paymentHash,
    payer,
    amountMsat,
    feeMsat,
    state,
    startedAt,
    ...(payee === undefined ? {} : { payee }),
    ...(reason === undefined ? {} : { reason }),
    ...(fault === undefined ? {} : { fault }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

function total<T>(items: readonly T[], of: (item: T) => Msat): Msat {
  return Amount.fromMsat(items.reduce((sum, item) => sum + of(item), 0n));
}
