-- A container has nothing to do: it gets the next invitation, or is idle from now on.
-- ARGV: container
-- Reply: {'over'} | {'ok'}; what it gets is in its own list
local container = ARGV[1]
local run = redis.call('HGET', key('serving'), container)
if redis.call('LLEN', key('own:' .. container)) > 0 then return {'ok'} end
redis.call('HDEL', key('serving'), container)
if run and redis.call('SISMEMBER', key('stopping'), run) == 1 then call_client('') end
local turn = redis.call('LPOP', key('runs'))
if turn then
  hand(redis.call('LPOP', key('queue:' .. turn)), turn, container)
  if redis.call('LLEN', key('queue:' .. turn)) > 0 then redis.call('RPUSH', key('runs'), turn) end
  touch('runs')
else
  redis.call('ZADD', key('idle'), 'NX', now(), container)
  touch('idle')
end
return {'ok'}
