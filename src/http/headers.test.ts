import { expect, test } from 'vitest';
import { changesRequest, isClientClaim, isHopByHop, isOfMessage, isOurs, isOursToSay } from './headers.ts';

test('what passes at one look is nothing that any rule is about', () => {
  const ruled = [
    'connection',
    'te',
    'l402-payment',
    'x-forwarded-for',
    'x-real-ip',
    'x-http-method-override',
    'cookie',
    'authorization',
    'www-authenticate',
    'via',
    'host',
  ];
  for (const name of [...ruled, 'content-length', 'transfer-encoding', 'expect', 'trailer', 'idempotency-key', 'upgrade', 'keep-alive', 'payment-receipt']) {
    expect([name, isOfMessage(name)]).toEqual([name, false]);
  }
  for (const name of ['accept', 'content-type', 'date', 'etag', 'set-cookie', 'user-agent', 'x-powered-by', 'x-request-id']) {
    expect([name, isOfMessage(name)]).toEqual([name, true]);
    for (const rule of [isHopByHop, isOurs, isClientClaim, changesRequest, isOursToSay]) expect(rule(name)).toBe(false);
  }
});
