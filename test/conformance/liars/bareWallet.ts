/**
 * A driver that hands on whatever the liars' wallet says, unchecked: what our client is left with where a driver does not do its duty.
 */
import type { Clock } from '../../../src/core/Clock.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import type { Payer, PaymentOutcome, TrackedPayment } from '../../../src/lightning/Lightning.ts';
import type { SandboxAddress } from '../../../src/lightning/sandbox.ts';

/** The wallet at that address. */
export function createBareWallet({ url, token }: SandboxAddress, clock: Clock): Payer {
  const call = async (name: string, request: object, signal: AbortSignal) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ node: { name: 'wallet' }, ...request }, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    const response = await fetch(`${url}/v1/${name}`, { method: 'POST', headers, body, signal });
    if (!response.ok) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'The wallet is away.');
    const said = (await response.json()) as { kind: string; amountMsat?: string; feeMsat?: string };
    if (!/^(settled|failed|unknown|pending|absent)$/.test(said.kind)) return { kind: 'unknown', message: 'Nonsense.' };
    return said.kind === 'settled' ? { ...said, amountMsat: BigInt(said.amountMsat ?? 0), feeMsat: BigInt(said.feeMsat ?? 0) } : said;
  };
  return {
    name: 'bare',
    network: 'sandbox',
    capabilities: { feeLimit: true, track: true, balance: false },
    pay: async ({ invoice, maxFeeMsat, timeoutSeconds }) => {
      const late = new AbortController();
      const callOff = clock.after(timeoutSeconds * 1000, () => late.abort());
      try {
        return (await call('pay', { invoice, maxFeeMsat, timeoutSeconds }, late.signal)) as PaymentOutcome;
      } catch {
        return { kind: 'unknown', message: 'The connection was lost.' };
      } finally {
        callOff();
      }
    },
    trackPayment: async (paymentHash, signal) => (await call('trackPayment', { paymentHash }, signal ?? new AbortController().signal)) as TrackedPayment,
    balance: async () => {
      throw new FareboxError('LIGHTNING_UNAVAILABLE', 'It does not say.');
    },
    close: async () => {},
  };
}
