import { expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { explain, parseConfig, toJson } from './index.ts';

const services = 'services: [{ name: a, upstream: "http://u", routes: [{ path: /a, price: 1 sat }] }]';
const variable = (name: string) => `\${${name}}`;
const parse = (store: string, environment = {}) => parseConfig(`${services}\n${store}\n`, { folder: '/srv', environment });

/** What is wrong with it. */
function mistakeOf(store: string, environment = {}): string {
  try {
    parse(store, environment);
    return 'nothing';
  } catch (error) {
    if (!FareboxError.is(error, 'CONFIG_INVALID')) throw error;
    return error.message;
  }
}

const redis = 'rediss://farebox:hunter2@cache.example.com:6380/2';
const address = 'postgres://farebox:hunter2@db.example.com:5433/shop?sslmode=verify-full';

test.each([
  ['store: till.db', { kind: 'sqlite', path: '/srv/till.db' }],
  ['store: { sqlite: /var/till.db }', { kind: 'sqlite', path: '/var/till.db' }],
  ['store: memory', { kind: 'memory' }],
  ['', { kind: 'sqlite', path: '/srv/farebox.db' }],
  [`store: ${variable('STORE')}`, { kind: 'postgres', url: { kind: 'text', text: address }, schema: 'farebox', durability: 'flushed' }],
  [`store: { postgres: { url: "${variable('STORE')}", schema: shop } }`, { url: { kind: 'text', text: address }, schema: 'shop' }],
  ['store: { postgres: { url: file:store.address, durability: unflushed } }', { url: { kind: 'file', path: '/srv/store.address' }, durability: 'unflushed' }],
  ['store: { postgres: { url: /run/secrets/store } }', { url: { kind: 'file', path: '/run/secrets/store' } }],
  ['store: postgresql://farebox@localhost/shop', { url: { kind: 'text', text: 'postgresql://farebox@localhost/shop' } }],
  [`store: postgres://farebox:${variable('PASSWORD')}@localhost/shop`, { url: { kind: 'text', text: 'postgres://farebox:hunter2@localhost/shop' } }],
  [`store: ${variable('REDIS')}`, { kind: 'redis', url: { kind: 'text', text: redis }, prefix: 'farebox:', durability: 'flushed', certificatePath: undefined }],
  [`store: { redis: { url: "${variable('REDIS')}", prefix: "{shop}:" } }`, { url: { kind: 'text', text: redis }, prefix: '{shop}:' }],
  ['store: { redis: { url: file:store.address, durability: everysec } }', { url: { kind: 'file', path: '/srv/store.address' }, durability: 'everysec' }],
  ['store: { redis: { url: /run/secrets/store, certificate: ca.pem } }', { url: { kind: 'file', path: '/run/secrets/store' }, certificatePath: '/srv/ca.pem' }],
  ['store: redis://localhost', { url: { kind: 'text', text: 'redis://localhost' } }],
  ['store: unix:///run/redis.sock', { url: { kind: 'text', text: 'unix:///run/redis.sock' } }],
  [`store: redis://:${variable('PASSWORD')}@localhost`, { url: { kind: 'text', text: 'redis://:hunter2@localhost' } }],
])('%s', (store, choice) => {
  expect(parse(store, { STORE: address, REDIS: redis, PASSWORD: 'hunter2' }).store).toMatchObject(choice);
});

test.each([
  [`store: ${address}`, 'a password does not belong in a configuration file'],
  ['store: postgres://farebox@localhost/shop?password=hunter2', 'a password does not belong in a configuration file'],
  [`store: ${redis}`, 'a password does not belong in a configuration file'],
  ['store: redis://:hunter2@localhost/shop', 'this is no address of a store'],
  ['store: { redis: { prefix: shop } }', '`url` is missing'],
  ['store: { redis: { url: a, durability: weak } }', '`durability`: "weak" is not known here: write "flushed" or "everysec" or "unflushed"'],
  ['store: { rediss: { url: a } }', 'unknown key `rediss`: did you mean `redis`?'],
  ['store: { postgres: { url: a }, redis: { url: b } }', 'names several stores'],
  ['store: mysql://farebox:hunter2@localhost/shop', 'this is no address of a store'],
  [`store: ${variable('STORE')}`, 'what the environment says here cannot be used'],
  ['store: { postgres: { schema: shop } }', '`url` is missing'],
  ['store: { postgres: { url: a, schema: "Shop; DROP" } }', '`schema`: a schema has a name of up to 48'],
  ['store: { postgres: { url: a, durability: weak } }', '`durability`: "weak" is not known here: write "flushed" or "unflushed"'],
  ['store: { sqlite: a, memory: true }', 'names several stores'],
  ['store: {}', 'names no store'],
  ['store: { postgress: { url: a } }', 'unknown key `postgress`: did you mean `postgres`?'],
  ['store: ""', 'there is no value here'],
  ['store: 5', '`store` is a group of keys'],
])('%s is a mistake', (store, expected) => {
  const mistake = mistakeOf(store, { STORE: 'mysql://hunter2@localhost' });
  expect(mistake).toMatch(/^farebox\.yaml:2:\d+: /);
  expect(mistake).toContain(expected);
  expect(mistake).not.toContain('hunter2');
});

test('the explanation says where it is, and never how one gets in', () => {
  const config = parse(`store: { postgres: { url: "${variable('STORE')}", schema: shop, durability: unflushed } }`, { STORE: address });
  expect(explain(config)).toContain('PostgreSQL, at db.example.com:5433/shop, schema shop; its last commits may be lost when it fails');
  expect(explain(config) + JSON.stringify(toJson(config))).not.toContain('hunter2');
  expect(toJson(config)).toMatchObject({ store: { kind: 'postgres', url: { kind: 'text', place: 'db.example.com:5433/shop' } } });
  expect(explain(parse('store: { postgres: { url: file:store.address } }'))).toContain('PostgreSQL, its address in /srv/store.address, schema farebox\n');
});

test('the explanation of a Redis says as much', () => {
  const config = parse(`store: { redis: { url: "${variable('REDIS')}", prefix: "shop:", durability: everysec } }`, { REDIS: redis });
  expect(explain(config)).toContain('Redis, at cache.example.com:6380/2, keys shop:*; its last second may be lost when it fails');
  expect(explain(config) + JSON.stringify(toJson(config))).not.toContain('hunter2');
  expect(toJson(config)).toMatchObject({ store: { kind: 'redis', url: { kind: 'text', place: 'cache.example.com:6380/2' } } });
  expect(explain(parse('store: { redis: { url: file:store.address } }'))).toContain('Redis, its address in /srv/store.address, keys farebox:*\n');
  expect(explain(parse('store: { redis: { url: "unix:///run/redis.sock" } }'))).toContain('Redis, at /run/redis.sock, database 0, keys');
});
