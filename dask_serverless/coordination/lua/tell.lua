-- Tasks of a bundle under way are done: for whoever watches, the run's state does not change.
-- ARGV: epoch, bundle, claim, what is told
-- Reply: {'lost'} | {'over', why} | {'fenced'} | {'ok'}
if over then return {'over', over} end
if redis.call('HGET', key('state'), ARGV[2]) ~= ARGV[3] then return {'fenced'} end
tell('p', ARGV[4])
return {'ok'}
