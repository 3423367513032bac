-- The client has stopped a run: nobody is to begin to work on it, and who does is to leave it.
-- ARGV: run
-- Reply: {'over'} | {'ok'}
redis.call('DEL', key('queue:' .. ARGV[1]))
redis.call('LREM', key('runs'), 0, ARGV[1])
redis.call('SADD', key('stopping'), ARGV[1])
touch('stopping')
order('stop', ARGV[1])
return {'ok'}
