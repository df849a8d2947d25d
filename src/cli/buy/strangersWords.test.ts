import { expect, it } from 'vitest';
import { FareboxError } from '../../core/Errors.ts';
import type { Terminal } from '../Terminal.ts';
import { failureOf } from './failure.ts';
import { narrate } from './Paying.ts';

/** Clears the screen, and names the window. */
const evil = 'no\u001b[2J\u001b]0;mine\u0007\u009b2J';

it('what a wallet says steers no terminal, where a failure is told of and where each step is', () => {
  const error = new FareboxError('PAYMENT_FAILED', `The wallet says: ${evil}`);
  const failure = failureOf(error, { host: 'a', isStopped: false, lateMs: undefined, money: { paid: undefined, open: undefined }, options: {} });
  const lines: string[] = [];
  const terminal = { note: (text: string) => void lines.push(text), tone: (_: unknown, text: string) => text } as unknown as Terminal;
  narrate(terminal, { kind: 'unpaid', paymentHash: '00' as never, state: 'failed', reason: evil });
  for (const text of [failure?.message, ...lines]) {
    expect(text).toContain('no\\u{1b}[2J');
    expect(text).not.toMatch(/\p{Cc}/u);
  }
});
