import { expect, test } from 'vitest';
import { FareboxError } from '../../core/Errors.ts';
import { assertSafe, type Durability, parseInfo, type Settings } from './settings.ts';

const good: Settings = {
  info: { redis_version: '7.0.15', role: 'master', loading: '0', cluster_enabled: '0', aof_enabled: '1', maxmemory_policy: 'noeviction' },
  config: { appendonly: 'yes', appendfsync: 'always', 'no-appendfsync-on-rewrite': 'no', 'maxmemory-policy': 'noeviction' },
};

/** What becomes of a good server with something changed, by promise. */
function outcomes(info: Record<string, string | undefined>, config: Record<string, string | undefined> | undefined, prefix = 'farebox:'): readonly string[] {
  const defined = (fields: object) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<string, string>;
  const settings = { info: defined({ ...good.info, ...info }), config: config && defined({ ...good.config, ...config }) };
  return (['flushed', 'everysec', 'unflushed'] satisfies Durability[]).map((durability) => {
    try {
      assertSafe(settings, durability, prefix);
      return 'good';
    } catch (error) {
      return FareboxError.is(error) ? error.code : String(error);
    }
  });
}

const refused = ['CONFIG_INVALID', 'CONFIG_INVALID', 'CONFIG_INVALID'];
const away = ['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'];

test.each<[string, Parameters<typeof outcomes>, readonly string[]]>([
  ['a good one', [{}, {}], ['good', 'good', 'good']],
  ['Valkey, which says which Redis it is like', [{ redis_version: '7.2.4', valkey_version: '8.0.1' }, {}], ['good', 'good', 'good']],
  ['no append-only file', [{}, { appendonly: 'no' }], ['CONFIG_INVALID', 'CONFIG_INVALID', 'good']],
  ['a flush a second', [{}, { appendfsync: 'everysec' }], ['CONFIG_INVALID', 'good', 'good']],
  ['a flush when it likes', [{}, { appendfsync: 'no' }], ['CONFIG_INVALID', 'CONFIG_INVALID', 'good']],
  ['no flush during a rewrite', [{}, { 'no-appendfsync-on-rewrite': 'yes' }], ['CONFIG_INVALID', 'CONFIG_INVALID', 'good']],
  ['eviction', [{}, { 'maxmemory-policy': 'allkeys-lru' }], refused],
  ['CONFIG not allowed', [{}, undefined], ['CONFIG_INVALID', 'CONFIG_INVALID', 'good']],
  ['CONFIG not allowed, and eviction by INFO', [{ maxmemory_policy: 'volatile-lru' }, undefined], refused],
  [
    'CONFIG not allowed, and INFO tells nothing',
    [{ maxmemory_policy: undefined, aof_enabled: undefined }, undefined],
    ['CONFIG_INVALID', 'CONFIG_INVALID', 'good'],
  ],
  ['one setting not told', [{}, { 'no-appendfsync-on-rewrite': undefined }], ['CONFIG_INVALID', 'CONFIG_INVALID', 'good']],
  ['an old one', [{ redis_version: '6.2.14' }, {}], refused],
  ['one that does not say how old it is', [{ redis_version: undefined }, {}], refused],
  ['a replica', [{ role: 'slave' }, {}], away],
  ['one that does not say whether it is a replica', [{ role: undefined }, {}], away],
  ['one that is loading', [{ loading: '1' }, {}], away],
  ['a cluster', [{ cluster_enabled: '1' }, {}], refused],
  ['a cluster, with a hash tag', [{ cluster_enabled: '1' }, {}, '{farebox}:'], ['good', 'good', 'good']],
  ['a cluster, with a hash tag that is none', [{ cluster_enabled: '1' }, {}, '{}farebox:'], refused],
])('%s', (_, changed, expected) => {
  expect(outcomes(...changed)).toEqual(expected);
});

test('INFO is read field by field', () => {
  expect(parseInfo('# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/a:b\r\n\r\n# Replication\r\nrole:master\r\n')).toEqual({
    redis_version: '7.0.15',
    executable: '/usr/bin/a:b',
    role: 'master',
  });
});
