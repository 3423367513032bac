-- A run's bytes count among those that all watched runs have left; the oldest go, until that fits.
-- KEYS, on one server of a cluster:
--   runs   stream: the runs there are; 'g' (run): it went before its time
--   order  sorted set: run -> when it goes by itself, in seconds of the epoch
--   bytes  hash: run -> what it has left; '' -> what all of them have
-- ARGV: run, its bytes, for how many seconds it stays, most bytes of all runs, for how many seconds
--   the keys stay, one part in how many of a store that has a limit may be theirs
-- Reply: runs whose keys are to be deleted; the caller does so, since they are on other servers
local runs, order, bytes = KEYS[1], KEYS[2], KEYS[3]
local run, added, stays = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most, lives, part = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local function forget(name)
  local its = tonumber(redis.call('HGET', bytes, name) or '0')
  redis.call('HDEL', bytes, name)
  redis.call('ZREM', order, name)
  return redis.call('HINCRBY', bytes, '', 0 - its) -- and not -0, which is no integer
end

local limit = tonumber(string.match(redis.call('INFO', 'memory'), 'maxmemory:(%d+)') or '0')
if limit > 0 then most = math.min(most, limit / part) end

-- To the microsecond: runs of one second would stand in the order of their names.
local time = redis.call('TIME')
local function after(seconds) return string.format('%d.%06d', time[1] + seconds, time[2]) end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', '(' .. after(0))) do forget(name) end

forget(run)
redis.call('ZADD', order, after(stays), run)
redis.call('HSET', bytes, run, added)
local total = redis.call('HINCRBY', bytes, '', added)

local gone = {}
while total > most do
  local first = redis.call('ZRANGE', order, 0, 1)
  local oldest = first[1] ~= run and first[1] or first[2]
  if not oldest then break end -- whoever looks, looks at this one
  total = forget(oldest)
  redis.call('XADD', runs, '*', 'g', oldest)
  gone[#gone + 1] = oldest
end
for _, each in ipairs(KEYS) do redis.call('EXPIRE', each, lives) end
return gone
