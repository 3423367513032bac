-- A container is alive: its claim lasts for another lease.
-- ARGV: epoch, container, bundle, claim
-- Reply: {'lost'} | {'over', why} | {'fenced'} | {'ok'}
if over then return {'over', over} end
if redis.call('HGET', key('state'), ARGV[3]) ~= ARGV[4] then return {'fenced'} end
local ends = redis.call('ZSCORE', key('leases'), ARGV[3])
if not ends or tonumber(ends) < now() then return {'fenced'} end
redis.call('ZADD', key('leases'), now() + lease_of(ARGV[3]), ARGV[3])
return {'ok'}
