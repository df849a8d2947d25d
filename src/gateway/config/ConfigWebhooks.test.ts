import { expect, test } from 'vitest';
import { eventTypes } from '../../server/webhooks/Message.ts';
import { createConfig, parseConfig } from '../Config.ts';
import { explain, toJson } from '../Explain.ts';

const services = [{ name: 'api', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', free: true }] }];
const of = (webhooks: readonly object[], top: object = {}) => createConfig({ services, webhooks, ...top }, { folder: '/etc/farebox' });
const books = { name: 'books', url: 'https://hooks.example.com/services/T0P', secret: 'hook.secret' };

test('a webhook is completed: every event, public addresses alone, three days', () => {
  expect(of([books]).webhooks).toEqual([
    {
      name: 'books',
      url: 'https://hooks.example.com/services/T0P',
      secret: { kind: 'file', path: '/etc/farebox/hook.secret' },
      events: eventTypes,
      allowPrivate: false,
      giveUpAfterSeconds: 259_200,
    },
  ]);
  expect(createConfig({ services }).webhooks).toEqual([]);
  const [own] = of([{ ...books, url: 'http://10.0.0.5:8080/x#y', allowPrivate: true, events: ['alert.raised'], giveUpAfter: '1h' }]).webhooks;
  expect(own).toMatchObject({ url: 'http://10.0.0.5:8080/x', allowPrivate: true, events: ['alert.raised'], giveUpAfterSeconds: 3600 });
});

test('its address and its secret come out of the environment as well', () => {
  const text = `services: [{ name: api, upstream: 'http://127.0.0.1:1', routes: [{ path: /a, free: true }] }]
webhooks: [{ name: books, url: '\${HOOK}', secret: '\${SECRET}' }]`;
  const { webhooks } = parseConfig(text, { environment: { HOOK: 'https://hooks.example.com/x', SECRET: 'whsec_0123' } });
  expect(webhooks[0]).toMatchObject({ url: 'https://hooks.example.com/x', secret: { kind: 'text', text: 'whsec_0123' } });
});

test.each([
  ['two of one name', [books, books], /two webhooks named "books"/],
  ['no TLS', [{ ...books, url: 'http://hooks.example.com/' }], /goes over https/],
  ['a password', [{ ...books, url: 'https://a:b@hooks.example.com/' }], /no user and no password/],
  ['no address', [{ ...books, url: 'hooks.example.com' }], /whole address/],
  ['an event that there is not', [{ ...books, events: ['payment.lost'] }], /payment.lost/],
  ['no event', [{ ...books, events: [] }], /events/],
  ['a name that no log can hold', [{ ...books, name: 'a b' }], /a b/],
])('%s is a mistake', (_, webhooks, message) => {
  expect(() => of(webhooks)).toThrow(message);
});

test('without a store there is nothing to tell from', () => {
  expect(() => of([books], { store: 'none' })).toThrow(/without a store nobody can tell what was told/);
});

test('its origin is shown, and not its path or its secret', () => {
  const config = of([
    { ...books, events: ['payment.earned'] },
    { ...books, name: 'other', allowPrivate: true },
  ]);
  expect(explain(config)).toContain('books is told payment.earned at https://hooks.example.com\n');
  expect(explain(config)).toContain('is told everything at https://hooks.example.com, which may be at a private address');
  expect(toJson(config)).toMatchObject({ webhooks: [{ name: 'books', origin: 'https://hooks.example.com', secret: { kind: 'file' } }, { name: 'other' }] });
  expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain('T0P');
});
