-- A client writes entries into which it has merged what it read, if nobody else wrote them since.
-- ARGV: version, generation, the generation that it has read, how many bytes there may be,
--       then for each: name, the change that it has read ('0': none), packed entry
-- Reply: {'ok', {name, ...}}: those that have to be read and merged again
local other = other_version()
if other then return {'version', other} end
begin()
local forgotten = redis.call('HGET', state, 'generation') ~= ARGV[3]
local again = {}
for i = 5, #ARGV, 3 do
  local name, read, packed = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local there = redis.call('HGET', entries, name)
  if there == packed then -- the same call once more: its reply was lost
  elseif forgotten or tonumber(redis.call('ZSCORE', order, name) or '0') ~= tonumber(read) then
    again[#again + 1] = name
  else
    remove(name)
    redis.call('HSET', entries, name, packed)
    redis.call('ZADD', order, redis.call('HINCRBY', state, 'changes', 1), name)
    redis.call('HINCRBY', state, 'bytes', #name + #packed + entry_bytes)
  end
end
while number('bytes') > tonumber(ARGV[4]) do
  local first = redis.call('ZRANGE', order, 0, 0)[1]
  if not first then break end
  remove(first)
end
return {'ok', again}
