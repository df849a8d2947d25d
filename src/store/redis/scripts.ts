/**
 * The Lua that runs inside Redis: each script is one atomic step, written to the append-only file as one transaction.
 *
 * No rule of ours stands here: what becomes of a claim or an account is decided by the pure steps of `claimLife.ts` and `accountLife.ts`.
 * `apply` writes what they decided if everything they looked at is still as they saw it, and otherwise answers what it is now. Amounts are
 * decimal text here, since Lua's numbers are doubles; texts are compared and added, never turned into numbers.
 *
 * Each begins by looking whose store it is, and answers `other` where it is not the caller's. Each counts as one that writes, also where
 * it only reads: a replica, a server without memory and one that cannot save refuse such a script before its first step.
 *
 * @see https://redis.io/docs/latest/develop/programmability/eval-intro/
 */
import { createHash } from 'node:crypto';

/** A script, and the name that Redis knows it by. */
export type Script = {
  readonly text: string;
  readonly sha: string;
  /** It may be sent again where nobody knows whether it ran: twice is once. */
  readonly isRepeatable: boolean;
};

/** Its first key is the store's, its first argument whose that has to be. */
const head = `#!lua
local store = redis.call('GET', KEYS[1])
if store ~= ARGV[1] then return {'other', store or ''} end
`;

/** Runs the commands from an argument on: each as its number of arguments behind the key, its name, the place of its key in KEYS, and those. */
const commands = `
local function run(at)
  local answers = {}
  while at <= #ARGV do
    local count = tonumber(ARGV[at])
    local args = {}
    for i = 1, count do args[i] = ARGV[at + 2 + i] end
    answers[#answers + 1] = redis.call(ARGV[at + 1], KEYS[tonumber(ARGV[at + 2])], unpack(args))
    at = at + 3 + count
  end
  return answers
end
`;

/** Adds two whole numbers from 0, in decimal and of any length, fifteen digits at a time: less than 2^53 each. */
const add = `
local function add(a, b)
  local parts, carry, i = {}, 0, 0
  local length = math.max(#a, #b)
  while i < length or carry > 0 do
    local sum = carry
    for _, text in ipairs({a, b}) do
      local last = #text - i
      if last > 0 then sum = sum + tonumber(string.sub(text, math.max(1, last - 14), last)) end
    end
    carry = sum >= 1e15 and 1 or 0
    table.insert(parts, 1, string.format('%015.0f', sum - carry * 1e15))
    i = i + 15
  end
  local text = string.gsub(table.concat(parts), '^0+', '')
  return text == '' and '0' or text
end
`;

/**
 * Replaces cells, appends entries and runs commands, if every cell is as expected.
 *
 * KEYS: store, audits, book, ledger, payments; the cells; then what entries and commands name by place.
 * ARGV: whose store; `unaudited` where it may not run beside an audit; how many cells; expected and next text of each ('': not there); how
 * many entries, and each; the commands. An entry: the place of its names' key, its name, its payment, its row with its length before it, and
 * what it adds to which sums, likewise.
 */
const apply = `${head}${commands}${add}
local cells = tonumber(ARGV[3])
local found, changed = {}, false
for i = 1, cells do
  found[i] = redis.call('GET', KEYS[5 + i]) or ''
  if found[i] ~= ARGV[2 + 2 * i] then changed = true end
end
if changed then return {'changed', found} end

local audits = {}
for _, audit in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if redis.call('EXISTS', audit) == 1 then audits[#audits + 1] = audit else redis.call('SREM', KEYS[2], audit) end
end
if ARGV[2] == 'unaudited' and #audits > 0 then return {'audited'} end

local at = 4 + 2 * cells
local entries = tonumber(ARGV[at])
at = at + 1
for _ = 1, entries do
  local names, name, payment = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]
  local fields = tonumber(ARGV[at + 3])
  local sums = at + 4 + fields
  local nextEntry = sums + 1 + tonumber(ARGV[sums])
  if redis.call('HEXISTS', names, name) == 0 then
    local row = {}
    for i = 1, fields do row[i] = ARGV[at + 3 + i] end
    local seq = string.format('%.0f', tonumber(redis.call('HGET', KEYS[3], 'seq') or '0') + 1)
    redis.call('XADD', KEYS[4], seq .. '-0', unpack(row))
    redis.call('HSET', KEYS[3], 'seq', seq)
    redis.call('HSET', names, name, seq)
    if redis.call('HLEN', names) == 1 then redis.call('RPUSH', KEYS[5], payment) end
    for i = sums + 1, nextEntry - 1, 2 do
      redis.call('HSET', KEYS[3], ARGV[i], add(redis.call('HGET', KEYS[3], ARGV[i]) or '0', ARGV[i + 1]))
    end
  end
  at = nextEntry
end

for i = 1, cells do
  local text = ARGV[3 + 2 * i]
  if text ~= found[i] then
    for _, audit in ipairs(audits) do redis.call('HSETNX', audit, KEYS[5 + i], found[i]) end
    if text == '' then redis.call('DEL', KEYS[5 + i]) else redis.call('SET', KEYS[5 + i], text) end
  end
end
run(at)
return {'done'}
`;

/** Runs commands at one moment and answers what they answered; commands that may run twice. KEYS: store; what the commands name by place. ARGV: whose store; the commands. */
const ask = `${head}${commands}
return {'done', run(2)}
`;

/**
 * Cells as they were when an audit began: nothing where one has been made since, '' where there is none.
 * KEYS: store, the audit, the cells. ARGV: whose store; for how many milliseconds more the audit is good.
 */
const asOf = `${head}
if redis.call('EXISTS', KEYS[2]) == 0 then return {'over'} end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local texts = {}
for i = 3, #KEYS do
  local kept = redis.call('HGET', KEYS[2], KEYS[i])
  if kept then texts[i - 2] = kept ~= '' and kept else texts[i - 2] = redis.call('GET', KEYS[i]) or '' end
end
return {'done', texts}
`;

/**
 * Adds to a counter below its ceiling. All numbers are doubles on both sides.
 * KEYS: store, the counter, what expires. ARGV: whose store; the counter's name, by how much, the ceiling, when it expires, the hour.
 */
const count = `${head}
local value, expiresAt = 0, ARGV[5]
local kept = redis.call('HMGET', KEYS[2], 'value', 'expiresAt')
if kept[1] and tonumber(ARGV[6]) < tonumber(kept[2]) then value, expiresAt = tonumber(kept[1]), kept[2] end
local by = tonumber(ARGV[3])
if value + by > tonumber(ARGV[4]) then return {'done', 0, string.format('%.0f', value)} end
if by > 0 then
  redis.call('HSET', KEYS[2], 'value', string.format('%.0f', value + by), 'expiresAt', expiresAt)
  redis.call('ZADD', KEYS[3], expiresAt, ARGV[2])
end
return {'done', 1, string.format('%.0f', value + by)}
`;

/** Refuses something; the longer of two denials stands. KEYS: store, book, denials, denied, what expires. ARGV: whose store; name, kind, value, when it expires. */
const deny = `${head}
local before = redis.call('HGET', KEYS[4], ARGV[2])
local seqBefore, expiresAt
if before then seqBefore, expiresAt = string.match(before, '^(%d+) (%d+)$') end
if expiresAt and tonumber(expiresAt) >= tonumber(ARGV[5]) then return {'done', 0} end
local seq = string.format('%.0f', tonumber(redis.call('HGET', KEYS[2], 'seq') or '0') + 1)
redis.call('XADD', KEYS[3], seq .. '-0', 'kind', ARGV[3], 'value', ARGV[4], 'expiresAt', ARGV[5])
redis.call('HSET', KEYS[2], 'seq', seq)
if seqBefore then redis.call('XDEL', KEYS[3], seqBefore .. '-0') end
redis.call('HSET', KEYS[4], ARGV[2], seq .. ' ' .. ARGV[5])
redis.call('ZADD', KEYS[5], ARGV[5], ARGV[2])
return {'done', 1}
`;

/** Puts a lock in the place of an empty store's name. KEYS: store; what an empty store has none of. ARGV: whose store; the lock. */
const lock = `${head}
for i = 2, #KEYS do if redis.call('EXISTS', KEYS[i]) == 1 then return {'filled'} end end
redis.call('SET', KEYS[1], ARGV[2])
return {'done'}
`;

/**
 * Writes entries under the numbers that they have. KEYS: store, ledger, payments; what entries name by place. ARGV: whose store; of each entry the place of
 * its names' key, its payment, its name, its number, and its row with its length before it.
 */
const loadEntries = `${head}
local at = 2
while at <= #ARGV do
  local names, payment, name, seq, fields = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
  if redis.call('HEXISTS', names, name) == 1 then return {'twice', payment .. ' ' .. name} end
  local row = {}
  for i = 1, fields do row[i] = ARGV[at + 4 + i] end
  redis.call('XADD', KEYS[2], seq .. '-0', unpack(row))
  redis.call('HSET', names, name, seq)
  if redis.call('HLEN', names) == 1 then redis.call('RPUSH', KEYS[3], payment) end
  at = at + 5 + fields
end
return {'done'}
`;

/** Takes away a page of a store's keys. KEYS: store. ARGV: whose store; the cursor, what the names are like; whole names, and beginnings that end in a colon. */
const clear = `${head}
local page = redis.call('SCAN', ARGV[2], 'MATCH', ARGV[3], 'COUNT', '500')
for _, key in ipairs(page[2]) do
  for i = 4, #ARGV do
    local isBeginning = string.sub(ARGV[i], -1) == ':'
    if key == ARGV[i] or (isBeginning and string.sub(key, 1, #ARGV[i]) == ARGV[i]) then redis.call('DEL', key) end
  end
end
return {'done', page[1]}
`;

/** Forgets keys that are over. KEYS: store, what expires. ARGV: whose store; up to when, how many at most, what the keys' names begin with. */
const forget = `${head}
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, name in ipairs(over) do
  redis.call('DEL', ARGV[4] .. name)
  redis.call('ZREM', KEYS[2], name)
end
return {'done', #over}
`;

/** Forgets denials that are over. KEYS: store, what expires, denials, denied. ARGV: whose store; up to when, how many at most. */
const forgetDenials = `${head}
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, name in ipairs(over) do
  local kept = redis.call('HGET', KEYS[4], name)
  if kept then redis.call('XDEL', KEYS[3], string.match(kept, '^%d+') .. '-0') end
  redis.call('HDEL', KEYS[4], name)
  redis.call('ZREM', KEYS[2], name)
end
return {'done', #over}
`;

/**
 * Does each kind of thing that the others do to a key of its own, so that a user who may not do one of them is found out before a step is
 * left half done. KEYS: the key. Looks at no store.
 */
const trial = `#!lua
local key = KEYS[1]
local tried = {
  {'SET', key, '1'}, {'GET', key}, {'EXISTS', key}, {'PEXPIRE', key, '1000'}, {'DEL', key},
  {'HSET', key, 'a', '1'}, {'HSETNX', key, 'b', '1'}, {'HGET', key, 'a'}, {'HMGET', key, 'a'}, {'HGETALL', key}, {'HVALS', key}, {'HEXISTS', key, 'a'},
  {'HLEN', key}, {'HDEL', key, 'a'}, {'DEL', key},
  {'XADD', key, '1-0', 'a', '1'}, {'XRANGE', key, '-', '+'}, {'XREVRANGE', key, '+', '-'}, {'XDEL', key, '1-0'}, {'DEL', key},
  {'ZADD', key, '1', 'a'}, {'ZCARD', key}, {'ZRANGEBYSCORE', key, '-inf', '+inf'}, {'ZRANGEBYLEX', key, '-', '+'}, {'ZSCAN', key, '0'}, {'ZREM', key, 'a'},
  {'RPUSH', key, 'a'}, {'LLEN', key}, {'LRANGE', key, '0', '0'}, {'DEL', key},
  {'SADD', key, 'a'}, {'SMEMBERS', key}, {'SREM', key, 'a'},
}
for _, command in ipairs(tried) do redis.call(unpack(command)) end
return 'done'
`;

/** Every script. */
export const scripts = {
  trial: script(trial),
  apply: script(apply),
  ask: script(ask, true),
  asOf: script(asOf, true),
  count: script(count),
  deny: script(deny),
  forget: script(forget),
  forgetDenials: script(forgetDenials),
  lock: script(lock),
  load: script(ask),
  loadEntries: script(loadEntries),
  clear: script(clear, true),
} as const;

function script(text: string, isRepeatable = false): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex'), isRepeatable };
}
