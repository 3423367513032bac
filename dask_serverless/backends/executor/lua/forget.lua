-- A run is over: nobody needs to come for it any more.
-- ARGV: run
-- Reply: {'over'} | {'ok'}
redis.call('DEL', key('queue:' .. ARGV[1]))
redis.call('LREM', key('runs'), 0, ARGV[1])
return {'ok'}
