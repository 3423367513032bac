-- A container is alive: its claim lasts for another lease, and so do those of bundles that it holds.
-- ARGV: epoch, container, bundle, claim; how much memory it has in use, if that is nearly all
-- Reply: {'lost'} | {'over', why} | {'fenced'} | {'ok'}
if over then return {'over', over} end
if redis.call('HGET', key('state'), ARGV[3]) ~= ARGV[4] then return {'fenced'} end
local ends = redis.call('ZSCORE', key('leases'), ARGV[3])
if not ends or tonumber(ends) < now() then return {'fenced'} end
redis.call('ZADD', key('leases'), now() + lease_of(ARGV[3]), ARGV[3])
if near then
  for _, held in ipairs(held_by(ARGV[2])) do redis.call('ZADD', key('leases'), now() + lease_of(held), held) end
end
if ARGV[5] then
  redis.call('HSET', key('tight'), ARGV[2], ARGV[3] .. ' ' .. ARGV[5])
  redis.call('EXPIRE', key('tight'), live)
end
return {'ok'}
