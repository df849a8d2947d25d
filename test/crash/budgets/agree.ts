/**
 * Whether three books agree to the millisatoshi: the buyers' journal, their wallet's own, and the seller's ledger.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { House } from './House.ts';

/** Everything that does not agree, as sentences; and how many payments there were. */
export async function agree({ sandbox, gateway, audit }: House): Promise<{ readonly findings: readonly string[]; readonly payments: number }> {
  const wallet = await sandbox.network.audit();
  const node = (name: string) => wallet.nodes.find((one) => one.name === name);
  const arrived = node('seller')?.receivedMsat ?? 0n;
  // The seller hears of what arrives a moment later.
  for (let waits = 0; waits < 100 && (await gateway.totals()).settledMsat !== arrived; waits++) await pause(50);
  const [books, ledger, totals] = [await audit(), await gateway.ledger(), await gateway.totals()];
  const findings: string[] = wallet.balanced ? [] : ["the sandbox's own books do not balance"];
  const settled = wallet.payments.filter(({ state }) => state === 'settled');
  const made = new Map(settled.map((payment) => [payment.paymentHash as string, payment]));
  if (made.size !== settled.length) findings.push(`${settled.length} payments were made for ${made.size} invoices`);
  for (const { paymentHash, state, spentMsat, amountMsat, reservedMsat } of books.payments) {
    const payment = made.get(paymentHash);
    const costMsat = payment ? payment.amountMsat + payment.feeMsat : 0n;
    if (spentMsat !== costMsat) findings.push(`payment ${paymentHash} (${state}) cost ${costMsat} msat, and the journal says ${spentMsat}`);
    if (spentMsat > reservedMsat) findings.push(`payment ${paymentHash} cost more than was set aside`);
    const inLedger = (kind: 'settled' | 'received') =>
      ledger.reduce((sum, row) => (row.paymentHash === paymentHash && row.kind === kind ? sum + row.amountMsat : sum), 0n);
    const dueMsat = payment ? amountMsat : 0n;
    if (inLedger('settled') !== dueMsat) findings.push(`payment ${paymentHash} (${state}) of ${dueMsat} msat arrived in the ledger as ${inLedger('settled')}`);
    // What was paid for and never shown, in time that its token had, is the seller's all the same.
    const isShown = state === 'redeemed' || (state === 'rejected' && inLedger('received') > 0n);
    if (isShown && inLedger('received') !== dueMsat) findings.push(`payment ${paymentHash} (${state}) of ${dueMsat} msat was shown as ${inLedger('received')}`);
    made.delete(paymentHash);
  }
  for (const hash of made.keys()) findings.push(`payment ${hash} was made, and the journal does not know it`);
  const left = (node('buyer')?.sentMsat ?? 0n) + (node('buyer')?.feesPaidMsat ?? 0n);
  if (books.spending.spentMsat !== left) findings.push(`${left} msat left the wallet, and the journal sums up to ${books.spending.spentMsat}`);
  if (books.spending.heldMsat !== 0n) findings.push(`${books.spending.heldMsat} msat are still held`);
  if (totals.settledMsat !== arrived) findings.push(`${arrived} msat arrived at the seller, and its ledger says ${totals.settledMsat}`);
  return { findings, payments: settled.length };
}
