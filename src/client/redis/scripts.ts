/**
 * The Lua that runs inside Redis, each script one atomic step. No rule of ours stands here: what becomes of a payment is decided by `decisions.ts`,
 * and `apply` writes it if nothing has been written since what it was decided on was read.
 *
 * Each begins by looking whose store it is, and answers `other` where it is not the caller's.
 */
import { createHash } from 'node:crypto';
import type { Script } from '../../store/redis/scripts.ts';

const head = `#!lua
local store = redis.call('GET', KEYS[1])
if store ~= ARGV[1] then return {'other', store or ''} end
local revision = redis.call('GET', KEYS[2]) or '0'
`;

/**
 * Reads at one moment. KEYS: store, revision, payments; what is named by place. ARGV: whose store; each read as its name, the place of its key, and one
 * argument: `row` (of a payment hash), `rows` (of a sorted set), `since` (from a score on), `all` (a hash).
 */
const ask = `${head}
local function rowsOf(hashes)
  local rows = {}
  for i = 1, #hashes, 500 do
    local some = redis.call('HMGET', KEYS[3], unpack(hashes, i, math.min(i + 499, #hashes)))
    for _, row in ipairs(some) do if row then rows[#rows + 1] = row end end
  end
  return rows
end
local answers = {}
for at = 2, #ARGV, 3 do
  local name, key, argument = ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  local answer
  if name == 'row' then answer = redis.call('HGET', key, argument) or ''
  elseif name == 'rows' then answer = rowsOf(redis.call('ZRANGE', key, 0, -1))
  elseif name == 'since' then answer = rowsOf(redis.call('ZRANGE', key, argument, '+inf', 'BYSCORE'))
  else answer = redis.call('HGETALL', key) end
  answers[#answers + 1] = answer
end
return {'done', revision, answers}
`;

/**
 * Runs commands if nothing was written since a revision. KEYS: store, revision; what is named by place. ARGV: whose store; the revision; each command as
 * its number of arguments behind the key, its name, the place of its key, and those.
 */
const apply = `${head}
if revision ~= ARGV[2] then return {'changed'} end
local at = 3
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  local args = {}
  for i = 1, count do args[i] = ARGV[at + 2 + i] end
  redis.call(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(args))
  at = at + 3 + count
end
redis.call('INCR', KEYS[2])
return {'done'}
`;

/** Every script. */
export const scripts = { ask: script(ask, true), apply: script(apply, false) } as const;

function script(text: string, isRepeatable: boolean): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex'), isRepeatable };
}
