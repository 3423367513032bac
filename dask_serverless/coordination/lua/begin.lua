-- Makes a run's keys, before anything large is sent. What a repetition finds stays as it is.
-- ARGV: epoch, seconds the keys may live, '1' if bundles share anything, '1' if they have slots,
--       '2' if they also have times to begin by, how many containers were asked for already, then
--       fields and values of meta, where there are several sizes the last
-- Reply: {'ok'}
local seconds = ARGV[2]
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'live', seconds, 'slotted', ARGV[4], unpack(ARGV, 6))
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'submitted', time[1] * 1e6 + time[2])
redis.call('EXPIRE', KEYS[1], seconds)
local new = redis.call('EXISTS', key('begun')) == 0
if new then
  redis.call('XGROUP', 'CREATE', key('begun'), 'none', '0', 'MKSTREAM') -- the one way to an empty stream
  redis.call('EXPIRE', key('begun'), seconds)
end
keep(KEPT.always, seconds)
if new then
  local moment = math.floor((time[1] * 1e6 + time[2]) / 1000)
  for i = 1, tonumber(ARGV[5]) do redis.call('ZADD', key('invites'), moment, 'early:' .. i) end
end
if ARGV[3] == '1' then
  redis.call('SETNX', key('edges'), '')
  redis.call('EXPIRE', key('edges'), seconds)
  keep(KEPT.shared, seconds)
end
if ARGV[4] ~= '0' then keep(KEPT.slots, seconds) end
if ARGV[4] == '2' then keep(KEPT.patience, seconds) end
if ARGV[#ARGV - 1] == 'sizes' then
  local _, count = string.gsub(ARGV[#ARGV], '%d+', '')
  keep(group_of_sizes(count, ARGV[4] == '2'), seconds)
end
return {'ok'}
