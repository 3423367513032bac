-- A task raised: the run is over.
-- ARGV: epoch, container, bundle, claim, error (what the client unpacks)
-- Reply: {'lost'} | {'over', why} | {'fenced'} | {'ok'}
if over then return {'over', over} end
if redis.call('HGET', key('state'), ARGV[3]) ~= ARGV[4] then return {'fenced'} end
local ends = redis.call('ZSCORE', key('leases'), ARGV[3])
if not ends or tonumber(ends) < now() then return {'fenced'} end
untold_by_all()
redis.call('HDEL', key('working'), ARGV[2])
failed(ARGV[5])
return {'ok'}
