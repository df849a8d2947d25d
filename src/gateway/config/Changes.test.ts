import { describe, expect, test } from 'vitest';
import { parseConfig } from '../Config.ts';
import * as Changes from './Changes.ts';

const text = `services:
  - name: api
    upstream: http://localhost:3000
    routes:
      - { path: /a, price: 10 sat }
      - path: /b
        methods: [GET, POST]
        price: 20 sat
      - { path: /c, free: true }
  - name: other
    host: Other.example
    upstream: http://localhost:3000
    routes:
      - { path: /a, price: 1 sat, headers: { X-Version: "2" } }
`;
const read = (changes: string) => parseConfig(text, { file: 'farebox.yaml', environment: {}, changes });
const pricesOf = (changes: string) => read(changes).routes.map(({ name, sale }) => [name, sale?.priceMsat]);
const refusalOf = (changes: string): string => {
  try {
    read(changes);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

test('a field that is changed wins, null takes one away, and everything else is as the configuration says', () => {
  const changed = read(`services:
  api:
    set: { title: Words, disabled: true }
    routes:
      /a: { set: { price: 15 sat, disabled: false } }
      GET,POST /b: { set: { price: null, free: true } }
  other: { routes: { "other.example/a with x-version: 2": { set: { terms: "pass: 1h" } } } }
`);
  expect(changed.routes.map(({ name, sale, disabled }) => [name, sale?.priceMsat, sale?.description, disabled])).toEqual([
    ['/a', 15_000n, 'Words - 1 request', false],
    ['GET,POST /b', undefined, undefined, true],
    ['/c', undefined, undefined, true],
    ['other.example/a with x-version: 2', 1000n, 'other - 1 hour', false],
  ]);
  expect(Changes.countChanges(changed.changes)).toBe(7);
});

test('services and routes are added and removed', () => {
  expect(
    pricesOf(`services:
  api:
    routes:
      /a: { removed: true }
      POST /new: { added: true, set: { path: /new, methods: POST, price: 3 sat } }
  other: { removed: true }
  third: { added: true, set: { upstream: "http://localhost:1" }, routes: { /t: { added: true, set: { path: /t, price: 4 sat } } } }
`),
  ).toEqual([
    ['GET,POST /b', 20_000n],
    ['/c', undefined],
    ['POST /new', 3000n],
    ['/t', 4000n],
  ]);
});

describe('what is wrong is told', () => {
  test.each([
    ['of what is not there', 'services: { gone: { set: { title: x } } }', 'farebox.changes.yaml changes the service "gone", which is not there'],
    ['of a route that is not there', 'services: { api: { routes: { /gone: { set: { price: 1 sat } } } } }', 'changes the route /gone of the service "api"'],
    [
      'with what was changed, not with a line of the file',
      'services: { api: { routes: { /a: { set: { price: 1 } } } } }',
      'farebox.yaml: farebox.changes.yaml, service api, route /a.price',
    ],
    [
      'of the file beside a change, with its line there',
      'services: { api: { routes: { /a: { set: { weight: 2 } } } } }',
      'farebox.changes.yaml, service api, route /a.weight',
    ],
    ['of another form', 'services: { api: { price: 1 } }', 'farebox.changes.yaml:1:'],
    ['of no form at all', '- a', 'farebox.changes.yaml:1:'],
    ['of a service that is there already', 'services: { api: { added: true, set: {} } }', 'adds a service "api" too'],
    ['of a route that is there already', 'services: { api: { routes: { /n: { added: true, set: { path: /a, price: 1 sat } } } } }', '/a is there already'],
  ])('%s', (_, changes, message) => {
    expect(refusalOf(changes)).toContain(message);
  });

  test('in the file itself with its own place, however many routes a change takes out before it', () => {
    const broken = text.replace('price: 20 sat', 'price: 20');
    const act = () => parseConfig(broken, { file: 'farebox.yaml', environment: {}, changes: 'services: { api: { routes: { /a: { removed: true } } } }' });
    expect(act).toThrow(/^farebox\.yaml:8:16: `price`/);
  });
});

test('nothing of the environment is filled into changes', () => {
  const changed = parseConfig(text, { file: 'f.yaml', environment: { SECRET: 'shown' }, changes: 'services: { api: { set: { title: "$\\u007bSECRET}" } } }' });
  expect(changed.routes[0]?.sale?.description).toBe('$\u007bSECRET} - 1 request');
});

test('what is written is read again, without what changes nothing', () => {
  const changes: Changes.Changes = {
    services: {
      api: {
        set: {},
        routes: {
          '/a': { set: { price: '15 sat', title: 'a: "b" # c', disabled: true } },
          '/b': {},
          'POST /n': { added: true, set: { path: '/n', methods: ['POST'], weight: 3 } },
        },
      },
      empty: { routes: { '/x': { set: {} } } },
      gone: { removed: true },
    },
  };
  const written = Changes.formatChanges(changes, 'farebox.yaml');
  expect(written.split('\n')[0]).toMatch(/^# .*wins over farebox\.yaml/);
  expect(Changes.parseChanges(written, 'f')).toEqual(Changes.compact(changes));
  expect(Object.keys(Changes.compact(changes).services)).toEqual(['api', 'gone']);
  expect(Changes.parseChanges('', 'f')).toEqual(Changes.none);
});

test('the file of changes stands beside the configuration', () => {
  expect(['farebox.yaml', '/srv/my.yml', 'conf'].map(Changes.changesFileOf)).toEqual(['farebox.changes.yaml', '/srv/my.changes.yaml', 'conf.changes.yaml']);
});
