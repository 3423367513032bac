-- The client wants no more of the run.
-- ARGV: epoch, why
-- Reply: {'lost'} | {'ok'}
if not over then redis.call('HSET', KEYS[1], 'over', ARGV[2]) end
return {'ok'}
