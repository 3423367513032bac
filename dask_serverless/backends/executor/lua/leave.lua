-- A container has been idle for long, and leaves unless it was invited just now.
-- ARGV: container
-- Reply: {'over'} | {'ok', '1' if it may}
if redis.call('LLEN', key('own:' .. ARGV[1])) > 0 then return {'ok', 0} end
redis.call('ZREM', key('idle'), ARGV[1])
return {'ok', 1}
