import { expect, test } from 'vitest';
import { createEvents, type PaywallEvent } from '../../server/Events.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { watchForAlerts } from './Alerts.ts';

function open() {
  const clock = FixedClock.create();
  const events = createEvents();
  const told: string[] = [];
  const subjects: string[] = [];
  const record = watchForAlerts(events, clock);
  events.on((event) => {
    if (event.kind !== 'alert') return;
    told.push(`${event.alert} ${event.state}: ${event.words}`);
    subjects.push(`${event.subject} ${event.state}`);
  });
  const hear = (event: object) => events.emit({ at: clock.nowMs(), ...event } as PaywallEvent);
  const answers = (count: number, status: number) => {
    for (let index = 0; index < count; index++) record({ status, ended: 'delivered' });
  };
  return { clock, told, subjects, hear, answers, record };
}

test('a node that gives no invoice is told once, and once that it is back', () => {
  const { told, hear } = open();
  const away = { kind: 'trouble', what: 'the node', error: new Error('secret words') };
  hear({ kind: 'challenged' });
  hear({ kind: 'trouble', what: 'the store', error: new Error() });
  expect(told).toEqual([]);
  hear(away);
  hear(away);
  hear({ kind: 'challenged' });
  hear({ kind: 'challenged' });
  hear(away);
  expect(told.map((one) => one.split(':')[0])).toEqual(['node-away raised', 'node-away cleared', 'node-away raised']);
  expect(told.join()).not.toContain('secret');
});

test('each payee is away and back by itself', () => {
  const { subjects, hear } = open();
  const away = (payee?: string) => hear({ kind: 'trouble', what: 'the node', payee, error: new Error() });
  for (let turn = 0; turn < 3; turn++) {
    away('alice');
    hear({ kind: 'challenged' });
    hear({ kind: 'challenged', payee: 'bob' });
  }
  expect(subjects).toEqual(['alice raised']);
  away();
  hear({ kind: 'challenged', payee: 'alice' });
  hear({ kind: 'challenged' });
  expect(subjects).toEqual(['alice raised', 'the node raised', 'alice cleared', 'the node cleared']);
});

test('that a payment could not be asked about says nothing of invoices', () => {
  const { told, hear } = open();
  hear({ kind: 'trouble', what: 'asking about a payment', error: new Error() });
  expect(told).toEqual([]);
});

test('failures that rise are told once; a few, or a small part of many, are not', () => {
  const { clock, told, answers, record } = open();
  answers(10, 500);
  expect(told, 'of ten answers nothing is said').toEqual([]);
  clock.advance(300_000);
  answers(200, 200);
  answers(19, 502);
  expect(told).toEqual([]);
  answers(8, 503);
  expect(told).toEqual(['failures-rising raised: 23 of the last 223 answers have failed.']);
  answers(20, 500);
  expect(told).toHaveLength(1);
  clock.advance(300_000);
  record({ status: 200, ended: 'delivered' });
  expect(told[1]).toBe('failures-rising cleared: 0 of the last 1 answers have failed: that is over.');
  for (let index = 0; index < 20; index++) record({ status: 200, ended: 'upstream-failed' });
  expect(told).toHaveLength(3);
});
