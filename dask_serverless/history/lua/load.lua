-- A client reads what has changed.
-- ARGV: version, generation, the generation and the change that it has seen, how many at most
-- Reply, without a write, since a look must leave nothing behind:
--   {'ok', generation, the first change that is still there, {name, change, packed entry, ...}}
--   Of another generation all entries; '' where there is nothing.
local other = other_version()
if other then return {'version', other} end
local generation = redis.call('HGET', state, 'generation') or ''
local seen = ARGV[4]
if generation ~= ARGV[3] then seen = '0' end
local found = redis.call(
  'ZRANGEBYSCORE', order, '(' .. seen, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local reply = {}
for i = 1, #found, 2 do
  reply[#reply + 1] = found[i]
  reply[#reply + 1] = found[i + 1]
  reply[#reply + 1] = redis.call('HGET', entries, found[i]) or ''
end
local first = redis.call('ZRANGE', order, 0, 0, 'WITHSCORES')[2] or ''
return {'ok', generation, first, reply}
