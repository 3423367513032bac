-- A call has ended, and its container with it.
-- ARGV: call
-- Reply: {'over'} | {'ok', its last container or '' if none ever came}
redis.call('SADD', key('ended'), ARGV[1])
touch('ended')
local n = came(ARGV[1])
if n == 0 then return {'ok', ''} end
redis.call('HDEL', key('came'), ARGV[1])
bury(name_of(ARGV[1], n))
return {'ok', name_of(ARGV[1], n)}
